/**
 * Heads read lately, by their whole text: clients and backends send the same head again and again, and one that is
 * byte for byte the same means the same. A table of fixed size, shared by all connections, so that idle ones hold
 * none of it; a newcomer takes the place of what stood there. Only heads that were accepted come in.
 */
export class SeenHeads<H> {
  readonly #texts: string[];
  readonly #heads: (H | undefined)[];
  readonly #mask: number;

  /** @param places a power of two */
  constructor(places: number) {
    this.#texts = Array.from({ length: places }, () => '');
    this.#heads = Array.from({ length: places }, () => undefined);
    this.#mask = places - 1;
  }

  get(text: string): H | undefined {
    const place = this.#place(text);
    return this.#texts[place] === text ? this.#heads[place] : undefined;
  }

  put(text: string, head: H): void {
    const place = this.#place(text);
    this.#texts[place] = text;
    this.#heads[place] = head;
  }

  /** Of its length and of where start lines differ: paths and statuses. A clash costs one more reading, no more. */
  #place(text: string): number {
    let hash = text.length;
    const end = Math.min(text.length, LOOKED_AT);
    for (let at = 4; at < end; at += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0;
    return (hash ^ (hash >>> 15)) & this.#mask;
  }
}

const LOOKED_AT = 40;
