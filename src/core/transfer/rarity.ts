import type { Random } from '../random.ts';
import { has } from '../search/bitset.ts';

/** Who has which blocks: one bit each, lowest bit first; null is all of them. */
export interface Holder {
  readonly have: Uint8Array | null;
  /** How far it got in the order; kept by `Rarity`. */
  cursor: number;
}

export const holds = (holder: Holder, block: number): boolean =>
  holder.have === null || has(holder.have, block);

/**
 * The order in which missing blocks are asked for: those that fewest have first, and by number among equals, which
 * disks like; from a random place on where others may fetch it too. Where somebody has only a part, equals come in a
 * random order, a new one each time: two who fetch from each other and went on by number at the same place would bring
 * the same blocks ever after.
 *
 * A change of holders costs one pass over the file (a counting sort); a pick costs next to nothing.
 */
export class Rarity {
  readonly #count: number;
  /** Whether a block is neither there, nor being checked, nor asked for. */
  readonly #missing: (block: number) => boolean;
  readonly #scattered: boolean;
  #order: Uint32Array | null = null;
  #start = -1;
  /** Blocks that were asked for in vain: the cursors have passed them. */
  readonly #returned = new Set<number>();
  /** Missing blocks that nobody has. */
  orphans = 0;
  /** Holders of a part. */
  parts = 0;

  constructor(count: number, missing: (block: number) => boolean, scattered = false) {
    this.#scattered = scattered;
    this.#count = count;
    this.#missing = missing;
  }

  /** After holders came, went or have other blocks. */
  rebuild(holders: Iterable<Holder>, random: Random): void {
    let whole = 0;
    const parts: Uint8Array[] = [];
    for (const holder of holders) {
      holder.cursor = 0;
      if (holder.have === null) whole += 1;
      else parts.push(holder.have);
    }
    this.parts = parts.length;
    this.#returned.clear();
    this.orphans = 0;
    this.#order = null;
    if (this.#start < 0 && this.#scattered) this.#start = Math.floor(random() * this.#count);
    if (parts.length > 0 || whole === 0) this.#sort(parts, whole, random);
  }

  /** The next block to ask of `holder`, or -1. */
  next(holder: Holder): number {
    for (const block of this.#returned) {
      if (!this.#missing(block)) this.#returned.delete(block);
      else if (holds(holder, block)) {
        this.#returned.delete(block);
        return block;
      }
    }
    const length = this.#order?.length ?? this.#count;
    while (holder.cursor < length) {
      const place = Math.max(0, this.#start) + holder.cursor;
      const block = this.#order === null ? place % this.#count : (this.#order[holder.cursor] ?? 0);
      holder.cursor += 1;
      if (this.#missing(block) && holds(holder, block)) return block;
    }
    return -1;
  }

  /** A block that was asked for is missing after all. */
  giveBack(block: number): void {
    this.#returned.add(block);
  }

  #sort(parts: readonly Uint8Array[], whole: number, random: Random): void {
    const start = Math.floor(random() * this.#count);
    const step = coprime(1 + Math.floor(random() * this.#count), this.#count);
    const rarity = new Uint16Array(this.#count);
    const buckets = new Uint32Array(parts.length + 2);
    let missing = 0;
    for (let block = 0; block < this.#count; block += 1) {
      if (!this.#missing(block)) continue;
      let holders = 0;
      for (const part of parts) holders += ((part[block >> 3] ?? 0) >> (block & 7)) & 1;
      rarity[block] = holders;
      buckets[holders + 1] = (buckets[holders + 1] ?? 0) + 1;
      missing += 1;
    }
    if (whole === 0) this.orphans = buckets[1] ?? 0;
    for (let at = 1; at < buckets.length; at += 1) buckets[at] = (buckets[at] ?? 0) + (buckets[at - 1] ?? 0);
    const order = new Uint32Array(missing);
    for (let at = 0; at < this.#count; at += 1) {
      const block = (start + at * step) % this.#count;
      if (!this.#missing(block)) continue;
      const bucket = rarity[block] ?? 0;
      const place = buckets[bucket] ?? 0;
      order[place] = block;
      buckets[bucket] = place + 1;
    }
    this.#order = order;
  }
}

/** The next number from `from` on that shares no factor with `count`: its multiples meet every block once. */
function coprime(from: number, count: number): number {
  for (let step = from; ; step += 1) {
    let [a, b] = [step, count];
    while (b > 0) [a, b] = [b, a % b];
    if (a === 1) return step;
  }
}
