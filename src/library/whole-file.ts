import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { allBits } from '../core/bit-array.ts';
import { leafOf, type Layout } from '../core/transfer/layout.ts';
import { verifyBlock } from '../core/transfer/verify.ts';
import { readFully } from './files.ts';
import { sha256 } from './hash.ts';

/** A file of a folder that still comes, itself whole: what is read of it is checked each time. */
export class WholeFile {
  readonly have: Uint8Array;
  readonly #path: string;
  readonly #layout: Layout;

  constructor(path: string, layout: Layout) {
    this.#path = path;
    this.#layout = layout;
    this.have = allBits(layout.count);
  }

  /** @throws RangeError for a block that is not there any more; what the file system throws */
  async read(index: number, into?: Uint8Array): Promise<Uint8Array> {
    const leaf = leafOf(this.#layout, index);
    const block = into?.subarray(0, leaf.size) ?? Buffer.allocUnsafeSlow(leaf.size);
    const handle = await open(this.#path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const done = await readFully(handle, block, index * this.#layout.blockBytes);
      if (done === leaf.size && verifyBlock(leaf, block, sha256)) return block;
    } finally {
      await handle.close();
    }
    throw new RangeError(`block ${index} was changed`);
  }
}
