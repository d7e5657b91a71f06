import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { bitBytes } from '../core/bit-array.ts';
import type { Layout } from '../core/transfer/layout.ts';
import { hasCode, readFully, writeFully } from './files.ts';

/**
 * The bitmap of a part: a header of 160 bytes of text (what it is, CID, size, bytes of a block, checksum, padded with
 * spaces), then one bit a block, lowest first. It claims; what it claims is hashed before it counts.
 */
export const HEADER_BYTES = 160;

function headerOf({ root, size, blockBytes }: Layout): Buffer {
  const text = `kelana have 1\n${root}\n${size}\n${blockBytes}\n`;
  const sum = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return Buffer.from(`${text}${sum}\n`.padEnd(HEADER_BYTES), 'latin1');
}

export interface Bitmap {
  readonly handle: FileHandle;
  /** What it claims; null where it is new, damaged or that of another layout. */
  readonly claimed: Uint8Array | null;
}

/** A new one, as `writeBitmap` writes it; nothing is there yet. */
export function newBitmap(layout: Layout): Uint8Array {
  return Buffer.concat([headerOf(layout), new Uint8Array(bitBytes(layout.count))]);
}

/** @throws what the file system throws */
export async function openBitmap(path: string, layout: Layout): Promise<Bitmap> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o666);
  try {
    const bytes = Buffer.alloc(HEADER_BYTES + bitBytes(layout.count));
    const read = await readFully(handle, bytes, 0).catch((thrown: unknown) => {
      if (hasCode(thrown, 'EIO')) return 0;
      throw thrown;
    });
    const right = read === bytes.length && bytes.subarray(0, HEADER_BYTES).equals(headerOf(layout));
    return { handle, claimed: right ? bytes.subarray(HEADER_BYTES) : null };
  } catch (thrown) {
    await handle.close();
    throw thrown;
  }
}

/** Writes it whole, with the blocks that are there. @throws what the file system throws */
export async function writeBitmap(handle: FileHandle, layout: Layout, have: Uint8Array): Promise<void> {
  const bytes = Buffer.concat([headerOf(layout), have]);
  await handle.truncate(bytes.length);
  await writeFully(handle, bytes, 0);
}
