/** A set of unordered pairs of nodes, in one flat table: for millions of edges a Set would take five times as much. */
export class PairSet {
  readonly #table: Float64Array;
  readonly #mask: number;

  /** @param most pairs it will hold at most */
  constructor(most: number) {
    let size = 16;
    while (size < 2 * most) size *= 2;
    this.#table = new Float64Array(size);
    this.#mask = size - 1;
  }

  has(a: number, b: number): boolean {
    return this.#table[this.#find(keyOf(a, b))] !== 0;
  }

  /** False where it was there already. */
  add(a: number, b: number): boolean {
    const key = keyOf(a, b);
    const at = this.#find(key);
    if (this.#table[at] !== 0) return false;
    this.#table[at] = key;
    return true;
  }

  #find(key: number): number {
    let at = (Math.imul(key % 0x100000000, 0x9e3779b1) ^ Math.imul(key / 0x100000, 0x85ebca6b)) & this.#mask;
    while (this.#table[at] !== 0 && this.#table[at] !== key) at = (at + 1) & this.#mask;
    return at;
  }
}

/** Never 0, and exact up to 2^26 nodes. */
function keyOf(a: number, b: number): number {
  return a < b ? a * 0x4000000 + b + 1 : b * 0x4000000 + a + 1;
}
