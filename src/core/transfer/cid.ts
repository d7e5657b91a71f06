import { CID } from 'multiformats/cid';
import { base36 } from 'multiformats/bases/base36';
import { base32 } from 'multiformats/bases/base32';
import { base58btc } from 'multiformats/bases/base58';
import { create as createDigest } from 'multiformats/hashes/digest';

/** Multicodec codes (github.com/multiformats/multicodec, table.csv). */
export const RAW = 0x55;
export const DAG_PB = 0x70;
const SHA2_256 = 0x12;
export const DIGEST_BYTES = 32;

export type Codec = typeof RAW | typeof DAG_PB;
/** SHA-256 of some bytes: 32 bytes. Passed in, so that core stays free of any host's crypto. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

export function cidOf(codec: Codec, digest: Uint8Array): CID {
  return CID.createV1(codec, createDigest(SHA2_256, digest));
}

/** Characters of a CIDv1 in base32, with the `b` before it, and their codes: a folder has ten thousand of them. */
const TEXT = Array.from({ length: 1 + Math.ceil(((4 + DIGEST_BYTES) * 8) / 5) }, () => 0);
const LETTERS = Uint8Array.from('abcdefghijklmnopqrstuvwxyz234567', (letter) => letter.charCodeAt(0));

/** CIDv1 in base32, the one form kelana writes. multiformats adds letter to letter, and each sum is a string. */
export function cidText(codec: Codec, digest: Uint8Array): string {
  TEXT[0] = 0x62;
  let at = 1;
  let bits = 0;
  let held = 0;
  for (let byte = 0; byte < 4 + DIGEST_BYTES; byte += 1) {
    held = ((held << 8) | (byte < 4 ? headAt(codec, byte) : (digest[byte - 4] ?? 0))) & 0xfff;
    bits += 8;
    for (; bits >= 5; bits -= 5, at += 1) TEXT[at] = LETTERS[(held >> (bits - 5)) & 31] ?? 0;
  }
  if (bits > 0) TEXT[at] = LETTERS[(held << (5 - bits)) & 31] ?? 0;
  return String.fromCharCode(...TEXT);
}

/** Version, codec, hash and its length: what a CIDv1 begins with. */
function headAt(codec: Codec, byte: number): number {
  return byte === 0 ? 1 : byte === 1 ? codec : byte === 2 ? SHA2_256 : DIGEST_BYTES;
}

/** Value of each letter of base32, by its code; -1: it is none. */
const VALUES = Int8Array.from({ length: 128 }, (_, code) => LETTERS.indexOf(code));

/** The bytes of a CID; of one that `cidText` wrote without a library, as each small file is asked for by them. @throws Error where it is none */
export function cidBytes(text: string): Uint8Array {
  return plainBytes(text) ?? CID.parse(text).bytes;
}

/** null: it is written in another way. */
function plainBytes(text: string): Uint8Array | null {
  if (text.length !== TEXT.length || text.charCodeAt(0) !== 0x62) return null;
  const bytes = new Uint8Array(4 + DIGEST_BYTES);
  let done = 0;
  let bits = 0;
  let held = 0;
  for (let at = 1; at < TEXT.length; at += 1) {
    const value = VALUES[text.charCodeAt(at)] ?? -1;
    if (value < 0) return null;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[done] = held >> bits;
    done += 1;
  }
  const known = bytes[1] === RAW || bytes[1] === DAG_PB;
  const plain = bytes[0] === 1 && known && bytes[2] === SHA2_256 && bytes[3] === DIGEST_BYTES;
  return plain && (held & ((1 << bits) - 1)) === 0 ? bytes : null;
}

export interface ParsedCid {
  readonly codec: Codec;
  readonly digest: Uint8Array;
  /** The same CID as CIDv1 in base32. */
  readonly text: string;
}

const READ = base32.decoder.or(base36.decoder).or(base58btc.decoder);
/** Longest text of a 36-byte CID in the bases below is 59 characters; anything far longer is no CID. */
const MAX_TEXT = 80;

/** Reads a CID of a file (v0 or v1; base32, base36, base58btc), or null where the text is none that kelana can hold. */
export function parseCid(text: string): ParsedCid | null {
  if (text.length > MAX_TEXT) return null;
  try {
    return fromCid(CID.parse(text, READ));
  } catch {
    return null;
  }
}

export function fromCid(cid: CID): ParsedCid | null {
  const { code, digest } = cid.multihash;
  if (code !== SHA2_256 || digest.length !== DIGEST_BYTES) return null;
  if (cid.code !== RAW && cid.code !== DAG_PB) return null;
  return { codec: cid.code, digest, text: cidText(cid.code, digest) };
}

/** The same of a binary CID. */
export function fromCidBytes(bytes: Uint8Array): ParsedCid | null {
  const [version, codec, hash, length] = bytes;
  const plain = version === 1 && hash === SHA2_256 && length === DIGEST_BYTES;
  if (plain && bytes.length === 4 + DIGEST_BYTES && (codec === RAW || codec === DAG_PB)) {
    const digest = bytes.subarray(4);
    return { codec, digest, text: cidText(codec, digest) };
  }
  const cid = decodeCid(bytes);
  return cid === null ? null : fromCid(cid);
}

/** A binary CID of any codec and hash, or null where the bytes are none. */
export function decodeCid(bytes: Uint8Array): CID | null {
  try {
    return CID.decode(bytes);
  } catch {
    return null;
  }
}

/** The SHA-256 that a CID names, or null where it names something else. */
export function sha256Of({ multihash }: CID): Uint8Array | null {
  return multihash.code === SHA2_256 && multihash.digest.length === DIGEST_BYTES ? multihash.digest : null;
}

/** A CID without its digest, as bitswap writes it before a block; of version 0 spelt out. */
export function prefixOf(cid: CID): Uint8Array {
  if (cid.version === 0) return Uint8Array.of(0, DAG_PB, SHA2_256, DIGEST_BYTES);
  return cid.bytes.slice(0, cid.bytes.length - cid.multihash.digest.length);
}

/** The digest at a place of many that follow each other; empty where there are not so many. */
export function digestAt(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
}
