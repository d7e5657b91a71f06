import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { INCOMING } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { RESERVED_PREFIX } from '../core/names.ts';
import type { FilePiece, IncomingFile, IncomingFolder, Slot } from '../core/transfer/ports.ts';
import type { Layout } from '../core/transfer/layout.ts';
import { countBits, hasBit, setBit } from '../core/bit-array.ts';
import { BlockFile } from './block-file.ts';
import { type Claim } from './claims.ts';
import { cannotWrite, sync } from './files.ts';
import { type FolderEntry } from './folder-names.ts';
import { complete, gather, isStill } from './folder-complete.ts';
import { besideOf, hasOthers, type Beside, type There } from './folder-there.ts';
import { isSameFolder, prune, smallFiles, type Tree } from './folder-tree.ts';
import { Incoming, present } from './incoming.ts';
import type { Offers } from './offers.ts';
import { makeFree, moveTo, names } from './place.ts';
import { syncDisk, syncWhereThere } from './syncing.ts';
import { STATE } from './writer-protocol.ts';
import { WholeFile } from './whole-file.ts';
import { DiskError, type Writer } from './writer.ts';

/** Parts of large files, at the root of the temporary folder. */
export const MINE = new RegExp(`^\\${RESERVED_PREFIX}f\\d+\\.(part|have)$`);
/** No name. */
const NONE = /(?!)/;
/** Files synced in one piece of work: a disk of 10 ms each needs a second. */
const SYNC_BATCH = 64;
/** Files up to which each is synced; beyond it, to sync the whole disk once is faster. */
const SYNC_EACH = 64;

/** A folder on its way: its files come into a hidden folder, which gets its name when all that is wanted is there. */
export class FolderDownload implements IncomingFolder {
  readonly path = null;
  readonly have: Uint8Array;
  readonly #name: string;
  readonly #folder: string;
  readonly #part: Claim;
  readonly #root: string;
  readonly #entries: readonly FolderEntry[];
  #tree: Tree;
  /** All that may be in its temporary folder: what others want of the same folder too. */
  readonly #keep: Tree;
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
    keep: Tree,
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
    this.#keep = keep;
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

  /** What others want of the same folder stays. */
  async abort(): Promise<void> {
    await this.#end(async () => {
      if (await hasOthers(this.#root, this.#tree)) await this.#part.release();
      else await this.#part.remove();
    });
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
      if (this.#base !== null) {
        const path = await this.#complete(this.#base);
        if (path !== null) return path;
        await this.#gather(this.#base.path, this.#base.tree);
      }
      return await this.#whole();
    } catch (thrown) {
      await this.#part.release().catch(() => undefined);
      throw this.#cannotWrite(thrown);
    }
  }

  /** Puts what came beside what is there; null where that is not any more what it was, or something is in the way. */
  async #complete(base: There): Promise<string | null> {
    const beside = await this.#check();
    if (!(await isStill(base))) return null;
    return await this.#place(base.path, beside);
  }

  async #place(path: string, beside: Beside): Promise<string | null> {
    if (!(await complete(path, this.#root, this.#entries, this.#tree, this.#durable))) return null;
    await (beside === 'others' ? this.#part.release() : this.#part.remove());
    return path;
  }

  /** From now on the temporary folder is to hold all that is wanted. @throws KelanaError TRANSFER_FAILED */
  async #gather(from: string, tree: Tree): Promise<void> {
    this.#tree = tree;
    const lost = await gather(from, this.#root, this.#entries, tree, this.#durable);
    if (lost.length === 0) return;
    const [{ path } = { path: '' }] = lost;
    const why = {
      id: `${lost.length} berkas yang sudah ada diubah atau dipindahkan selama itu, di antaranya '${path}'`,
      en: `${lost.length} of the files that were here were changed or moved meanwhile, among them '${path}'`,
    };
    throw new KelanaError('TRANSFER_FAILED', { name: this.#name, why, refusal: 'gone' });
  }

  /** Gives the whole a name that is free. */
  async #whole(): Promise<string> {
    const beside = await this.#check();
    if (beside === 'others') {
      const path = await makeFree(this.#folder, this.#name);
      const placed = await this.#place(path, beside);
      if (placed !== null) return placed;
      await this.#gather(path, this.#tree);
      throw new KelanaError('FILE_EXISTS', { name: this.#name });
    }
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
  }

  /** Looks once more at the names in the temporary folder, and makes all of it durable. @throws KelanaError BAD_NAME */
  async #check(): Promise<Beside> {
    // A file system that takes two names for one would have dropped a file by now.
    const beside = await besideOf(this.#root, this.#tree, this.#keep, MINE);
    if (beside === 'strange') throw new KelanaError('BAD_NAME', { name: `'${this.#name}'`, why: WHY_OTHER });
    if (this.#durable) await this.#sync();
    if (beside === 'folders') await prune(this.#root, this.#tree, NONE);
    return beside;
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
