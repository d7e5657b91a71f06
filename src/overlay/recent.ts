/** A map that holds the `most` entries used last; the one unused for the longest makes way. */
export class Recent<K, V> {
  readonly #most: number;
  readonly #map = new Map<K, V>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    const value = this.#map.get(key);
    if (value === undefined) return undefined;
    this.#map.delete(key);
    this.#map.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#map.delete(key);
    const oldest = this.#map.keys().next();
    if (this.#map.size >= this.#most && oldest.done !== true) this.#map.delete(oldest.value);
    this.#map.set(key, value);
  }

  values(): Iterable<V> {
    return this.#map.values();
  }

  delete(key: K): void {
    this.#map.delete(key);
  }
}
