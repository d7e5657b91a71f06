/** 8 bytes, the start of a hash, are 16 hex digits in memory: a string is a key of a Map, an array is not. */
export const HASH_BYTES = 8;

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function hexOf(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += HEX[byte] ?? '';
  return hex;
}

export function bytesOf(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

/** Hashes one after the other. */
export function joinHashes(hashes: readonly string[]): Uint8Array {
  return bytesOf(hashes.join(''));
}

/** Null where the bytes are no whole number of hashes. */
export function splitHashes(bytes: Uint8Array): string[] | null {
  if (bytes.length % HASH_BYTES !== 0) return null;
  const all = hexOf(bytes);
  const hashes: string[] = [];
  for (let at = 0; at < all.length; at += 2 * HASH_BYTES) hashes.push(all.slice(at, at + 2 * HASH_BYTES));
  return hashes;
}
