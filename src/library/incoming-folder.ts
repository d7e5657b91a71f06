import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { INCOMING } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { RESERVED_PREFIX, safeDownloadName } from '../core/names.ts';
import type { FilePiece, IncomingFile, IncomingFolder, Slot } from '../core/transfer/ports.ts';
import type { Layout } from '../core/transfer/layout.ts';
import { bitBytes, countBits, hasBit, setBit } from '../core/bit-array.ts';
import { BlockFile } from './block-file.ts';
import { claim, dropLeftovers, type Claim } from './claims.ts';
import { cannotWrite, sync } from './files.ts';
import { checkEntries, refused, WHY_TWINS, type FolderEntry } from './folder-names.ts';
import { complete, thereOf, treeWithout, type There, type Whole } from './folder-there.ts';
import {
  batches,
  foldedTwins,
  hasExactly,
  isSameFolder,
  prune,
  smallFiles,
  type Tree,
} from './folder-tree.ts';
import { Incoming, present, presentFolder, type FsyncPolicy } from './incoming.ts';
import type { FolderPart, Offers } from './offers.ts';
import { checkRoom, moveTo, names, openFolder } from './place.ts';
import { inMemory, syncDisk, syncWhereThere } from './syncing.ts';
import { STATE } from './writer-protocol.ts';
import { WholeFile } from './whole-file.ts';
import { DiskError, type Writer } from './writer.ts';

export type { FolderEntry } from './folder-names.ts';

export interface IncomingFolderOptions {
  /** Downloads folder; created where it is missing. */
  readonly folder: string;
  /** Name as the holder gave it; only its base name is used. */
  readonly name: string;
  /** CID of the folder. Its entries must be in the same order each time: a resumed file is known by its number. */
  readonly cid: string;
  readonly entries: readonly FolderEntry[];
  /** Folders that are made even where no entry lies in them. */
  readonly folders?: readonly string[];
  /**
   * All files and folders of the folder, where `entries` are only some. What is in the downloads already under its name
   * and is a part of it is then completed there. By default only the very same counts.
   */
  readonly whole?: Whole;
  /** A number for each entry that stays the same whichever of them are wanted; by default their index. */
  readonly places?: readonly number[];
  readonly writer: Writer;
  /** Default `finish`. */
  readonly fsync?: FsyncPolicy;
  /** Where what is there is given to others who fetch the same; by default it is not. */
  readonly offer?: { readonly offers: Offers; readonly listing: FolderPart['listing'] } | undefined;
  readonly signal?: AbortSignal;
}

/** Parts of large files, at the root of the temporary folder. */
const MINE = new RegExp(`^\\${RESERVED_PREFIX}f\\d+\\.(part|have)$`);
/** Files synced in one piece of work: a disk of 10 ms each needs a second. */
const SYNC_BATCH = 64;
/** Files up to which each is synced; beyond it, to sync the whole disk once is faster. */
const SYNC_EACH = 64;

/**
 * Begins to download a folder, or goes on with it. All is written to a hidden folder beside the final place. The files
 * in it are the list of what is there; each is hashed before it counts.
 * @throws KelanaError BAD_NAME, NOT_A_FOLDER, CANNOT_WRITE, DOWNLOAD_BUSY; the signal's reason
 */
