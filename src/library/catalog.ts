import { LIBRARY } from '../core/config.ts';
import type { Holding, Query } from '../core/ports.ts';
import { matcherOf, printWords } from '../core/search/query.ts';
import { wordsOf } from '../core/search/words.ts';
import { parseCid } from '../core/transfer/cid.ts';
import { Groups } from './groups.ts';

/** A shared file as it was when it was hashed. */
export interface Entry extends Holding {
  readonly path: string;
  /** Key of the shared folder (or file) that it belongs to. */
  readonly root: string;
  identity: string;
  /** SHA-256 of each block, concatenated; empty for a file of one block, whose CID has it. */
  readonly digests: Uint8Array;
  /** Number of the last scan that saw it. */
  seen: number;
}

/** Told of each file that comes or goes. */
export interface CatalogWatcher {
  added(entry: Entry): void;
  removed(entry: Entry): void;
}

/** The files of a library in memory, found by path on disk, name, word or CID without a search. */
export class Catalog {
  /** Counts changes of the set of files. */
  version = 0;
  observer: CatalogWatcher | null = null;
  readonly #byPath = new Map<string, Entry>();
  readonly #byCid = new Groups<Entry>((entry) => this.#has(entry));
  /** By base name, and by path below the folder where that is more than the base name; both in NFC. */
  readonly #byName = new Groups<Entry>((entry) => this.#has(entry));
  readonly #byWord = new Groups<Entry>((entry) => this.#has(entry));
  #list: readonly Holding[] | null = null;
  readonly #watching: CatalogWatcher | null;

  constructor(watching: CatalogWatcher | null = null) {
    this.#watching = watching;
  }

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
    for (const word of wordsOf(entry.name)) this.#byWord.add(word, entry);
    this.observer?.added(entry);
    this.#watching?.added(entry);
    this.#changed();
  }

  remove(entry: Entry): void {
    if (!this.#has(entry)) return;
    this.#byPath.delete(entry.path);
    this.#byCid.remove(entry.cid, entry);
    for (const key of keysOf(entry.name)) this.#byName.remove(key, entry);
    for (const word of wordsOf(entry.name)) this.#byWord.remove(word, entry);
    this.observer?.removed(entry);
    this.#watching?.removed(entry);
    this.#changed();
  }

  /** The files that match, the best first; at most `LIBRARY.maxMatches`. */
  lookup(query: Query): readonly Holding[] {
    const { matches, score } = matcherOf(query);
    const found: { readonly holding: Holding; readonly score: number }[] = [];
    const seen = new Set<string>();
    for (const entry of this.#candidates(query)) {
      if (!matches(entry)) continue;
      const key = `${entry.cid}/${entry.name}`;
      if (seen.has(key)) continue;
      seen.add(key);
      found.push({ holding: holdingOf(entry), score: score(entry) });
      if (found.length === LIBRARY.maxRanked) break;
    }
    return found
      .sort((one, other) => other.score - one.score)
      .slice(0, LIBRARY.maxMatches)
      .map(({ holding }) => holding);
  }

  list(): readonly Holding[] {
    this.#list ??= Array.from(this.#byPath.values(), holdingOf);
    return this.#list;
  }

  /** Files among which all matches are. */
  #candidates(query: Query): Iterable<Entry> {
    if (query.kind === 'name') return this.#byName.get(query.name.normalize('NFC'));
    if (query.kind === 'cid') return this.#byCid.get(parseCid(query.cid)?.text ?? '');
    const [first, ...others] = printWords(query)?.words ?? [];
    if (first === undefined) return query.kind === 'words' ? [] : this.#byPath.values();
    const rarest = others.reduce(
      (best, word) => (this.#byWord.count(word) < this.#byWord.count(best) ? word : best),
      first,
    );
    return this.#byWord.get(rarest);
  }

  #has(entry: Entry): boolean {
    return this.#byPath.get(entry.path) === entry;
  }

  #changed(): void {
    this.#list = null;
    this.version += 1;
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
