import { readdirSync, readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { importer } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced } from 'ipfs-unixfs-importer/layout';
import { TRANSFER } from '../../src/core/config.ts';

/** CID of a folder as any IPFS client computes it with the profile that kelana uses. */
export async function folderCid(path: string): Promise<string> {
  const files = readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  // One open at a time.
  function* entries(): Generator<{ path: string; content: Uint8Array }> {
    for (const file of files)
      yield { path: join(basename(path), relative(path, file)), content: readFileSync(file) };
  }
  const nowhere = { put: <T>(cid: T): T => cid };
  let root = '';
  for await (const { cid } of importer(entries(), nowhere, {
    cidVersion: 1,
    rawLeaves: true,
    chunker: fixedSize({ chunkSize: TRANSFER.blockBytes }),
    layout: balanced({ maxChildrenPerNode: TRANSFER.maxLinks }),
  }))
    root = cid.toString();
  return root;
}