export async function openIncomingFolder(options: IncomingFolderOptions): Promise<IncomingFolder> {
  const { entries, writer, cid, signal } = options;
  const name = safeDownloadName(options.name);
  const { folders, twins } = checkEntries(entries, options.folders);
  const tree = { files: new Set(entries.map(({ path }) => path)), folders: new Set(folders) };
  const folder = await openFolder(options.folder);
  const whole = options.whole ?? { entries, folders: options.folders ?? [] };
  let part: Claim | null = null;
  let base: There | null = null;
  try {
    for (const candidate of names(name)) {
      const there = await thereOf(join(folder, candidate), entries, tree, whole, writer);
      if (there === null) break;
      if (there === false || (options.whole === undefined && !there.whole)) continue;
      // A part of what else is in it may still be gone on with.
      if (there.whole) await dropLeftovers(folder, cid, 'dir').catch(() => undefined);
      if (there.wanted) return presentFolder(there.path, entries, writer);
      base = there;
      break;
    }
    part = await claim(folder, cid, 'dir', name);
    const root = part.path;
    const folded = await foldedTwins(root, twins);
    if (folded !== null) throw refused(folded.one, WHY_TWINS);
    const have = base?.have.slice() ?? new Uint8Array(bitBytes(entries.length));
    const mine = base === null ? tree : treeWithout(entries, tree, base.have);
    if (!part.fresh) {
      await prune(root, mine, MINE);
      for (const { indices, files } of batches(entries, root, base?.have)) {
        signal?.throwIfAborted();
        const states = await writer.look(files);
        for (const [at, index] of indices.entries()) if (states[at] === STATE.right) setBit(have, index);
      }
    }
    await checkRoom(folder, sizeOf(entries, have));
    for (const path of options.folders ?? []) {
      if (!mine.folders.has(path)) continue;
      signal?.throwIfAborted();
      await mkdir(join(root, path), { recursive: true });
    }
    const durable = options.fsync !== 'never' && !(await inMemory(root));
    const incoming = new FolderDownload(
      name,
      folder,
      part,
      entries,
      mine,
      writer,
      have,
      durable,
      options.offer?.offers,
      base,
      options.places,
    );
    await incoming.writeEmpty();
    if (options.offer !== undefined) {
      const { offers, listing } = options.offer;
      incoming.withdrawn(
        offers.addFolder({ name, cid, at: (index) => incoming.at(index), entries, have, listing }),
      );
    }
    return incoming;
  } catch (thrown) {
    await (part?.fresh === true ? part.remove() : part?.release())?.catch(() => undefined);
    if (signal?.aborted === true && thrown === signal.reason) throw thrown;
    throw cannotWrite(folder, thrown);
  }
}

/** Bytes still to come. Parts of large files are counted whole: too careful by what they have. */
function sizeOf(entries: readonly FolderEntry[], have: Uint8Array): number {
  let total = 0;
  for (const [index, { size }] of entries.entries()) if (!hasBit(have, index)) total += size;
  return total;
}

class FolderDownload implements IncomingFolder {
  readonly path = null;
  readonly have: Uint8Array;
  readonly #name: string;
  readonly #folder: string;
  readonly #part: Claim;
  readonly #root: string;
  readonly #entries: readonly FolderEntry[];
  readonly #tree: Tree;
  readonly #writer: Writer;
  readonly #durable: boolean;
  readonly #offers: Offers | undefined;
  /** Where some of the files lie already, and the others are to go; null: nowhere. */
  readonly #base: There | null;
  readonly #places: readonly number[] | undefined;
  readonly #writing = new Set<Promise<unknown>>();
  /** Large files under way, by index; null while one is being opened. */
  readonly #open = new Map<number, IncomingFile | null>();
  /** Takes back what is offered to others. */
  readonly #withdraw: (() => void)[] = [];
  #ended: Promise<string | null> | undefined;

  constructor(
    name: string,
    folder: string,
    part: Claim,
    entries: readonly FolderEntry[],
    tree: Tree,
    writer: Writer,
    have: Uint8Array,
    durable: boolean,
    offers: Offers | undefined,
    base: There | null,
    places: readonly number[] | undefined,
  ) {
    this.#name = name;
    this.#folder = folder;
    this.#part = part;
    this.#root = part.path;
    this.#entries = entries;
    this.#tree = tree;
    this.#writer = writer;
    this.have = have;
    this.#durable = durable;
    this.#offers = offers;
    this.#base = base;
    this.#places = places;
  }

