import { LIBRARY } from '../core/config.ts';
import type { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Text } from '../core/lang.ts';

/** Names that were met and cannot be shared. */
export interface RefusedNames {
  readonly refused: number;
  /** `name` as it may be shown. */
  readonly firstRefused: { readonly name: string; readonly why: Text } | null;
}

/** What a library says of paths, once for each: a scan meets the same fault each time. */
export class Reports {
  readonly #emit: Emit;
  readonly #who: string;
  readonly #told = new Set<string>();

  constructor(emit: Emit, who: string) {
    this.#emit = emit;
    this.#who = who;
  }

  error(path: string, { code, message, params }: KelanaError): void {
    if (this.#first(path)) this.#emit({ type: 'error', who: this.#who, code, detail: message, params });
  }

  /** Names that a change of this path brought. */
  namesAt(path: string, names: RefusedNames): void {
    if (this.#first(path)) this.names(names);
  }

  /** Each time. */
  names({ refused, firstRefused }: RefusedNames): void {
    if (firstRefused === null) return;
    const name = `'${firstRefused.name}'`;
    const { why: first } = firstRefused;
    const detail = `${refused} file names cannot be shared; the first is ${name}: ${first.en}`;
    const more = refused - 1;
    const why =
      more === 0
        ? first
        : {
            id: `${first.id}; begitu pula ${more} nama lain, yang juga tidak dibagikan`,
            en: `${first.en}; so ${more === 1 ? 'is 1 other name' : `are ${more} other names`}, not shared either`,
          };
    this.#emit({ type: 'error', who: this.#who, code: 'BAD_NAME', detail, params: { name, why } });
  }

  /** What it says of the path from now on is new. */
  forget(path: string): void {
    this.#told.delete(path);
  }

  #first(path: string): boolean {
    if (this.#told.has(path)) return false;
    if (this.#told.size >= LIBRARY.maxReported) this.#told.clear();
    this.#told.add(path);
    return true;
  }
}
