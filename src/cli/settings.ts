import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import { KelanaError, reason } from '../core/errors.ts';
import { nearest } from './nearest.ts';

export interface Located {
  readonly raw: unknown;
  readonly key: string;
  readonly line: number;
  /** Of a list of tables, `[[balancer.backend]]`: its name, each table of which has lines of its own. */
  readonly tables?: string;
}

/**
 * kelana.toml, read once. A section is a table (`[balancer]`) or a list of tables (`[[node]]`);
 * of a list, the entry with the asked name or port counts, else the first.
 */
export class Settings {
  readonly path: string | null;
  readonly document: Readonly<Record<string, unknown>>;
  readonly #lines: readonly string[];

  constructor(path: string | null, source: string) {
    this.path = path;
    this.#lines = source.split('\n');
    try {
      this.document = parse(source);
    } catch (thrown) {
      if (!(thrown instanceof TomlError)) throw thrown;
      const why = thrown.message.split('\n')[0] ?? '';
      throw new KelanaError('BAD_CONFIG', { file: path ?? '', line: thrown.line, why }, thrown);
    }
  }

  /** Reads `--config FILE`, or kelana.toml in the working directory where there is one. */
  static load(cwd: string, asked: string | undefined): Settings {
    const path = resolve(cwd, asked ?? 'kelana.toml');
    let source: string;
    try {
      source = readFileSync(path, 'utf8');
    } catch (thrown) {
      if (asked === undefined && reason(thrown) === 'ENOENT') return new Settings(null, '');
      throw new KelanaError('CANNOT_READ', { path, why: reason(thrown) }, thrown);
    }
    return new Settings(path, source);
  }

  section(name: string | undefined, flags: ReadonlyMap<string, unknown>): Map<string, Located> | undefined {
    if (name === undefined) return undefined;
    const found = this.document[name];
    const tables = Array.isArray(found) ? (found as unknown[]) : found === undefined ? [] : [found];
    const wanted = (table: unknown): boolean =>
      ['name', 'port'].some(
        (key) => flags.has(key) && String((table as Record<string, unknown>)[key]) === String(flags.get(key)),
      );
    const index = Math.max(
      0,
      tables.findIndex((table) => typeof table === 'object' && table !== null && wanted(table)),
    );
    const table = tables[index];
    if (table === undefined) return undefined;
    return this.keysOf(name, table, index);
  }

  /** Keys above all tables, which hold for every part. */
  shared(): Map<string, Located> {
    const plain = Object.entries(this.document).filter(([, raw]) => typeof raw !== 'object' || raw === null);
    return new Map(plain.map(([key, raw]) => [key, { raw, key, line: this.lineOf('', 0, key) }]));
  }

  /** Every table of a name, in the file's order: `[[node]]` has several, `[balancer]` one. */
  tables(name: string): readonly Map<string, Located>[] {
    const found = this.document[name];
    const tables = Array.isArray(found) ? (found as unknown[]) : found === undefined ? [] : [found];
    return tables.map((table, index) => this.keysOf(name, table, index));
  }

  refuseKey(key: string, known: readonly string[], line: number): never {
    const near = nearest(key.slice(key.indexOf('.') + 1), known);
    const hint = near === undefined ? '' : ` (${near}?)`;
    throw new KelanaError('BAD_CONFIG', {
      file: this.path ?? '',
      line,
      why: { id: `pengaturan '${key}' tidak dikenal${hint}`, en: `unknown setting '${key}'${hint}` },
    });
  }

  /** The keys of one table, each with the line it stands on. */
  keysOf(name: string, table: unknown, index = 0): Map<string, Located> {
    if (typeof table !== 'object' || table === null) {
      throw new KelanaError('BAD_CONFIG', {
        file: this.path ?? '',
        line: 1,
        why: { id: `'${name}' harus berupa tabel`, en: `'${name}' must be a table` },
      });
    }
    return new Map(
      Object.entries(table).map(([key, raw]) => {
        const line = this.lineOf(name, index, key);
        const tables = isTables(raw) && this.lineOf(`${name}.${key}`, 0) > 1 ? `${name}.${key}` : undefined;
        return [key, { raw, key, line, ...(tables === undefined ? {} : { tables }) }];
      }),
    );
  }

  /** Runs a check on a value and puts the file's line into its error. */
  locate<T>(located: Located, check: (raw: unknown) => T): T {
    const { raw, tables, line } = located;
    if (tables !== undefined && Array.isArray(raw)) {
      for (const [at, item] of (raw as unknown[]).entries())
        this.#checked(
          () => check([item]),
          (key) => this.lineOf(tables, at, key),
        );
    }
    return this.#checked(
      () => check(raw),
      () => line,
    );
  }

  /** Of an item of a list: of its table where it is one, else of the whole list. */
  placeOf({ tables, line }: Located, at: number, key?: string): { file: string; line: number } {
    const exact = tables === undefined || at < 0 ? line : this.lineOf(tables, at, key);
    return { file: this.path ?? '', line: exact };
  }

  /** `lineOf` is given the key of a table that an error names. */
  #checked<T>(check: () => T, lineOf: (key?: string) => number): T {
    try {
      return check();
    } catch (thrown) {
      if (!(thrown instanceof KelanaError)) throw thrown;
      const { key } = thrown.params;
      throw new KelanaError(
        'BAD_CONFIG',
        {
          file: this.path ?? '',
          line: lineOf(typeof key === 'string' ? key : undefined),
          why: {
            id: thrown.describe('id').says.replace(/\.$/, ''),
            en: thrown.describe('en').says.replace(/\.$/, ''),
          },
        },
        thrown,
      );
    }
  }

  /** Line (from 1) of a key within the index-th table of that name; of the table's head where the key is not found. */
  lineOf(name: string, index: number, key?: string): number {
    let seen = name === '' ? 0 : -1;
    let head = 1;
    for (const [at, line] of this.#lines.entries()) {
      const table = /^\s*\[\[?\s*([\w.-]+)\s*\]\]?/.exec(line);
      if (table !== null) {
        // A list of tables under this key: `[[balancer.backend]]`.
        if ((seen === index || seen < 0) && key !== undefined && table[1] === `${name}.${key}`) return at + 1;
        if (seen === index && table[1] !== name && key !== undefined && !(table[1] ?? '').startsWith(name))
          return head;
        if (table[1] === name) {
          seen += 1;
          if (seen === index) head = at + 1;
        }
      } else if (
        seen === index &&
        key !== undefined &&
        new RegExp(`^\\s*"?${key.replace(/[^\w-]/g, '')}"?\\s*=`).test(line)
      ) {
        return at + 1;
      }
    }
    return head;
  }
}

function isTables(raw: unknown): boolean {
  return (
    Array.isArray(raw) && raw.length > 0 && raw.every((item) => typeof item === 'object' && item !== null)
  );
}
