import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { LIBRARY, TRANSFER } from '../core/config.ts';
import { identityOf } from './identity.ts';

export type HashAnswer =
  | { readonly size: number; readonly identity: string; readonly digests: Uint8Array }
  | 'changing'
  | 'special'
  | 'too-large'
  | { readonly failed: string; readonly message: string };

/** Shared with the thread: [0] is not 0 when it should stop, [1] counts KiB hashed since it began. */
export type HashSignals = Int32Array<SharedArrayBuffer>;

const DIGEST_BYTES = 32;
const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Hashes a file block by block, and waits for the disk: to be called in a thread of its own, or for a few small files.
 * Never throws.
 */
export function hashNow(path: string, signals: HashSignals, buffer: Uint8Array): HashAnswer {
  let file: number | undefined;
  try {
    file = openSync(path, FLAGS);
    const before = fstatSync(file, { bigint: true });
    if (!before.isFile()) return 'special';
    if (before.size > BigInt(TRANSFER.maxFileBytes)) return 'too-large';
    const identity = identityOf(before);
    const size = Number(before.size);
    const count = Math.max(1, Math.ceil(size / LIBRARY.readBytes));
    const digests = new Uint8Array(count * DIGEST_BYTES);
    for (let index = 0; index < count; index += 1) {
      const from = index * LIBRARY.readBytes;
      const digest = hashBlock(file, from, Math.min(size, from + LIBRARY.readBytes), buffer);
      if (digest === null || Atomics.load(signals, 0) !== 0) return 'changing';
      digests.set(digest, index * DIGEST_BYTES);
      const look = index === count - 1 || index % LIBRARY.hashCheckBlocks === LIBRARY.hashCheckBlocks - 1;
      if (look && identityOf(fstatSync(file, { bigint: true })) !== identity) return 'changing';
      Atomics.add(signals, 1, LIBRARY.readBytes / 1024);
    }
    return { size, identity, digests };
  } catch (thrown) {
    const code = (thrown as { code?: unknown }).code;
    return {
      failed: typeof code === 'string' ? code : 'UNKNOWN',
      message: thrown instanceof Error ? thrown.message : String(thrown),
    };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Null where the file ends before `end`. */
function hashBlock(file: number, from: number, end: number, buffer: Uint8Array): Uint8Array | null {
  const hash = createHash('sha256');
  for (let at = from; at < end;) {
    const read = readSync(file, buffer, 0, Math.min(buffer.length, end - at), at);
    if (read === 0) return null;
    hash.update(buffer.subarray(0, read));
    at += read;
  }
  return hash.digest();
}