  /** Where an entry lies, or will lie, until all is there. */
  at(index: number): string {
    const there = this.#base !== null && hasBit(this.#base.have, index) ? this.#base.path : this.#root;
    return join(there, this.#entries[index]?.path ?? '');
  }

  async slot(signal?: AbortSignal): Promise<Slot> {
    try {
      return await this.#writer.slot(signal);
    } catch (thrown) {
      throw thrown instanceof DiskError ? this.#cannotWrite(thrown) : thrown;
    }
  }

  /** @throws KelanaError CANNOT_WRITE, TRANSFER_FAILED (it has ended); RangeError for what lies outside the slot */
  async write(pieces: readonly FilePiece[], slot: Slot): Promise<readonly number[]> {
    const bad = this.#ended === undefined ? pieces.find((piece) => !this.#fits(piece, slot)) : undefined;
    if (this.#ended !== undefined || bad !== undefined || pieces.length > INCOMING.batchFiles) {
      slot.release();
      if (this.#ended !== undefined) throw this.#failed(WHY_ENDED);
      throw new RangeError(
        bad === undefined ? `${pieces.length} files` : `file ${bad.index} at ${bad.offset}`,
      );
    }
    const indices = pieces.map(({ index }) => index);
    const offsets = pieces.map(({ offset }) => offset);
    const work = this.#writer.put(smallFiles(this.#entries, this.#root, indices, offsets), slot);
    this.#writing.add(work);
    try {
      const { states, error } = await work;
      for (const [at, index] of indices.entries()) if (states[at] === STATE.right) setBit(this.have, index);
      if (error !== null) throw error;
      return indices.filter((_, at) => states[at] === STATE.wrong);
    } catch (thrown) {
      throw this.#cannotWrite(thrown);
    } finally {
      this.#writing.delete(work);
    }
  }

  /** `by` takes back what is offered of it; called when it ends. */
  withdrawn(by: () => void): void {
    this.#withdraw.push(by);
  }

  /** Files of no bytes: nobody has to send them. */
  async writeEmpty(): Promise<void> {
    const empty: FilePiece[] = [];
    for (const [index, { size, digest }] of this.#entries.entries())
      if (size === 0 && digest !== null && !hasBit(this.have, index)) empty.push({ index, offset: 0 });
    for (let at = 0; at < empty.length; at += INCOMING.batchFiles)
      await this.write(empty.slice(at, at + INCOMING.batchFiles), await this.slot());
  }

  /** @throws KelanaError CANNOT_WRITE, DOWNLOAD_BUSY (it is open), TRANSFER_FAILED; RangeError for another layout */
  async file(index: number, layout: Layout): Promise<IncomingFile> {
    if (this.#ended !== undefined) throw this.#failed(WHY_ENDED);
    const entry = this.#entries[index];
    if (entry === undefined || entry.cid !== layout.root || entry.size !== layout.size)
      throw new RangeError(`file ${index} is not ${layout.root}`);
    const final = this.at(index);
    if (hasBit(this.have, index)) return present(final, layout, this.#writer);
    if (this.#open.has(index)) throw new KelanaError('DOWNLOAD_BUSY', { name: entry.path, pid: 'kelana' });
    this.#open.set(index, null);
    try {
      const opened = this.#openFile(index, entry, final, layout);
      this.#writing.add(opened);
      const file = await opened.finally(() => this.#writing.delete(opened));
      if (file === null) {
        this.#open.delete(index);
        setBit(this.have, index);
        return present(final, layout, this.#writer);
      }
      return file;
    } catch (thrown) {
      this.#open.delete(index);
      throw cannotWrite(final, thrown);
    }
  }

  async finish(): Promise<string> {
    if (this.#ended === undefined) {
      const missing = this.#entries.length - countBits(this.have);
      if (missing > 0)
        throw this.#failed({ id: `${missing} berkas belum ada`, en: `${missing} files are missing` });
      this.#ended = this.#publish();
    }
    const path = await this.#ended;
    if (path === null) throw this.#failed(WHY_ENDED);
    return path;
  }

  async suspend(): Promise<void> {
    await this.#end(() => this.#part.release());
  }

  async abort(): Promise<void> {
    await this.#end(() => this.#part.remove());
  }

  /** null where its final place has it already, all of it right. */
  async #openFile(
    index: number,
    entry: FolderEntry,
    final: string,
    layout: Layout,
  ): Promise<IncomingFile | null> {
    const place = this.#places?.[index] ?? index;
    const part = join(this.#root, `${RESERVED_PREFIX}f${place}.part`);
    const bitmap = join(this.#root, `${RESERVED_PREFIX}f${place}.have`);
    await mkdir(dirname(final), { recursive: true });
    if (!this.#part.fresh && (await syncWhereThere(final))) {
      const there = await BlockFile.open({
        writer: this.#writer,
        layout,
        path: final,
        bitmap: null,
        fresh: false,
      });
      const { missing } = there;
      await there.close();
      if (missing === 0) return null;
      await rename(final, part);
    }
    const blocks = await BlockFile.open({
      writer: this.#writer,
      layout,
      path: part,
      bitmap,
      fresh: false,
      offer: this.#offers && { offers: this.#offers, name: entry.path },
    });
    const file = new Incoming(entry.path, final, blocks, this.#durable ? 'finish' : 'never', {
      publish: async () => {
        await rename(part, final);
        await rm(bitmap, { force: true });
        this.#open.delete(index);
        setBit(this.have, index);
        if (this.#offers !== undefined)
          this.#withdraw.push(this.#offers.add(entry.path, layout, new WholeFile(final, layout)));
        return final;
      },
      keep: () => {
        this.#open.delete(index);
        return Promise.resolve();
      },
      drop: async () => {
        this.#open.delete(index);
        await rm(part, { force: true });
        await rm(bitmap, { force: true });
      },
    });
    // Before anybody who waits for this goes on: an end of the folder ends it too.
    this.#open.set(index, file);
    return file;
  }

  async #publish(): Promise<string> {
    for (const withdraw of this.#withdraw.splice(0)) withdraw();
    try {
      await Promise.allSettled(this.#writing);
      // A file system that takes two names for one would have dropped a file by now.
      if (!(await hasExactly(this.#root, this.#tree)))
        throw new KelanaError('BAD_NAME', { name: `'${this.#name}'`, why: WHY_OTHER });
      if (this.#durable) await this.#sync();
      if (this.#base !== null) return await this.#complete(this.#base);
      for (const candidate of names(this.#name)) {
        const target = join(this.#folder, candidate);
        const same = await isSameFolder(target, this.#entries, this.#tree, this.#writer);
        if (same === true) {
          await this.#part.remove();
          return target;
        }
        if (same === null && (await moveTo(this.#root, target))) {
          await this.#part.moved();
          await sync(this.#folder);
          return target;
        }
      }
      throw new KelanaError('FILE_EXISTS', { name: this.#name });
    } catch (thrown) {
      await this.#part.release().catch(() => undefined);
      throw this.#cannotWrite(thrown);
    }
  }

  async #complete({ path }: There): Promise<string> {
    await complete(path, this.#root, this.#entries, this.#tree, this.#durable);
    await this.#part.remove();
    return path;
  }

  /** Large files were synced as each was finished. */
  async #sync(): Promise<void> {
    const { files } = this.#tree;
    const small = this.#entries.flatMap(({ path, digest }) =>
      digest === null || !files.has(path) ? [] : [path],
    );
    if (small.length > SYNC_EACH && (await syncDisk(this.#root))) return;
    const paths = [...small, ...[...this.#tree.folders].reverse(), '.'];
    for (let at = 0; at < paths.length; at += SYNC_BATCH)
      await this.#writer.sync(this.#root, paths.slice(at, at + SYNC_BATCH));
  }

  async #end(work: () => Promise<void>): Promise<void> {
    for (const withdraw of this.#withdraw.splice(0)) withdraw();
    this.#ended ??= (async () => {
      await Promise.allSettled(this.#writing);
      for (const file of this.#open.values()) await file?.suspend();
      await work();
      return null;
    })();
    await this.#ended.catch(() => undefined);
  }

  #fits({ index, offset }: FilePiece, slot: Slot): boolean {
    const entry = this.#entries[index];
    return (
      entry !== undefined &&
      entry.digest !== null &&
      Number.isInteger(offset) &&
      offset >= 0 &&
      offset + entry.size <= slot.bytes.length
    );
  }

  #cannotWrite(thrown: unknown): KelanaError {
    return cannotWrite(join(this.#folder, this.#name), thrown);
  }

  #failed(why: Text): KelanaError {
    return new KelanaError('TRANSFER_FAILED', { name: this.#name, why });
  }
}

const WHY_ENDED: Text = { id: 'sudah diakhiri', en: 'it has ended' };
const WHY_OTHER: Text = {
  id: 'isi folder sementaranya bukan lagi isi yang diunduh',
  en: 'its temporary folder does not hold what was downloaded',
};
