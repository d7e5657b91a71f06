import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { LIBRARY, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { storedName } from '../core/names.ts';
import type { Bytes } from '../core/ports.ts';
import { cannotWrite, hasCode, isGone, publish, sync, writeFully } from './files.ts';
import { cidFrom, hashFile, sha256, type Hashed } from './hash.ts';
import { identityOf, writtenAs } from './identity.ts';
import { createPart, dropPart, type Part } from './parts.ts';

/**
 * Streams a file into `folder` as `name`: written to a temporary file, hashed on the way, synced, then published
 * without overwriting, and the folder synced. Holds two blocks in memory whatever the size.
 * @throws KelanaError BAD_NAME, FILE_EXISTS (other content has the name), CANNOT_WRITE, TRANSFER_FAILED (aborted)
 */
export async function receive(
  folder: string,
  name: string,
  bytes: Bytes,
  signal?: AbortSignal,
): Promise<Hashed & { readonly path: string }> {
  storedName(name);
  const path = join(folder, name);
  let part: Part;
  try {
    part = await createPart(folder, 'put');
  } catch (thrown) {
    throw cannotWrite(folder, thrown);
  }
  try {
    const { size, digests } = await write(part, path, bytes, name, signal);
    const cid = cidFrom(digests, size);
    try {
      await part.handle.sync();
      const identity = identityOf(await part.handle.stat({ bigint: true }));
      if (signal?.aborted === true) throw stopped(name, signal);
      if (await publish(part.path, path)) {
        await sync(folder);
        // Its new name was a change too.
        const named = identityOf(await part.handle.stat({ bigint: true }));
        const same = writtenAs(named) === writtenAs(identity);
        return { path, size, cid, digests, identity: same ? named : identity };
      }
    } catch (thrown) {
      throw cannotWrite(path, thrown);
    }
    return { path, ...(await same(folder, name, size, cid)) };
  } finally {
    await dropPart(part);
  }
}

/** What has the name already, where it is the same content. */
async function same(folder: string, name: string, size: number, cid: string): Promise<Hashed> {
  const path = join(folder, name);
  try {
    const stats = await lstat(path);
    if (stats.isFile() && stats.size === size) {
      const there = await hashFile(path);
      if (typeof there === 'object' && there.cid === cid) {
        // Someone else may have written it a moment ago: acknowledge only what a power cut cannot take.
        await sync(path);
        await sync(folder);
        return there;
      }
    }
  } catch (thrown) {
    if (!isGone(thrown) && !hasCode(thrown, 'EACCES')) throw cannotWrite(path, thrown);
  }
  throw new KelanaError('FILE_EXISTS', { name });
}

async function write(
  part: Part,
  path: string,
  bytes: Bytes,
  name: string,
  signal: AbortSignal | undefined,
): Promise<{ size: number; digests: Uint8Array }> {
  const block = LIBRARY.readBytes;
  const buffers = [Buffer.allocUnsafeSlow(block), Buffer.allocUnsafeSlow(block)] as const;
  const digests: Uint8Array[] = [];
  let filled = 0;
  let size = 0;
  let writing: Promise<void> = Promise.resolve();
  /** Hands the gathered block to the disk and hashes it meanwhile; the other buffer takes what comes next. */
  const flush = async (): Promise<void> => {
    const full = buffers[digests.length % 2 === 0 ? 0 : 1].subarray(0, filled);
    await writing;
    writing = writeFully(part.handle, full, digests.length * block);
    // Awaited before the next block and at the end; until then a failure must not count as unhandled.
    writing.catch(() => undefined);
    digests.push(sha256(full));
    filled = 0;
  };
  try {
    for await (const chunk of stoppable(bytes, name, signal)) {
      size += chunk.length;
      if (size > TRANSFER.maxFileBytes) {
        const why = { id: 'lebih besar dari 1 TiB', en: 'it is larger than 1 TiB' };
        throw new KelanaError('CANNOT_WRITE', { path, why });
      }
      for (let at = 0; at < chunk.length;) {
        const took = Math.min(block - filled, chunk.length - at);
        buffers[digests.length % 2 === 0 ? 0 : 1].set(chunk.subarray(at, at + took), filled);
        filled += took;
        at += took;
        if (filled === block) await settled(flush(), path);
      }
    }
    if (filled > 0 || size === 0) await settled(flush(), path);
    return { size, digests: Buffer.concat(digests) };
  } finally {
    // The handle must not be closed under a write.
    await settled(writing, path);
  }
}

async function settled(work: Promise<void>, path: string): Promise<void> {
  try {
    await work;
  } catch (thrown) {
    throw cannotWrite(path, thrown);
  }
}

function stopped(name: string, signal: AbortSignal): KelanaError {
  return new KelanaError(
    'TRANSFER_FAILED',
    { name, why: { id: 'dihentikan', en: 'it was stopped' } },
    signal.reason,
  );
}

/** The same bytes, but an abort ends the wait for a source that has stalled. */
async function* stoppable(bytes: Bytes, name: string, signal: AbortSignal | undefined): Bytes {
  if (signal === undefined) {
    yield* bytes;
    return;
  }
  const source = bytes[Symbol.asyncIterator]();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  aborted.catch(() => undefined);
  const onAbort = (): void => reject(stopped(name, signal));
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  let ended = false;
  try {
    for (;;) {
      const next = source.next();
      next.catch(() => undefined);
      const { done, value } = await Promise.race([aborted, next]);
      if (done === true) {
        ended = true;
        return;
      }
      yield value;
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    // Not awaited: a stalled source may never answer, and it is its owner who ends it.
    if (!ended) void source.return?.().catch(() => undefined);
  }
}
