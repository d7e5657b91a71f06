import { TRANSFER } from '../core/config.ts';
import { digestAt, parseCid } from '../core/transfer/cid.ts';
import { blockSize, sameBytes } from '../core/transfer/layout.ts';
import type { Entry } from './catalog.ts';
import { sha256 } from './hash.ts';
import type { Reading } from './reading.ts';

/**
 * Reads shared files whose time of change alone tells that something was done to them: only a block whose hash is right
 * goes out, as wrong bytes would make a liar of this node. No watcher tells of a new link to a file, so each is looked
 * at again when it is first read.
 */
export class TouchedFiles {
  readonly #reading: Reading;
  readonly #look: (path: string) => void;
  readonly #seen = new WeakSet<Entry>();
  /** The last block that was right, as pieces of one come one after the other. */
  #last: { readonly entry: Entry; readonly index: number; readonly block: Uint8Array } | null = null;

  constructor(reading: Reading, look: (path: string) => void) {
    this.#reading = reading;
    this.#look = look;
  }

  /** Fills `into` from one block; false where that is no longer what was hashed. @throws what the file system throws */
  async read(entry: Entry, into: Uint8Array, position: number): Promise<boolean> {
    if (!this.#seen.has(entry)) this.#look(entry.path);
    this.#seen.add(entry);
    const index = Math.floor(position / TRANSFER.blockBytes);
    const known = this.#last?.entry === entry && this.#last.index === index ? this.#last.block : null;
    const block = known ?? (await this.#block(entry, index));
    if (block === null) return false;
    this.#last = { entry, index, block };
    const at = position - index * TRANSFER.blockBytes;
    into.set(block.subarray(at, at + into.length));
    return true;
  }

  async #block(entry: Entry, index: number): Promise<Uint8Array | null> {
    const block = Buffer.allocUnsafeSlow(blockSize(entry.size, TRANSFER.blockBytes, index));
    if ((await this.#reading.read(entry, block, index * TRANSFER.blockBytes)) === false) return null;
    const digest = digestAt(entry.digests, index);
    const right = digest.length > 0 ? digest : parseCid(entry.cid)?.digest;
    return right !== undefined && sameBytes(sha256(block), right) ? block : null;
  }
}
