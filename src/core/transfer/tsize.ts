import { blockCount, blockSize, SHAPE, type Shape } from './layout.ts';

/** Bytes of a number as a protobuf varint. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}

/** Bytes of a CIDv1 with a SHA-256, the only kind of link there is here. */
const CID_BYTES = 36;

/** Bytes that a link takes in a DAG-PB node, with all its tags and lengths. */
export function linkBytes(nameBytes: number, tsize: number): number {
  const link = 2 + CID_BYTES + 1 + varintBytes(nameBytes) + nameBytes + 1 + varintBytes(tsize);
  return 1 + varintBytes(link) + link;
}

/** A block, or a node with all that is below it. */
export interface Part {
  /** Bytes of the file below it. */
  readonly size: number;
  /** The same with all nodes, its own with them (`Tsize`). */
  readonly total: number;
}

/** Bytes of the UnixFS message of a node over `count` parts, all alike but the last. */
export function dataBytes(count: number, each: Part, last: Part): number {
  const size = (count - 1) * each.size + last.size;
  return 2 + 1 + varintBytes(size) + (count - 1) * (1 + varintBytes(each.size)) + 1 + varintBytes(last.size);
}

/** Bytes of such a node. */
export function nodeBytes(count: number, each: Part, last: Part): number {
  const data = dataBytes(count, each, last);
  const links = (count - 1) * linkBytes(0, each.total) + linkBytes(0, last.total);
  return 1 + varintBytes(data) + data + links;
}

/** What such a node is to the one above it. */
export function joined(count: number, each: Part, last: Part): Part {
  return {
    size: (count - 1) * each.size + last.size,
    total: nodeBytes(count, each, last) + (count - 1) * each.total + last.total,
  };
}

/**
 * `Tsize` of a link to a file of this size: its bytes and those of the nodes of its manifest, by arithmetic alone, as
 * the layout follows from the size.
 */
export function totalOf(size: number, shape: Shape = SHAPE): number {
  let count = blockCount(size, shape.blockBytes);
  let each: Part = { size: shape.blockBytes, total: shape.blockBytes };
  const end = blockSize(size, shape.blockBytes, count - 1);
  let last: Part = { size: end, total: end };
  while (count > 1) {
    const nodes = Math.ceil(count / shape.maxLinks);
    const rest = count - (nodes - 1) * shape.maxLinks;
    last = joined(rest, each, last);
    each = joined(shape.maxLinks, each, each);
    count = nodes;
  }
  return last.total;
}

/** The size of the file whose link has this `Tsize`, or null where no file of this layout has it. */
export function sizeFrom(total: number, shape: Shape = SHAPE): number | null {
  let low = 0;
  let high = total;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (totalOf(middle, shape) < total) low = middle + 1;
    else high = middle;
  }
  return totalOf(low, shape) === total ? low : null;
}
