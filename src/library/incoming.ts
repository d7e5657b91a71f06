import { lstat, rm, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { safeDownloadName } from '../core/names.ts';
import type { IncomingFile, IncomingFolder, Slot } from '../core/transfer/ports.ts';
import type { Layout } from '../core/transfer/layout.ts';
import { allBits } from '../core/bit-array.ts';
import { BLOCK_UNIT, BlockFile } from './block-file.ts';
import { bitmapPath, claim, claimBegun, claimsOf, dropLeftovers, partNames, type Claim } from './claims.ts';
import { cannotWrite } from './files.ts';
import type { FolderEntry } from './folder-names.ts';
import type { Offers } from './offers.ts';
import { checkRoom, findSame, openFolder, publishFree, roomIn } from './place.ts';
import { DiskError, type Writer } from './writer.ts';

/** When bytes are forced to the disk: before a file gets its name, or when the system likes. */
export type FsyncPolicy = 'finish' | 'never';

export interface IncomingOptions {
  /** Downloads folder; created where it is missing. */
  readonly folder: string;
  /** Name as the holder gave it; only its base name is used. */
  readonly name: string;
  /** As `verifyManifest` gave it. */
  readonly layout: Layout;
  readonly writer: Writer;
  /** Takes the room on the disk before the first block; costs writing the file twice. */
  readonly preallocate?: boolean;
  /** Default `finish`. With `never`, a power cut may leave a file with its name and without its bytes. */
  readonly fsync?: FsyncPolicy;
  /** Where it is given to others who fetch the same, while it comes; by default it is not. */
  readonly offers?: Offers;
  /** Ends the look at what is there already, which takes a second for each GiB; what is there stays. */
  readonly signal?: AbortSignal;
}

/**
 * Begins a download, or goes on with one: what an earlier process left of this CID is taken over and hashed anew.
 * @throws KelanaError BAD_NAME, NOT_A_FOLDER, CANNOT_WRITE (also when the disk has too little room), DOWNLOAD_BUSY;
 *   the signal's reason
 */
export async function openIncoming(options: IncomingOptions): Promise<IncomingFile> {
  const { layout } = options;
  const name = safeDownloadName(options.name);
  const begun = await beginIncoming(options);
  if (begun !== null) return begun;
  const folder = await openFolder(options.folder);
  const wanted = { size: layout.size, cid: layout.root };
  // Looked at together: each of them is a turn of the thread pool.
  const [path, there, room] = await Promise.all([
    findSame(folder, name, wanted),
    claimsOf(folder, layout.root, 'part').catch((thrown: unknown) => {
      throw cannotWrite(folder, thrown);
    }),
    roomIn(folder),
  ]);
  if (path !== null) {
    // A crash may have come between giving the file its name and removing its bitmap.
    await dropLeftovers(folder, layout.root, 'part').catch(() => undefined);
    return present(path, layout, options.writer);
  }
  let part: Claim | null = null;
  let handle: FileHandle | null = null;
  try {
    part = await claim(folder, layout.root, 'part', name, there);
    const { path: at, fresh } = part;
    handle = part.handle;
    const taken = fresh ? 0 : (await lstat(at)).blocks * BLOCK_UNIT;
    await checkRoom(folder, layout.size - taken, room);
    const opened = BlockFile.open({
      writer: options.writer,
      layout,
      path: at,
      bitmap: bitmapPath(folder, layout.root),
      fresh,
      handle,
      ...(options.preallocate === undefined ? {} : { preallocate: options.preallocate }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      offer: options.offers && { offers: options.offers, name },
    });
    handle = null;
    return incomingOf(options, name, folder, part, await opened);
  } catch (thrown) {
    await handle?.close().catch(() => undefined);
    await (part?.fresh === true ? part.remove() : part?.release())?.catch(() => undefined);
    if (options.signal?.aborted === true && thrown === options.signal.reason) throw thrown;
    throw cannotWrite(folder, thrown);
  }
}

/**
 * Begins a download of which nothing is there yet, in one turn of the thread. Null where that is not plain, with nothing left
 * behind: `openIncoming` then goes step by step, and says what is wrong. @throws as `openIncoming`
 */
export async function beginIncoming(options: IncomingOptions): Promise<IncomingFile | null> {
  const { layout, writer, folder: named, preallocate = false, offers } = options;
  const name = safeDownloadName(options.name);
  if (preallocate || layout.size === 0) return null;
  const { root } = layout;
  const bitmap = basename(bitmapPath('', root));
  const begun = await BlockFile.begin({
    writer,
    layout,
    folder: named,
    name,
    ...partNames(root),
    bitmap,
  }).catch((thrown: unknown) => {
    throw cannotWrite(named, thrown);
  });
  if (begun === null) return null;
  const { folder, file } = begun;
  const part = claimBegun(folder, root);
  if (part === null) {
    await file.close();
    await rm(join(folder, partNames(root).part), { force: true }).catch(() => undefined);
    return null;
  }
  file.offer(offers && { offers, name });
  return incomingOf(options, name, folder, part, file);
}

function incomingOf(
  { layout, fsync = 'finish' }: IncomingOptions,
  name: string,
  folder: string,
  part: Claim,
  blocks: BlockFile,
): IncomingFile {
  return new Incoming(name, join(folder, name), blocks, fsync, {
    publish: async () => {
      const wanted = { size: layout.size, cid: layout.root };
      const published = await publishFree(part.path, folder, name, wanted);
      await part.moved();
      return published;
    },
    keep: () => part.release(),
    drop: () => part.remove(),
  });
}

/** What becomes of the part at the end. */
export interface Ending {
  publish(): Promise<string>;
  keep(): Promise<void>;
  drop(): Promise<void>;
}

export class Incoming implements IncomingFile {
  readonly path = null;
  readonly #name: string;
  readonly #shown: string;
  readonly #blocks: BlockFile;
  readonly #fsync: FsyncPolicy;
  readonly #ending: Ending;
  #ended: Promise<string | null> | undefined;

  constructor(name: string, shown: string, blocks: BlockFile, fsync: FsyncPolicy, ending: Ending) {
    this.#name = name;
    this.#shown = shown;
    this.#blocks = blocks;
    this.#fsync = fsync;
    this.#ending = ending;
  }

  get have(): Uint8Array {
    return this.#blocks.have;
  }

  slot(signal?: AbortSignal): Slot | Promise<Slot> {
    const given = this.#blocks.slot(signal);
    return given instanceof Promise ? this.#waited(given) : given;
  }

  /** @throws KelanaError CANNOT_WRITE, TRANSFER_FAILED (it has ended); RangeError for a block it does not have */
  async write(index: number, slot: Slot): Promise<boolean> {
    if (this.#ended !== undefined) {
      slot.release();
      throw this.#failed(WHY_ENDED);
    }
    try {
      return await this.#blocks.write(index, slot);
    } catch (thrown) {
      throw thrown instanceof RangeError ? thrown : cannotWrite(this.#shown, thrown);
    }
  }

  /**
   * Where it fails, what is there stays for the next attempt.
   * @throws KelanaError TRANSFER_FAILED (blocks are missing; the download goes on), CANNOT_WRITE, FILE_EXISTS
   */
  async finish(): Promise<string> {
    if (this.#ended === undefined) {
      const { missing } = this.#blocks;
      if (missing > 0)
        throw this.#failed({ id: `${missing} blok belum ada`, en: `${missing} blocks are missing` });
      this.#ended = this.#publish();
    }
    const path = await this.#ended;
    if (path === null) throw this.#failed(WHY_ENDED);
    return path;
  }

  async suspend(): Promise<void> {
    await this.#end(() => (this.#blocks.empty ? this.#ending.drop() : this.#ending.keep()));
  }

  async abort(): Promise<void> {
    await this.#end(() => this.#ending.drop());
  }

  async #publish(): Promise<string> {
    try {
      if (this.#fsync === 'finish') await this.#blocks.sync();
      await this.#blocks.close();
      return await this.#ending.publish();
    } catch (thrown) {
      await this.#blocks.close();
      await this.#ending.keep().catch(() => undefined);
      throw cannotWrite(this.#shown, thrown);
    }
  }

  async #end(work: () => Promise<void>): Promise<void> {
    this.#ended ??= this.#blocks.close().then(async () => {
      await work();
      return null;
    });
    // Nothing more can be done where that fails; the next start sweeps the folder.
    await this.#ended.catch(() => undefined);
  }

  async #waited(given: Promise<Slot>): Promise<Slot> {
    try {
      return await given;
    } catch (thrown) {
      throw thrown instanceof DiskError ? cannotWrite(this.#shown, thrown) : thrown;
    }
  }

  #failed(why: Text): KelanaError {
    return new KelanaError('TRANSFER_FAILED', { name: this.#name, why });
  }
}

const WHY_ENDED: Text = { id: 'sudah diakhiri', en: 'it has ended' };

/** A file that is there already. */
export function present(path: string, layout: Layout, writer: Writer): IncomingFile {
  return {
    path,
    have: allBits(layout.count),
    slot: (signal) => writer.slot(signal),
    write: (_, slot) => {
      slot.release();
      return Promise.resolve(true);
    },
    finish: () => Promise.resolve(path),
    suspend: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  };
}

/** A folder that is there already. */
export function presentFolder(path: string, entries: readonly FolderEntry[], writer: Writer): IncomingFolder {
  return {
    path,
    have: allBits(entries.length),
    slot: (signal) => writer.slot(signal),
    write: (_, slot) => {
      slot.release();
      return Promise.resolve([]);
    },
    file: (index, layout) => Promise.resolve(present(join(path, entries[index]?.path ?? ''), layout, writer)),
    finish: () => Promise.resolve(path),
    suspend: () => Promise.resolve(),
    abort: () => Promise.resolve(),
  };
}
