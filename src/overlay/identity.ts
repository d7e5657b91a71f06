import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { KelanaError, reason } from '../core/errors.ts';

/**
 * The node's Ed25519 key, made on the first start and kept in `identity.key` (0600, libp2p's protobuf form).
 * @throws KelanaError CANNOT_READ, CANNOT_WRITE
 */
export async function loadIdentity(folder: string): Promise<PrivateKey> {
  const path = join(folder, 'identity.key');
  try {
    return privateKeyFromProtobuf(await readFile(path));
  } catch (thrown) {
    if (reason(thrown) !== 'ENOENT')
      throw new KelanaError('CANNOT_READ', { path, why: reason(thrown) }, thrown);
  }
  const key = await generateKeyPair('Ed25519');
  const temporary = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(privateKeyToProtobuf(key));
      await file.sync();
    } finally {
      await file.close();
    }
    // link() never overwrites: of two starts at once one key wins, and both use it.
    await link(temporary, path).catch((thrown: unknown) => {
      if (reason(thrown) !== 'EEXIST') throw thrown;
    });
    await unlink(temporary);
    return privateKeyFromProtobuf(await readFile(path));
  } catch (thrown) {
    throw new KelanaError('CANNOT_WRITE', { path, why: reason(thrown) }, thrown);
  }
}
