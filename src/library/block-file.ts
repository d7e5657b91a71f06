import { constants } from 'node:fs';
import { open as openHandle, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { INCOMING } from '../core/config.ts';
import type { Slot } from '../core/transfer/ports.ts';
import { leafOf, type Layout } from '../core/transfer/layout.ts';
import { verifyBlock } from '../core/transfer/verify.ts';
import { bitBytes, countBits, hasBit } from '../core/bit-array.ts';
import type { BeginAsk } from './begin-now.ts';
import { HEADER_BYTES, newBitmap, openBitmap, writeBitmap, type Bitmap } from './bitmap.ts';
import { Descriptor, type OpenFile } from './descriptor.ts';
import { readFully } from './files.ts';
import { sha256 } from './hash.ts';
import type { Offers } from './offers.ts';
import type { SharedFile } from './writer-protocol.ts';
import type { Writer } from './writer.ts';

export interface BlockFileOptions {
  readonly writer: Writer;
  readonly layout: Layout;
  readonly path: string;
  /** Its bitmap; null: none, and what lies in the file was synced when it was written. */
  readonly bitmap: string | null;
  /** Nothing was there before. */
  readonly fresh: boolean;
  /** The file, where it is open to read and write already; it is closed with this, or where this fails. */
  readonly handle?: FileHandle | null;
  /** Writes zeros where no block is, so that the room is taken. */
  readonly preallocate?: boolean;
  readonly signal?: AbortSignal;
  /** Where it is given to others as long as it is open, and under which name. */
  readonly offer?: { readonly offers: Offers; readonly name: string } | undefined;
}

/** Of a part that is yet to be made; `bitmap` is the name of its bitmap, where it needs one. */
export interface BeginOptions
  extends Pick<BlockFileOptions, 'writer' | 'layout'>, Omit<BeginAsk, 'size' | 'bitmap'> {
  readonly bitmap: string;
}

/** Bytes in which stat(2) counts what a file takes. */
export const BLOCK_UNIT = 512;

/** What the thread is told of a file, but for its descriptors. */
function sharedOf({ count, digests, size, blockBytes }: Layout): Omit<SharedFile, 'fd' | 'bitsFd'> {
  const own = new SharedArrayBuffer(digests.length);
  new Uint8Array(own).set(digests);
  const have = new SharedArrayBuffer(bitBytes(count));
  return { bitsAt: HEADER_BYTES, have, digests: own, size, blockBytes };
}

/** Open files are kept here: node closes a handle that is forgotten, and the thread may still write to its number. */
const open = new Set<BlockFile>();

/** A part on the disk, with the blocks of it that are right. Errors are those of the file system. */
export class BlockFile {
  readonly have: Uint8Array;
  readonly #writer: Writer;
  readonly #layout: Layout;
  readonly #handle: OpenFile;
  readonly #bits: OpenFile | null;
  readonly #bitmap: string | null;
  readonly #file: number;
  #closed: Promise<void> | undefined;
  #withdraw = (): void => undefined;

  private constructor(
    { layout, writer, bitmap }: Pick<BlockFileOptions, 'layout' | 'writer' | 'bitmap'>,
    handle: OpenFile,
    bits: OpenFile | null,
    shared = sharedOf(layout),
    file?: number,
  ) {
    this.#writer = writer;
    this.#layout = layout;
    this.#handle = handle;
    this.#bits = bits;
    this.#bitmap = bitmap;
    this.have = new Uint8Array(shared.have);
    this.#file = file ?? writer.open({ ...shared, fd: handle.fd, bitsFd: bits?.fd ?? null });
    open.add(this);
  }

  /**
   * A new part, made by the thread in one go, with the real path of its folder; null where that is not plain (`beginNow`).
   * It is not given to others yet. @throws as `Writer.begin`
   */
  static async begin(options: BeginOptions): Promise<{ folder: string; file: BlockFile } | null> {
    const { layout, writer, bitmap, folder, name, part, prefix } = options;
    const kept = layout.count > 1 ? { name: bitmap, bytes: newBitmap(layout) } : null;
    const shared = sharedOf(layout);
    const ask = { folder, name, part, prefix, bitmap: kept, size: layout.size };
    const answer = await writer.begin({ begin: ask, shared });
    if (answer === null) return null;
    const { fd, bitsFd, folder: real } = answer.begun;
    const bits = bitsFd === null ? null : new Descriptor(bitsFd);
    const how = { layout, writer, bitmap: join(real, bitmap) };
    return { folder: real, file: new BlockFile(how, new Descriptor(fd), bits, shared, answer.file) };
  }

  /** Every block that is said to be there, or seems to be, is hashed before this resolves. */
  static async open(options: BlockFileOptions): Promise<BlockFile> {
    const { layout, path, fresh } = options;
    const handle =
      options.handle ??
      (await openHandle(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666));
    let bits: Bitmap | null = null;
    let file: BlockFile | null = null;
    try {
      const size = fresh ? 0 : (await handle.stat()).size;
      if (size !== layout.size) await handle.truncate(layout.size);
      // A file of one block is not worth a bitmap.
      if (options.bitmap !== null && layout.count > 1) bits = await openBitmap(options.bitmap, layout);
      file = new BlockFile(options, handle, bits?.handle ?? null);
      if (!fresh || layout.size === 0)
        await file.#check(bits?.claimed ?? null, options.bitmap !== null, options.signal);
      if (bits !== null) await writeBitmap(bits.handle, layout, file.have);
      if (options.preallocate === true && (await handle.stat()).blocks * BLOCK_UNIT < layout.size)
        await file.#reserve(options.signal);
      file.offer(options.offer);
      return file;
    } catch (thrown) {
      if (file !== null) await file.close();
      else {
        await bits?.handle.close();
        await handle.close();
      }
      throw thrown;
    }
  }

  /** Gives it to others as long as it is open. */
  offer(offer: BlockFileOptions['offer']): void {
    if (offer !== undefined) this.#withdraw = offer.offers.add(offer.name, this.#layout, this);
  }

  get missing(): number {
    return this.#layout.count - countBits(this.have);
  }

  /** Nothing is there that would be worth going on with. */
  get empty(): boolean {
    return this.#layout.size === 0 || this.missing === this.#layout.count;
  }

  slot(signal?: AbortSignal): Slot | Promise<Slot> {
    return this.#writer.slot(signal);
  }

  /** @throws RangeError for a block that the file does not have */
  write(index: number, slot: Slot): Promise<boolean> {
    if (!Number.isInteger(index) || index < 0 || index >= this.#layout.count) {
      slot.release();
      throw new RangeError(`block ${index} of ${this.#layout.count}`);
    }
    return this.#writer.block(this.#file, index, slot);
  }

  /**
   * A block that is there, checked whenever it is read. One that was changed beneath counts as missing from then on, so
   * that this file is not finished with it.
   * @throws RangeError for a block that is not there
   */
  async read(index: number, into?: Uint8Array): Promise<Uint8Array> {
    if (this.#closed !== undefined || !hasBit(this.have, index)) throw new RangeError(`block ${index}`);
    const leaf = leafOf(this.#layout, index);
    const block = into?.subarray(0, leaf.size) ?? Buffer.allocUnsafeSlow(leaf.size);
    const done = await readFully(this.#handle, block, index * this.#layout.blockBytes);
    if (done === leaf.size && verifyBlock(leaf, block, sha256)) return block;
    Atomics.and(this.have, index >> 3, ~(1 << (index & 7)));
    throw new RangeError(`block ${index} was changed`);
  }

  /**
   * A failed fsync may leave pages that count as written and are not: without its bitmap all blocks are written once
   * more by the next who opens this, before they count.
   */
  async sync(): Promise<void> {
    try {
      await this.#handle.sync();
    } catch (thrown) {
      if (this.#bitmap !== null) await rm(this.#bitmap, { force: true });
      throw thrown;
    }
  }

  /** Where the disk hangs, descriptors stay open: the thread may still write to them. */
  close(): Promise<void> {
    this.#withdraw();
    this.#closed ??= this.#writer.forget(this.#file).then(
      async () => {
        await this.#bits?.close();
        await this.#handle.close();
        open.delete(this);
      },
      () => undefined,
    );
    return this.#closed;
  }

  async #check(claimed: Uint8Array | null, mayRewrite: boolean, signal?: AbortSignal): Promise<void> {
    const { count } = this.#layout;
    for (let first = 0; first < count; first += INCOMING.checkBlocks) {
      signal?.throwIfAborted();
      const some = Math.min(INCOMING.checkBlocks, count - first);
      await this.#writer.check(this.#file, {
        first,
        count: some,
        // `checkBlocks` is a whole number of bytes.
        claimed: claimed?.slice(first >> 3, (first >> 3) + bitBytes(some)) ?? new Uint8Array(bitBytes(some)),
        rewrite: mayRewrite && claimed === null,
      });
    }
  }

  async #reserve(signal?: AbortSignal): Promise<void> {
    for (let index = 0; index < this.#layout.count; index += 1) {
      signal?.throwIfAborted();
      if (!hasBit(this.have, index)) await this.#writer.reserve(this.#file, index, 1);
    }
  }
}
