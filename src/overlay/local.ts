import { TRANSFER } from '../core/config.ts';
import type { BlockSourcePort, ByteRange, Bytes, Hit } from '../core/ports.ts';

/** The same bytes as `fetchBytes`, for a hit that is this node's own. */
export async function* localBytes(library: BlockSourcePort, hit: Hit, range?: ByteRange): Bytes {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? hit.size - 1, hit.size - 1);
  for (let index = Math.floor(start / TRANSFER.blockBytes); index * TRANSFER.blockBytes <= end; index += 1) {
    const offset = index * TRANSFER.blockBytes;
    const block = await library.readBlock(hit.cid, index);
    yield block.subarray(Math.max(0, start - offset), end - offset + 1);
  }
}
