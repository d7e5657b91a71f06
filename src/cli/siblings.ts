import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KelanaError, reason } from '../core/errors.ts';

/** Name of the file in which a server notes the address of its overlay node, for those on the same machine. */
export const P2P_FILE = 'p2p-address';

/**
 * Where the overlay nodes of the servers with this data folder listen, but for `own`.
 * @throws KelanaError CANNOT_READ
 */
export async function siblingAddresses(root: string, own = ''): Promise<readonly string[]> {
  const names = await readdir(root).catch((thrown: unknown) => {
    throw new KelanaError('CANNOT_READ', { path: root, why: reason(thrown) }, thrown);
  });
  const servers = names.filter((name) => /^server-\d+$/.test(name) && name !== own);
  const addresses = await Promise.all(
    servers.map((name) => readFile(join(root, name, P2P_FILE), 'utf8').catch(() => '')),
  );
  return addresses.filter((address) => /^[\w.:[\]-]+:\d+$/.test(address));
}
