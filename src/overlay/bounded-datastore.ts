import { NotFoundError } from '@libp2p/interface';
import type { Libp2pOptions } from 'libp2p';

/** The interface that libp2p keeps its peers in, and its DHT the records. */
export type Datastore = NonNullable<Libp2pOptions['datastore']>;
type Key = Parameters<Datastore['get']>[0];
type Pair = ReturnType<Datastore['query']> extends Iterable<infer P> | AsyncIterable<infer P> ? P : never;
type Query = Parameters<Datastore['query']>[0];
type KeyQuery = Parameters<Datastore['queryKeys']>[0];

export interface Bounds {
  readonly maxEntries: number;
  /** Bytes of keys and values in all. */
  readonly maxBytes: number;
  /** Bytes of one value; a larger one is refused. */
  readonly maxValueBytes: number;
  /**
   * Whose entry a key is. When the store is full, an owner that has more than its even share loses its own oldest
   * entry, so that one who floods it pushes out nobody else. Without it the oldest entry of all goes.
   */
  owner?(key: string): string;
  /** Keys that are not taken at all. */
  refuse?(key: string): boolean;
}

interface Entry {
  readonly key: Key;
  readonly value: Uint8Array;
  readonly bytes: number;
}

/**
 * A datastore in memory that strangers cannot fill: bounded in entries and bytes, with the entry that was unused for
 * the longest making way. Entries lie in folders (all of the key but its last part), so that asking for one folder's
 * entries does not go through all of them; of a prefix that is a folder, only the entries right in it are given.
 */
export class BoundedDatastore implements Datastore {
  readonly #bounds: Bounds;
  readonly #folders = new Map<string, Map<string, Entry>>();
  /** Keys of each owner, oldest first. */
  readonly #owners = new Map<string, Set<string>>();
  /** All keys, oldest first. */
  readonly #ages = new Set<string>();
  #bytes = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#ages.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  put(key: Key, value: Uint8Array): Key {
    const text = key.toString();
    if (this.#bounds.refuse?.(text) === true) throw new Error('not a key that is kept here');
    const bytes = text.length + value.length;
    if (value.length > this.#bounds.maxValueBytes || bytes > this.#bounds.maxBytes)
      throw new Error('a value too large');
    this.#drop(text);
    while (this.#ages.size >= this.#bounds.maxEntries || this.#bytes + bytes > this.#bounds.maxBytes)
      this.#makeRoom(this.#ownerOf(text));
    const folder = this.#folders.get(folderOf(text)) ?? new Map<string, Entry>();
    folder.set(text, { key, value, bytes });
    this.#folders.set(folderOf(text), folder);
    const owned = this.#owners.get(this.#ownerOf(text)) ?? new Set();
    this.#owners.set(this.#ownerOf(text), owned.add(text));
    this.#ages.add(text);
    this.#bytes += bytes;
    return key;
  }

  /** @throws NotFoundError */
  get(key: Key): Uint8Array {
    const text = key.toString();
    const entry = this.#folders.get(folderOf(text))?.get(text);
    if (entry === undefined) throw new NotFoundError(`nothing under ${text}`);
    for (const list of [this.#ages, this.#owners.get(this.#ownerOf(text))]) {
      list?.delete(text);
      list?.add(text);
    }
    return entry.value;
  }

  has(key: Key): boolean {
    const text = key.toString();
    return this.#folders.get(folderOf(text))?.has(text) === true;
  }

  delete(key: Key): void {
    this.#drop(key.toString());
  }

  async *putMany(source: Iterable<Pair> | AsyncIterable<Pair>): AsyncGenerator<Key> {
    for await (const { key, value } of source) yield this.put(key, value);
  }

  async *getMany(source: Iterable<Key> | AsyncIterable<Key>): AsyncGenerator<Pair> {
    for await (const key of source) yield { key, value: this.get(key) };
  }

  async *deleteMany(source: Iterable<Key> | AsyncIterable<Key>): AsyncGenerator<Key> {
    for await (const key of source) {
      this.delete(key);
      yield key;
    }
  }

  batch(): ReturnType<Datastore['batch']> {
    const steps: (() => void)[] = [];
    return {
      put: (key, value) => void steps.push(() => void this.put(key, value)),
      delete: (key) => void steps.push(() => this.delete(key)),
      commit: () => {
        for (const step of steps.splice(0)) step();
      },
    };
  }

  *query(query: Query): Generator<Pair> {
    const { filters = [], orders = [] } = query;
    const found = this.#below(query.prefix)
      .map(({ key, value }) => ({ key, value }))
      .filter((pair) => filters.every((filter) => filter(pair)));
    for (const order of orders) found.sort(order);
    yield* page(found, query);
  }

  *queryKeys(query: KeyQuery): Generator<Key> {
    const { filters = [], orders = [] } = query;
    const found = this.#below(query.prefix)
      .map(({ key }) => key)
      .filter((key) => filters.every((filter) => filter(key)));
    for (const order of orders) found.sort(order);
    yield* page(found, query);
  }

  #below(prefix = ''): Entry[] {
    const own = this.#folders.get(prefix);
    if (own !== undefined) return [...own.values()];
    const entries: Entry[] = [];
    for (const [folder, held] of this.#folders) {
      // A folder is below the prefix, or the prefix ends within its entries' names.
      if (!folder.startsWith(prefix) && !prefix.startsWith(folder)) continue;
      for (const [text, entry] of held) if (text.startsWith(prefix)) entries.push(entry);
    }
    return entries;
  }

  #makeRoom(owner: string): void {
    const share = this.#bounds.maxEntries / (this.#owners.size + 1);
    const own = this.#owners.get(owner);
    const oldest = own !== undefined && own.size >= share ? own.values().next() : this.#ages.values().next();
    if (oldest.done !== true) this.#drop(oldest.value);
  }

  #drop(text: string): void {
    const folder = this.#folders.get(folderOf(text));
    const entry = folder?.get(text);
    if (folder === undefined || entry === undefined) return;
    folder.delete(text);
    if (folder.size === 0) this.#folders.delete(folderOf(text));
    const owner = this.#ownerOf(text);
    const owned = this.#owners.get(owner);
    owned?.delete(text);
    if (owned?.size === 0) this.#owners.delete(owner);
    this.#ages.delete(text);
    this.#bytes -= entry.bytes;
  }

  #ownerOf(text: string): string {
    return this.#bounds.owner?.(text) ?? '';
  }
}

function folderOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/'));
}

function page<T>(
  items: readonly T[],
  { offset = 0, limit }: { offset?: number; limit?: number },
): readonly T[] {
  return items.slice(offset, limit === undefined ? undefined : offset + limit);
}
