import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { BALANCER } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';

/**
 * A secret key that is kept in a file for this user alone, so that it is the same after a restart and for all who share
 * the file. Where there is none it is made, or, unless it is needed now, is one of this process.
 * @throws KelanaError CANNOT_READ, CANNOT_WRITE
 */
export async function readKey(path: string, needed: boolean): Promise<Uint8Array> {
  const found = await read(path);
  if (found !== null) return found;
  if (!needed) return randomBytes(BALANCER.keyBytes);
  const made = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFile(made, randomBytes(BALANCER.keyBytes), { mode: 0o600, flag: 'wx' });
    // A link is never seen half written, and fails where another process was first: then its key counts.
    await link(made, path).catch((thrown: unknown) => {
      if (reason(thrown) !== 'EEXIST') throw thrown;
    });
  } catch (thrown) {
    throw new KelanaError('CANNOT_WRITE', { path, why: reason(thrown) }, thrown);
  } finally {
    await rm(made, { force: true });
  }
  const key = await read(path);
  if (key === null) throw new KelanaError('CANNOT_READ', { path, why: 'ENOENT' });
  return key;
}

async function read(path: string): Promise<Uint8Array | null> {
  let key: Uint8Array;
  try {
    key = await readFile(path);
  } catch (thrown) {
    if (reason(thrown) === 'ENOENT') return null;
    throw new KelanaError('CANNOT_READ', { path, why: reason(thrown) }, thrown);
  }
  if (key.length >= BALANCER.keyBytes) return key;
  throw new KelanaError('CANNOT_READ', { path, why: `< ${BALANCER.keyBytes} bytes` });
}
