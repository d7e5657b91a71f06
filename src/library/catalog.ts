import { LIBRARY } from '../core/config.ts';
import type { Holding, Query } from '../core/ports.ts';
import { parseCid } from '../core/transfer/cid.ts';

/** A shared file as it was when it was hashed. */
export interface Entry extends Holding {
  readonly path: string;
  readonly root: string;
  readonly identity: string;
  /** SHA-256 of each block, concatenated. */
  readonly digests: Uint8Array;
  /** Number of the last scan that saw it. */
  seen: number;
}

/** Most keys have one entry: only a second one costs an array. */
class Groups {
  readonly #groups = new Map<string, Entry | Entry[]>();

  add(key: string, entry: Entry): void {
    const there = this.#groups.get(key);
    if (there === undefined) this.#groups.set(key, entry);
    else if (Array.isArray(there)) there.push(entry);
    else this.#groups.set(key, [there, entry]);
  }

  remove(key: string, entry: Entry): void {
    const there = this.#groups.get(key);
    if (there === entry) this.#groups.delete(key);
    if (!Array.isArray(there)) return;
    const rest = there.filter((other) => other !== entry);
    const first = rest[0];
    if (first === undefined) this.#groups.delete(key);
    else this.#groups.set(key, rest.length === 1 ? first : rest);
  }

  get(key: string): readonly Entry[] {
    const there = this.#groups.get(key);
    if (there === undefined) return [];
    return Array.isArray(there) ? there : [there];
  }
}

/** The files of a library in memory, found by path on disk, name or CID without a search. */
export class Catalog {
  readonly #byPath = new Map<string, Entry>();
  readonly #byCid = new Groups();
  /** By base name, and by path below the folder where that is more than the base name; both in NFC. */
  readonly #byName = new Groups();
  #list: readonly Holding[] | null = null;

  get size(): number {
    return this.#byPath.size;
  }

  at(path: string): Entry | undefined {
    return this.#byPath.get(path);
  }

  entries(): Iterable<Entry> {
    return this.#byPath.values();
  }

  /** Files with exactly these bytes. */
  copies(cid: string): readonly Entry[] {
    return this.#byCid.get(cid);
  }

  add(entry: Entry): void {
    const before = this.#byPath.get(entry.path);
    if (before !== undefined) this.remove(before);
    this.#byPath.set(entry.path, entry);
    this.#byCid.add(entry.cid, entry);
    for (const key of keysOf(entry.name)) this.#byName.add(key, entry);
    this.#list = null;
  }

  remove(entry: Entry): void {
    if (this.#byPath.get(entry.path) !== entry) return;
    this.#byPath.delete(entry.path);
    this.#byCid.remove(entry.cid, entry);
    for (const key of keysOf(entry.name)) this.#byName.remove(key, entry);
    this.#list = null;
  }

  lookup(query: Query): readonly Holding[] {
    const found: Holding[] = [];
    const seen = new Set<string>();
    for (const entry of this.#matches(query)) {
      const key = `${entry.cid}/${entry.name}`;
      if (seen.has(key)) continue;
      seen.add(key);
      found.push(holdingOf(entry));
      if (found.length === LIBRARY.maxMatches) break;
    }
    return found;
  }

  list(): readonly Holding[] {
    this.#list ??= Array.from(this.#byPath.values(), holdingOf);
    return this.#list;
  }

  #matches(query: Query): readonly Entry[] {
    if (query.kind === 'name') return this.#byName.get(query.name.normalize('NFC'));
    const cid = parseCid(query.cid);
    return cid === null ? [] : this.#byCid.get(cid.text);
  }
}

function keysOf(name: string): readonly string[] {
  const whole = name.normalize('NFC');
  const slash = whole.lastIndexOf('/');
  return slash < 0 ? [whole] : [whole, whole.slice(slash + 1)];
}

export function holdingOf({ name, size, cid }: Holding): Holding {
  return { name, size, cid };
}
