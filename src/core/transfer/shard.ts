import { murmur3128 } from '@multiformats/murmur3';
import { FOLDER } from '../config.ts';

/**
 * Where a name stands in the trie of a sharded UnixFS directory (specs.ipfs.tech/unixfs, "HAMT"): byte after byte of
 * the first 64 bits of the MurmurHash3 x64 128 of its UTF-8.
 */

/** Multicodec of that hash (murmur3-x64-64). */
export const HASH_CODE = 0x22n;
const HASH_BYTES = 8;

const encoder = new TextEncoder();

export function nameHash(name: string): Uint8Array {
  return murmur(encoder.encode(name));
}

function murmur(bytes: Uint8Array): Uint8Array {
  const digest = murmur3128.encode(bytes);
  if (digest instanceof Promise) throw new TypeError('murmur3 is not synchronous');
  return digest.subarray(0, HASH_BYTES);
}

/** The slot of a name in the node at this depth, 0 to 255. Beyond 64 bits the name is hashed anew with a counter behind it. */
export function slotOf(hash: Uint8Array, name: string, depth: number): number {
  const round = Math.floor(depth / HASH_BYTES);
  const more = round === 0 ? hash : murmur(Uint8Array.of(...encoder.encode(name), round));
  return more[depth % HASH_BYTES] ?? 0;
}

/** Two hexadecimal digits, upper case. */
export function label(slot: number): string {
  return slot.toString(16).toUpperCase().padStart(2, '0');
}

/** The slots in use as a big-endian number, bit 0 last, without zero bytes before it. */
export function bitsOf(slots: readonly number[]): Uint8Array {
  const bits = new Uint8Array(FOLDER.fanout / 8);
  for (const slot of slots) {
    const at = bits.length - 1 - (slot >> 3);
    bits[at] = (bits[at] ?? 0) | (1 << (slot & 7));
  }
  const first = bits.findIndex((byte) => byte !== 0);
  return first < 0 ? bits.subarray(bits.length) : bits.subarray(first);
}
