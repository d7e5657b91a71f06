import { hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { LIBRARY, TRANSFER } from '../core/config.ts';
import { DIGEST_BYTES } from '../core/transfer/cid.ts';
import { blockCount, blockSize } from '../core/transfer/layout.ts';
import { fileCid } from '../core/transfer/manifest.ts';
import { openToRead, readFully } from './files.ts';
import { identityOf } from './identity.ts';

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

/** What is known of a file's content. */
export interface Hashed {
  readonly size: number;
  readonly identity: string;
  readonly cid: string;
  /** SHA-256 of each block, concatenated. */
  readonly digests: Uint8Array;
}

/** The CID of a file from the digests of its blocks. */
export function cidFrom(digests: Uint8Array, size: number): string {
  return fileCid(digests, size, sha256);
}

/** A file cannot be hashed now: it is being written, is no regular file, or is larger than kelana takes. */
export type NotHashed = 'changing' | 'special' | 'too-large';

/**
 * Hashes a file block by block, one block in memory being hashed while the next is read.
 * An abort ends it early, as `changing`.
 * @throws what the file system throws
 */
export async function hashFile(path: string, signal?: AbortSignal): Promise<Hashed | NotHashed> {
  const handle = await openToRead(path);
  try {
    const before = await handle.stat({ bigint: true });
    if (!before.isFile()) return 'special';
    if (before.size > BigInt(TRANSFER.maxFileBytes)) return 'too-large';
    const size = Number(before.size);
    const digests = await hashBlocks(handle, size, signal);
    const identity = identityOf(before);
    if (digests === null || identityOf(await handle.stat({ bigint: true })) !== identity) return 'changing';
    return { size, identity, cid: cidFrom(digests, size), digests };
  } finally {
    await handle.close();
  }
}

async function hashBlocks(
  handle: FileHandle,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | null> {
  const count = blockCount(size, LIBRARY.readBytes);
  const digests = new Uint8Array(count * DIGEST_BYTES);
  const room = Math.min(size, LIBRARY.readBytes);
  const buffers = [Buffer.allocUnsafeSlow(room), count > 1 ? Buffer.allocUnsafeSlow(room) : Buffer.alloc(0)];
  const read = async (index: number): Promise<Uint8Array | null> => {
    const block = (buffers[index % 2] ?? Buffer.alloc(0)).subarray(
      0,
      blockSize(size, LIBRARY.readBytes, index),
    );
    return (await readFully(handle, block, index * LIBRARY.readBytes)) === block.length ? block : null;
  };
  let next = read(0);
  for (let index = 0; index < count; index += 1) {
    const block = await next;
    if (block === null || signal?.aborted === true) return null;
    if (index + 1 < count) {
      next = read(index + 1);
      // Awaited in the next round; until then a failure must not count as unhandled.
      next.catch(() => undefined);
    }
    digests.set(sha256(block), index * DIGEST_BYTES);
  }
  return digests;
}
