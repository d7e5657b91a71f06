import { join } from 'node:path';
import { TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { safeDownloadName } from '../core/names.ts';
import { blockCount, blockSize } from '../core/transfer/layout.ts';
import { verifyBlock as verify } from '../core/transfer/verify.ts';
import { cannotWrite, writeFully } from './files.ts';
import { sha256 } from './hash.ts';
import { createPart, dropPart, type Part } from './parts.ts';
import { checkRoom, findSame, openFolder, publishFree } from './place.ts';

export interface DownloadOptions {
  /** Downloads folder; created where it is missing. */
  readonly folder: string;
  /** Name as the holder gave it; only its base name is used. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly cid: string;
  /** Bytes of a block; others than the default are for tests. */
  readonly blockBytes?: number;
}

export interface Download {
  /** Set where the folder has this very file already: nothing is to be fetched, and `finish` gives this path. */
  readonly path?: string;
  /**
   * Writes a block at its place. **The caller has checked it** with `verifyBlock`: nothing here looks at content.
   * @throws KelanaError CANNOT_WRITE; RangeError for a block of the wrong number or length
   */
  write(index: number, bytes: Uint8Array): Promise<void>;
  /**
   * Syncs the file and gives it its name, or `name (1)` and so on where a different file has that.
   * @returns the absolute path @throws KelanaError TRANSFER_FAILED (blocks are missing), CANNOT_WRITE, FILE_EXISTS
   */
  finish(): Promise<string>;
  /** Removes what was written. After `finish`, and again, it does nothing. */
  abort(): Promise<void>;
}

/** True where `bytes` are the block that `digest` and `size` name. */
export function verifyBlock(
  block: { readonly digest: Uint8Array; readonly size: number },
  bytes: Uint8Array,
): boolean {
  return verify(block, bytes, sha256);
}

/** @throws KelanaError BAD_NAME, NOT_A_FOLDER, CANNOT_WRITE (also when the disk has too little room) */
export async function openDownload(options: DownloadOptions): Promise<Download> {
  const name = safeDownloadName(options.name);
  const folder = await openFolder(options.folder);
  const there = await findSame(folder, name, options);
  if (there !== null) return done(there);
  await checkRoom(folder, options.size);
  try {
    return new PartDownload(folder, name, options, await createPart(folder, options.cid.slice(-8)));
  } catch (thrown) {
    throw cannotWrite(folder, thrown);
  }
}

class PartDownload implements Download {
  readonly #folder: string;
  readonly #name: string;
  readonly #options: DownloadOptions;
  readonly #part: Part;
  readonly #blockBytes: number;
  /** One bit for each block that is on the disk. */
  readonly #have: Uint8Array;
  #missing: number;
  #ended: Promise<unknown> | undefined;
  readonly #writing = new Set<Promise<void>>();

  constructor(folder: string, name: string, options: DownloadOptions, part: Part) {
    this.#folder = folder;
    this.#name = name;
    this.#options = options;
    this.#part = part;
    this.#blockBytes = options.blockBytes ?? TRANSFER.blockBytes;
    this.#missing = options.size === 0 ? 0 : blockCount(options.size, this.#blockBytes);
    this.#have = new Uint8Array(Math.ceil(this.#missing / 8));
  }

  async write(index: number, bytes: Uint8Array): Promise<void> {
    if (this.#ended !== undefined) throw this.#failed({ id: 'sudah diakhiri', en: 'it has ended' });
    const size = blockSize(this.#options.size, this.#blockBytes, index);
    if (bytes.length !== size)
      throw new RangeError(`block ${index}: ${bytes.length} bytes instead of ${size}`);
    if (size === 0) return;
    const work = writeFully(this.#part.handle, bytes, index * this.#blockBytes);
    this.#writing.add(work);
    try {
      await work;
    } catch (thrown) {
      throw cannotWrite(join(this.#folder, this.#name), thrown);
    } finally {
      this.#writing.delete(work);
    }
    const bit = 1 << (index & 7);
    const byte = this.#have[index >> 3] ?? 0;
    if ((byte & bit) !== 0) return;
    this.#have[index >> 3] = byte | bit;
    this.#missing -= 1;
  }

  async finish(): Promise<string> {
    await Promise.allSettled(this.#writing);
    if (this.#ended !== undefined) throw this.#failed({ id: 'sudah diakhiri', en: 'it has ended' });
    if (this.#missing > 0)
      throw this.#failed({
        id: `${this.#missing} blok belum ada`,
        en: `${this.#missing} blocks are missing`,
      });
    const work = this.#publish();
    this.#ended = work;
    try {
      return await work;
    } catch (thrown) {
      throw cannotWrite(join(this.#folder, this.#name), thrown);
    } finally {
      await dropPart(this.#part);
    }
  }

  async abort(): Promise<void> {
    if (this.#ended === undefined) {
      // The handle must not be closed under a write.
      this.#ended = Promise.allSettled(this.#writing).then(() => dropPart(this.#part));
    }
    await this.#ended.catch(() => undefined);
  }

  async #publish(): Promise<string> {
    const { handle, path } = this.#part;
    await handle.sync();
    return publishFree(path, this.#folder, this.#name, this.#options);
  }

  #failed(why: { id: string; en: string }): KelanaError {
    return new KelanaError('TRANSFER_FAILED', { name: this.#name, why });
  }
}

function done(path: string): Download {
  return {
    path,
    write: () => Promise.resolve(),
    finish: () => Promise.resolve(path),
    abort: () => Promise.resolve(),
  };
}
