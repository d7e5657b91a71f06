import { PRINTS, SEARCH } from '../config.ts';

/** log2 of the number of groups for a network of so many nodes: g = 0.64·√N, one group below 64 (SEARCH.md). */
export function bitsFor(estimate: number): number {
  if (!(estimate >= SEARCH.oneGroupBelow)) return 0;
  const bits = Math.round(Math.log2(SEARCH.groupFactor * Math.sqrt(estimate)));
  return Math.min(Math.max(bits, 0), SEARCH.maxGroupBits);
}

/** The first `bits` bits of a key: the group's number. */
export function prefixOf(key: number, bits: number): number {
  return bits === 0 ? 0 : key >>> (32 - bits);
}

/** Whether two keys have their first `bits` bits in common. */
export function shares(one: number, other: number, bits: number): boolean {
  return prefixOf(one, bits) === prefixOf(other, bits);
}

const KEYS = 2 ** 32;

/**
 * How many nodes there are, from the keys of those that lie closest to the own key by XOR: when the k-th of them is
 * at distance d, k nodes share d / 2^32 of all keys. Null without keys. Off by 1/√k, 22 % for 20.
 */
export function density(own: number, keys: readonly number[]): number | null {
  const distances = [...new Set(keys)].filter((key) => key !== own).map((key) => (key ^ own) >>> 0);
  if (distances.length === 0) return null;
  const farthest = distances.reduce((most, distance) => Math.max(most, distance), 0);
  // This node is one of all.
  return (distances.length * KEYS) / (farthest + 1) + 1;
}

/**
 * One estimate of two: the group's members times the number of groups (off by 1/√members), and the DHT's density
 * (off by 1/√keys), weighted by how sure each is; at least 1.
 */
export function combine(members: number, bits: number, dense: number | null, keys: number): number {
  const counted = Math.max(1, members) * 2 ** bits;
  if (dense === null || keys === 0) return counted;
  const weight = members + keys;
  return Math.max(1, Math.exp((members * Math.log(counted) + keys * Math.log(dense)) / weight));
}

/** The middle of the values, the lower one of two; null of none. */
export function median(values: readonly number[]): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}

/** Which half of its group a key is in, however many groups there are, by its last bit: 1 or 2. */
export function halfOf(key: number): 1 | 2 {
  return (key & 1) === 0 ? 1 : 2;
}

/** When this node changes the number of groups; pure state. Half the nodes changing later is normal: groups nest. */
export interface Resizer {
  readonly bits: number;
  /** The size that `bits` was chosen for; null while `bits` was only taken over from others or given. */
  readonly chosenFor: number | null;
  /** ms since when the estimate has been off 2 times, and 4 times; null where it is not. */
  readonly off2: number | null;
  readonly off4: number | null;
}

export function startResizer(bits: number): Resizer {
  return { bits, chosenFor: null, off2: null, off4: null };
}

/**
 * The state after `estimate` at `now`. Bits change after the estimate was off 2 times from the size they were chosen
 * for, all of `afterMs`, or 4 times for a 60th of that.
 */
export function resize(
  state: Resizer,
  estimate: number,
  now: number,
  afterMs: number = PRINTS.resizeAfterMs,
): Resizer {
  const bits = bitsFor(estimate);
  const off = Math.abs(Math.log2(estimate / (state.chosenFor ?? sizeFor(state.bits, estimate))));
  const wrong = bits !== state.bits;
  const off2 = wrong && off >= 1 ? (state.off2 ?? now) : null;
  const off4 = wrong && off >= 2 ? (state.off4 ?? now) : null;
  const due = (off2 !== null && now - off2 >= afterMs) || (off4 !== null && now - off4 >= afterMs / 60);
  if (due) return { bits, chosenFor: estimate, off2: null, off4: null };
  return { ...state, off2, off4 };
}

/** The size in the range of `bits` that lies nearest to the estimate, so that bits not of our choosing are left alone. */
function sizeFor(bits: number, estimate: number): number {
  if (bits === 0) return Math.min(estimate, SEARCH.oneGroupBelow / 2);
  return (2 ** bits / SEARCH.groupFactor) ** 2;
}
