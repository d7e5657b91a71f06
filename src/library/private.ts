import { dirname } from 'node:path';
import { FOLDER, MESSAGES, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { BlockReader, PrivateFile, PrivateFolder, PrivateHoldingsPort } from '../core/messages/ports.ts';
import { digestAt } from '../core/transfer/cid.ts';
import { blockSize, sameBytes } from '../core/transfer/layout.ts';
import { treeSteps } from '../core/transfer/tree.ts';
import { cannotRead, isGone } from './files.ts';
import { sha256 } from './hash.ts';
import { Manifests } from './manifests.ts';
import { Reading } from './reading.ts';
import { isRemote } from './roots.ts';
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
  /** Its files lie on a file system that may not answer; undefined: nobody looked yet. */
  remote?: Promise<boolean>;
}

/** Files and folders outside the shared ones that single peers may fetch; nobody else ever learns of them. */
export class PrivateHoldings implements PrivateHoldingsPort {
  readonly #reading = new Reading((root) => root === REMOTE);
  readonly #manifests = new Manifests();
  readonly #open = new Map<string, Open>();
  readonly #groups = new Map<string, Group>();

  allow(peer: string, group: string, file: PrivateFile): void {
    if (this.#open.size >= MESSAGES.maxPrivate)
      throw new KelanaError('BUSY', { most: MESSAGES.maxPrivate, what: WHAT });
    this.restore(peer, group, file);
  }

  restore(peer: string, group: string, file: PrivateFile): void {
    const { name, cid, size, digests } = file;
    const disk = this.#groupOf(peer, group);
    this.#add(peer, group, cid, {
      name,
      manifest: () => this.#manifests.of(cid, digests, size),
      readBlock: async (_, index, into) => {
        const remote = await (disk.remote ??= isRemote(dirname(file.path)));
        return await this.#read(file, remote, index, into);
      },
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
    const open = this.#open.size === 0 ? undefined : this.#open.get(keyOf(peer, cid));
    if (open === undefined) return undefined;
    const { name, manifest, readBlock } = open.reader;
    return {
      name,
      manifest,
      readBlock: async (asked, index, into) => {
        const bytes = await readBlock(asked, index, into);
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
    this.#reading.close();
    this.#open.clear();
    this.#groups.clear();
  }

  #add(peer: string, name: string, cid: string, reader: BlockReader): void {
    const group = this.#groupOf(peer, name);
    const key = keyOf(peer, cid);
    group.keys.push(key);
    this.#open.set(key, { reader, uses: (this.#open.get(key)?.uses ?? 0) + 1, group });
  }

  #groupOf(peer: string, name: string): Group {
    const key = keyOf(peer, name);
    const there = this.#groups.get(key);
    if (there !== undefined) return there;
    const group: Group = { keys: [], sent: 0 };
    this.#groups.set(key, group);
    return group;
  }

  /** @throws KelanaError SOURCE_CHANGED where the file is no longer the one that was hashed, CANNOT_READ */
  async #read(file: PrivateFile, remote: boolean, index: number, into?: Uint8Array): Promise<Uint8Array> {
    const { name, path, size, digests } = file;
    const length = blockSize(size, TRANSFER.blockBytes, index);
    if (length === 0 && !(size === 0 && index === 0)) throw new RangeError(`block ${index} of ${name}`);
    const block = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    const position = index * TRANSFER.blockBytes;
    try {
      const seen = await this.#reading.read({ ...file, root: remote ? REMOTE : '' }, block, position);
      const right =
        seen === true || (seen === 'touched' && sameBytes(sha256(block), digestAt(digests, index)));
      if (right) return block;
    } catch (thrown) {
      if (!isGone(thrown)) throw cannotRead(path, thrown);
    }
    throw new KelanaError('SOURCE_CHANGED', { name });
  }
}

/** What the reader calls a file system that may not answer. */
const REMOTE = 'remote';
const keyOf = (peer: string, cid: string): string => `${peer} ${cid}`;

const WHAT = { id: 'berkas kiriman', en: 'files being sent' };
