import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SEARCH } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import { Recent } from './recent.ts';

interface Neighbour {
  readonly peer: string;
  readonly label: string;
}

interface Lost extends Neighbour {
  /** ms: when it was lost; Infinity while it is linked. */
  readonly at: number;
}

/**
 * Neighbours that this node had, whoever dialled whom: one that has none left is cut off. Those that said goodbye
 * are not among them. They are kept in a file, with others of whom this node knows, since a node that starts again
 * cannot tell that they are gone; each start counts the time anew.
 */
export class Former {
  readonly #lost = new Recent<string, Lost>(SEARCH.maxFormer);
  readonly #file: string;
  readonly #now: () => number;
  readonly #known: () => readonly Neighbour[];
  #dirty = false;
  #saving: Promise<void> | null = null;

  private constructor(file: string, now: () => number, known: () => readonly Neighbour[]) {
    this.#file = file;
    this.#now = now;
    this.#known = known;
  }

  /**
   * `known`: whom this node knows of now, linked or not.
   * @throws KelanaError CANNOT_READ
   */
  static async open(
    file: string,
    now: () => number,
    known: () => readonly Neighbour[] = () => [],
  ): Promise<Former> {
    const former = new Former(file, now, known);
    for (const { peer, label } of await load(file)) former.#lost.set(peer, { peer, label, at: now() });
    return former;
  }

  linked({ peer, label }: Neighbour): void {
    const before = this.#lost.get(peer);
    this.#lost.set(peer, { peer, label, at: Infinity });
    if (before?.label !== label) this.#save();
  }

  lost({ peer, label }: Neighbour): void {
    this.#lost.set(peer, { peer, label, at: this.#now() });
  }

  /** It said goodbye, or this node wants it no more. */
  left({ peer }: Neighbour): void {
    if (this.#lost.get(peer) === undefined) return;
    this.#lost.delete(peer);
    this.#save();
  }

  /** Of those that were there in the last `SEARCH.formerMs`, but for those that this node wants no more. */
  labels(unwanted: (peer: string) => boolean): string[] {
    return this.#recent()
      .filter(({ peer }) => !unwanted(peer))
      .map(({ label }) => label);
  }

  async stop(): Promise<void> {
    this.#save();
    await this.#saving;
  }

  #recent(): Lost[] {
    const since = this.#now() - SEARCH.formerMs;
    return [...this.#lost.values()].filter(({ at }) => at > since);
  }

  /** One write at a time, however often neighbours come and go. */
  #save(): void {
    this.#dirty = true;
    this.#saving ??= this.#write().finally(() => {
      this.#saving = null;
    });
  }

  async #write(): Promise<void> {
    while (this.#dirty) {
      this.#dirty = false;
      const labels = new Map<string, string>();
      for (const { peer, label } of this.#known()) labels.set(peer, label);
      // Neighbours last, which is first to stay where there are too many.
      for (const { peer, label } of this.#recent()) {
        labels.delete(peer);
        labels.set(peer, label);
      }
      const list = [...labels].slice(-SEARCH.maxFormer).map(([peer, label]) => ({ peer, label }));
      try {
        await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
        await writeFile(`${this.#file}.new`, JSON.stringify(list, null, 2), { mode: 0o600 });
        await rename(`${this.#file}.new`, this.#file);
      } catch {
        // A full disk costs what the next start would remember, not this run; the next change tries again.
        return;
      }
    }
  }
}

async function load(file: string): Promise<readonly Neighbour[]> {
  try {
    const list: unknown = JSON.parse(await readFile(file, 'utf8'));
    return Array.isArray(list) ? list.filter(isNeighbour).slice(-SEARCH.maxFormer) : [];
  } catch (thrown) {
    if (reason(thrown) === 'ENOENT' || thrown instanceof SyntaxError) return [];
    throw new KelanaError('CANNOT_READ', { path: file, why: reason(thrown) }, thrown);
  }
}

function isNeighbour(entry: unknown): entry is Neighbour {
  if (typeof entry !== 'object' || entry === null) return false;
  const { peer, label } = entry as Partial<Record<string, unknown>>;
  return typeof peer === 'string' && typeof label === 'string';
}
