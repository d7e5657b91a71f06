import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { MESSAGES, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { BlockReader, PrivateFile, PrivateHoldingsPort } from '../core/messages/ports.ts';
import type { Holding } from '../core/ports.ts';
import { blockSize } from '../core/transfer/layout.ts';
import { buildManifest } from '../core/transfer/manifest.ts';
import { cannotRead, identityOf, isGone, readFully } from './files.ts';
import { Handles } from './handles.ts';
import { cidFrom, hashFile, sha256 } from './hash.ts';

/** One file that one peer may read. */
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

/** Files outside the shared folders that single peers may fetch; nobody else ever learns of them. */
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
      readBlock: (_, index, into) => this.#read(file, index, into),
    });
  }

  allowBytes(peer: string, group: string, name: string, bytes: Uint8Array): Holding {
    this.#checkRoom(1);
    const digests = new Uint8Array(Math.max(1, Math.ceil(bytes.length / TRANSFER.blockBytes)) * 32);
    const block = (index: number): Uint8Array =>
      bytes.subarray(index * TRANSFER.blockBytes, (index + 1) * TRANSFER.blockBytes);
    for (let at = 0; at * 32 < digests.length; at += 1) digests.set(sha256(block(at)), at * 32);
    const cid = cidFrom(digests, bytes.length);
    this.#add(peer, group, cid, {
      name,
      manifest: () => Promise.resolve(buildManifest(digests, bytes.length, sha256).nodes),
      readBlock: (_, index, into) => {
        if (index * 32 >= digests.length) return Promise.reject(new RangeError(`block ${index} of ${name}`));
        into?.set(block(index));
        return Promise.resolve(into?.subarray(0, block(index).length) ?? block(index));
      },
    });
    return { name, size: bytes.length, cid };
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
  async #read(
    { name, path, size, identity }: PrivateFile,
    index: number,
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    const length = blockSize(size, TRANSFER.blockBytes, index);
    if (length === 0 && !(size === 0 && index === 0)) throw new RangeError(`block ${index} of ${name}`);
    const block = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
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
