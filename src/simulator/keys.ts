import { SEARCH } from '../core/config.ts';
import type { Random } from '../core/random.ts';

/** The group of a key: its first `bits` bits. */
export function prefixOf(key: number, bits: number): number {
  return bits === 0 ? 0 : key >>> (32 - bits);
}

/** log2 of the groups of a network: 2^round(log2(0.64·√N)), one group below 64 nodes (SEARCH.md). */
export function bitsFor(nodes: number): number {
  if (nodes < SEARCH.oneGroupBelow) return 0;
  const bits = Math.round(Math.log2(SEARCH.groupFactor * Math.sqrt(nodes)));
  return Math.min(SEARCH.maxGroupBits, Math.max(0, bits));
}

export function randomKeys(nodes: number, random: Random): Uint32Array {
  return Uint32Array.from({ length: nodes }, () => Math.floor(random() * 0x100000000));
}

/** Nodes by key, so that every group, of any size, is one stretch of them: what groups and the DHT are found in. */
export class KeySpace {
  readonly keys: Uint32Array;
  readonly order: Uint32Array;
  readonly #sorted: Uint32Array;
  readonly #starts = new Map<number, Uint32Array>();

  constructor(keys: Uint32Array) {
    this.keys = keys;
    // A key's 32 bits and a node's 21 fit a double exactly, and a Float64Array sorts by itself at full speed.
    const packed = Float64Array.from(keys, (key, node) => key * 0x200000 + node).sort();
    this.order = Uint32Array.from(packed, (value) => value % 0x200000);
    this.#sorted = Uint32Array.from(this.order, (node) => keys[node] ?? 0);
  }

  keyAt(place: number): number {
    return this.#sorted[place] ?? 0;
  }

  nodeAt(place: number): number {
    return this.order[place] ?? 0;
  }

  /** Where the group begins in the order; the next one's start is its end. */
  start(prefix: number, bits: number): number {
    let starts = this.#starts.get(bits);
    if (starts === undefined) {
      starts = new Uint32Array(2 ** bits + 1);
      for (const key of this.keys) {
        const group = prefixOf(key, bits) + 1;
        starts[group] = (starts[group] ?? 0) + 1;
      }
      for (let group = 0; group < 2 ** bits; group += 1)
        starts[group + 1] = (starts[group + 1] ?? 0) + (starts[group] ?? 0);
      this.#starts.set(bits, starts);
    }
    return starts[prefix] ?? 0;
  }

  /** The first place whose key is at least `key`; `key` may be 2^32. */
  place(key: number): number {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] ?? 0) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
