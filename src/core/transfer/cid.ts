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

/** CIDv1 in base32, the one form kelana writes. */
export function cidText(codec: Codec, digest: Uint8Array): string {
  return cidOf(codec, digest).toString(base32);
}

export interface ParsedCid {
  readonly codec: Codec;
  readonly digest: Uint8Array;
  /** The same CID as CIDv1 in base32. */
  readonly text: string;
}

/** Longest text of a 36-byte CID in the bases below is 59 characters; anything far longer is no CID. */
const MAX_TEXT = 80;

/** Reads a CID of a file (v0 or v1; base32, base36, base58btc), or null where the text is none that kelana can hold. */
export function parseCid(text: string): ParsedCid | null {
  if (text.length > MAX_TEXT) return null;
  try {
    const cid = CID.parse(text, base32.decoder.or(base36.decoder).or(base58btc.decoder));
    return fromCid(cid);
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
