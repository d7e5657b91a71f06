import { hasBit, setBit } from '../bit-array.ts';

export { clearBit as remove, countBits as size, hasBit as has, setBit as add } from '../bit-array.ts';

/** A set of group numbers as bits, little end first; 2^bits groups take max(1, 2^bits / 8) bytes. */
export function bytesFor(bits: number): number {
  return Math.max(1, 2 ** bits / 8);
}

export function emptySet(bits: number): Uint8Array {
  return new Uint8Array(bytesFor(bits));
}

export function fullSet(bits: number): Uint8Array {
  return bits < 3 ? Uint8Array.of(2 ** (2 ** bits) - 1) : new Uint8Array(bytesFor(bits)).fill(0xff);
}

export function isEmpty(set: Uint8Array): boolean {
  for (const byte of set) if (byte !== 0) return false;
  return true;
}

export function members(set: Uint8Array): number[] {
  const list: number[] = [];
  for (const [at, byte] of set.entries())
    for (let bit = 0; bit < 8; bit += 1) if ((byte & (1 << bit)) !== 0) list.push(at * 8 + bit);
  return list;
}

/** `set` without `other`; both of the same size. */
export function minus(set: Uint8Array, other: Uint8Array): Uint8Array {
  return set.map((byte, at) => byte & ~(other[at] ?? 0));
}

export function union(set: Uint8Array, other: Uint8Array): Uint8Array {
  return set.map((byte, at) => byte | (other[at] ?? 0));
}

export function both(set: Uint8Array, other: Uint8Array): Uint8Array {
  return set.map((byte, at) => byte & (other[at] ?? 0));
}

/** The same set in groups twice as large, of those that it has both halves of. `bits` is of `set`, and not 0. */
export function coarsen(set: Uint8Array, bits: number): Uint8Array {
  const coarser = emptySet(bits - 1);
  for (const group of members(set))
    if ((group & 1) === 0 && hasBit(set, group + 1)) setBit(coarser, group / 2);
  return coarser;
}

/** The same, of those that it has any half of. */
export function touched(set: Uint8Array, bits: number): Uint8Array {
  const coarser = emptySet(bits - 1);
  for (const group of members(set)) setBit(coarser, group >> 1);
  return coarser;
}

/** The same set in groups half as large: group `i` of g becomes `2i` and `2i + 1` of 2g, as prefixes nest. */
export function refine(set: Uint8Array, bits: number): Uint8Array {
  const finer = emptySet(bits + 1);
  for (const group of members(set)) {
    setBit(finer, 2 * group);
    setBit(finer, 2 * group + 1);
  }
  return finer;
}
