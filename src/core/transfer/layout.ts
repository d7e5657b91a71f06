import { TRANSFER } from '../config.ts';
import { DIGEST_BYTES } from './cid.ts';

/** How a file is cut and its DAG laid out. Tests use small ones; kelana itself only `SHAPE`. */
export interface Shape {
  /** Bytes of every leaf but the last. */
  readonly blockBytes: number;
  /** Links of one node at most. */
  readonly maxLinks: number;
  /** Bytes of the largest file. */
  readonly maxFileBytes: number;
}

/** The IPFS profile "unixfs-v1-2025" (IPIP-499): CIDv1, raw leaves of 1 MiB, 1,024 links, balanced. */
export const SHAPE: Shape = {
  blockBytes: TRANSFER.blockBytes,
  maxLinks: TRANSFER.maxLinks,
  maxFileBytes: TRANSFER.maxFileBytes,
};

/** A file as the list of its blocks. */
export interface Layout {
  /** CIDv1, base32. */
  readonly root: string;
  /** Bytes. */
  readonly size: number;
  readonly blockBytes: number;
  /** Number of blocks; an empty file has one, of zero bytes. */
  readonly count: number;
  /** SHA-256 of each block, one after the other. */
  readonly digests: Uint8Array;
}

export function blockCount(size: number, blockBytes: number): number {
  return Math.max(1, Math.ceil(size / blockBytes));
}

/** Bytes of block `index`, 0 for an index that the file does not have. */
export function blockSize(size: number, blockBytes: number, index: number): number {
  if (!Number.isSafeInteger(index) || index < 0) return 0;
  return Math.max(0, Math.min(blockBytes, size - index * blockBytes));
}

/** Digest and size of one block. @throws RangeError for an index outside the file. */
export function leafOf(layout: Layout, index: number): { digest: Uint8Array; size: number } {
  if (!Number.isInteger(index) || index < 0 || index >= layout.count)
    throw new RangeError(`block ${index} of ${layout.count}`);
  return {
    digest: layout.digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES),
    size: blockSize(layout.size, layout.blockBytes, index),
  };
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at += 1) if (a[at] !== b[at]) return false;
  return true;
}
