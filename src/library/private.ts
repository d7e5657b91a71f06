import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { FOLDER, MESSAGES, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { BlockReader, PrivateFile, PrivateFolder, PrivateHoldingsPort } from '../core/messages/ports.ts';
import { blockSize } from '../core/transfer/layout.ts';
import { buildManifest } from '../core/transfer/manifest.ts';
import { treeSteps } from '../core/transfer/tree.ts';
import { cannotRead, isGone, readFully } from './files.ts';
import { identityOf } from './identity.ts';
import { Handles } from './handles.ts';
import { hashFile, sha256 } from './hash.ts';
import { Slice } from './slice.ts';

/** One file, or the directory of a folder, that one peer may read. */
interface Open {
  readonly reader: BlockReader;
  /** Groups that it belongs to: the same file may be sent twice. */
  uses: number;
  /** The group that it was opened with last. */
  group: Group;
}

interface Group {
  readonly keys: string[];
  /** Bytes of it that were read. */
  sent: number;
}

/** Files and folders outside the shared ones that single peers may fetch; nobody else ever learns of them. */
export class PrivateHoldings implements PrivateHoldingsPort {
  readonly #handles = new Handles();
  readonly #open = new Map<string, Open>();
  readonly #groups = new Map<string, Group>();

  async allow(peer: string, group: string, path: string, signal?: AbortSignal): Promise<PrivateFile> {
    this.#checkRoom(1);
    try {
      const real = await realpath(path);
      const hashed = await hashFile(real, signal);
      signal?.throwIfAborted();
      if (hashed === 'changing') throw new KelanaError('SOURCE_CHANGED', { name: path });
      if (typeof hashed === 'string') throw new KelanaError('CANNOT_READ', { path, why: WHY[hashed] });
      const file = { name: basename(path), path: real, ...hashed };
      this.restore(peer, group, file);
      return file;
    } catch (thrown) {
      signal?.throwIfAborted();
      throw cannotRead(path, thrown);
    }
  }

  restore(peer: string, group: string, file: PrivateFile): void {
    const { name, cid, size, digests } = file;
    this.#add(peer, group, cid, {
      name,
      manifest: () => Promise.resolve(buildManifest(digests, size, sha256).nodes),
      readBlock: (_, index) => this.#read(file, index),
    });
  }

  async allowFolder(
    peer: string,
    group: string,
    folder: PrivateFolder,
    signal?: AbortSignal,
  ): Promise<string> {
    const { name, files, folders } = folder;
    const slice = new Slice();
    const steps = treeSteps(files, folders, sha256);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      if (slice.over) await slice.next();
      signal?.throwIfAborted();
    }
    const { cid, nodes, entries } = step.value;
    const bytes = nodes.reduce((sum, node) => sum + node.length, 0);
    // Nobody would take it.
    if (entries > FOLDER.maxEntries || bytes > FOLDER.maxBytes)
      throw new KelanaError('TOO_MANY_FILES', { path: name, max: MESSAGES.maxFiles, flag: '--file' });
    this.#add(peer, group, cid, {
      name,
      manifest: () => Promise.resolve(nodes),
      readBlock: (_, index) => Promise.reject(new RangeError(`block ${index} of the folder ${name}`)),
    });
    return cid;
  }

  revoke(peer: string, group: string): void {
    const closing = this.#groups.get(keyOf(peer, group));
    this.#groups.delete(keyOf(peer, group));
    for (const key of closing?.keys ?? []) {
      const open = this.#open.get(key);
      if (open === undefined) continue;
      open.uses -= 1;
      if (open.uses <= 0) this.#open.delete(key);
    }
  }

  visible(peer: string, cid: string): BlockReader | undefined {
    const open = this.#open.get(keyOf(peer, cid));
    if (open === undefined) return undefined;
    const { name, manifest, readBlock } = open.reader;
    return {
      name,
      manifest,
      readBlock: async (asked, index) => {
        const bytes = await readBlock(asked, index);
        open.group.sent += bytes.length;
        return bytes;
      },
    };
  }

  sent(peer: string, group: string): number {
    return this.#groups.get(keyOf(peer, group))?.sent ?? 0;
  }

  /** Closes all files. */
  close(): void {
    this.#handles.closeAll();
    this.#open.clear();
    this.#groups.clear();
  }

  #add(peer: string, name: string, cid: string, reader: BlockReader): void {
    const group = this.#groups.get(keyOf(peer, name)) ?? { keys: [], sent: 0 };
    this.#groups.set(keyOf(peer, name), group);
    const key = keyOf(peer, cid);
    group.keys.push(key);
    this.#open.set(key, { reader, uses: (this.#open.get(key)?.uses ?? 0) + 1, group });
  }

  #checkRoom(count: number): void {
    if (this.#open.size + count > MESSAGES.maxPrivate)
      throw new KelanaError('BUSY', { most: MESSAGES.maxPrivate, what: WHAT });
  }

  /** @throws KelanaError SOURCE_CHANGED where the file is no longer the one that was hashed, CANNOT_READ */
  async #read({ name, path, size, identity }: PrivateFile, index: number): Promise<Uint8Array> {
    const length = blockSize(size, TRANSFER.blockBytes, index);
    if (length === 0 && !(size === 0 && index === 0)) throw new RangeError(`block ${index} of ${name}`);
    const block = Buffer.allocUnsafeSlow(length);
    try {
      const same = await this.#handles.with(path, `${identity} ${path}`, async (handle) => {
        const done = await readFully(handle, block, index * TRANSFER.blockBytes);
        const stats = await handle.stat({ bigint: true });
        return done === length && stats.isFile() && identityOf(stats) === identity;
      });
      if (same) return block;
    } catch (thrown) {
      if (!isGone(thrown)) throw cannotRead(path, thrown);
    }
    throw new KelanaError('SOURCE_CHANGED', { name });
  }
}

const keyOf = (peer: string, cid: string): string => `${peer} ${cid}`;

const WHAT = { id: 'berkas kiriman', en: 'files being sent' };
const WHY = {
  special: { id: 'bukan berkas biasa', en: 'it is not a regular file' },
  'too-large': { id: 'lebih besar dari yang diterima kelana', en: 'it is larger than kelana takes' },
};
