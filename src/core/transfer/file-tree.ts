import { DAG_PB, DIGEST_BYTES, RAW } from './cid.ts';
import { blockCount, blockSize, sameBytes, SHAPE, type Shape } from './layout.ts';
import { dataBytes, joined, linkBytes, nodeBytes, type Part } from './tsize.ts';

/**
 * The tree of a file of this size: how many nodes there are, what each links to, and every byte of them but the hashes
 * follow from it. Blocks are level 0, the root is the only node of the highest. In a level all parts are alike but the last.
 */
export class FileTree {
  readonly size: number;
  /** Blocks of the file, and nodes of each level above them; of a file of one block there is none above. */
  readonly widths: readonly number[];
  /** Nodes in all. */
  readonly count: number;
  readonly #shape: Shape;
  /** Of each level what any of it but the last is, and what the last is. */
  readonly #parts: readonly { readonly each: Part; readonly last: Part }[];
  #scratch = new Uint8Array(0);

  /** `size`: bytes, a safe integer. */
  constructor(size: number, shape: Shape = SHAPE) {
    this.size = size;
    this.#shape = shape;
    let width = blockCount(size, shape.blockBytes);
    let each: Part = { size: shape.blockBytes, total: shape.blockBytes };
    const end = blockSize(size, shape.blockBytes, width - 1);
    let last: Part = { size: end, total: end };
    const widths = [width];
    const parts = [{ each, last }];
    while (width > 1) {
      const above = Math.ceil(width / shape.maxLinks);
      last = joined(width - (above - 1) * shape.maxLinks, each, last);
      each = joined(shape.maxLinks, each, each);
      width = above;
      widths.push(width);
      parts.push({ each, last });
    }
    this.widths = widths;
    this.#parts = parts;
    this.count = widths.slice(1).reduce((sum, one) => sum + one, 0);
  }

  /** Level of the root; 0: the file is one block. */
  get height(): number {
    return this.widths.length - 1;
  }

  /** Where in its level a node is, by its number: the root first, level by level. @throws RangeError where there is none */
  place(number: number): { readonly level: number; readonly index: number } {
    let index = number;
    for (let level = this.height; level > 0 && Number.isInteger(index) && index >= 0; level -= 1) {
      const width = this.widths[level] ?? 0;
      if (index < width) return { level, index };
      index -= width;
    }
    throw new RangeError(`node ${number} of ${this.count}`);
  }

  /** The number of a node by its place. */
  numberOf(level: number, index: number): number {
    return this.widths.slice(level + 1).reduce((sum, width) => sum + width, index);
  }

  /** What a node links to: the first part of the level below it, and how many. */
  links(level: number, index: number): { readonly first: number; readonly count: number } {
    const first = index * this.#shape.maxLinks;
    return { first, count: Math.min(this.#shape.maxLinks, (this.widths[level - 1] ?? 0) - first) };
  }

  /** The part of `level` that block `index` is, or is below. */
  above(level: number, index: number): number {
    return Math.floor(index / this.#shape.maxLinks ** level);
  }

  /** A node from the hashes of what it links to, which begin at byte `from`. */
  write(level: number, index: number, hashes: Uint8Array, from: number): Uint8Array {
    const node = new Uint8Array(this.#bytesOf(level, index));
    this.#write(level, index, hashes, from, node);
    return node;
  }

  /**
   * Takes the hashes out of a node, to byte `at` of `into`; false where it is not, byte for byte, the one that must stand in
   * this place. What is in `into` is then of no use.
   */
  read(level: number, index: number, node: Uint8Array, into: Uint8Array, at: number): boolean {
    const length = this.#bytesOf(level, index);
    if (node.length !== length) return false;
    const { count } = this.links(level, index);
    const stride = linkBytes(0, this.#below(level, index).each.total);
    for (let link = 0; link < count; link += 1) {
      const hash = link * stride + HASH_AT;
      for (let byte = 0; byte < DIGEST_BYTES; byte += 1)
        into[at + link * DIGEST_BYTES + byte] = node[hash + byte] ?? 0;
    }
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length);
    const right = this.#scratch.subarray(0, length);
    this.#write(level, index, into, at, right);
    return sameBytes(right, node);
  }

  #bytesOf(level: number, index: number): number {
    const { each, last } = this.#below(level, index);
    return nodeBytes(this.links(level, index).count, each, last);
  }

  /** What a node links to; the last of its links is that of the whole level only in the last node. */
  #below(level: number, index: number): { readonly each: Part; readonly last: Part } {
    const parts = this.#parts[level - 1] ?? NONE;
    return index === (this.widths[level] ?? 0) - 1 ? parts : { each: parts.each, last: parts.each };
  }

  /** As `@ipld/dag-pb` and `ipfs-unixfs` write it: the links, then the UnixFS message with its type, size and sizes. */
  #write(level: number, index: number, hashes: Uint8Array, from: number, into: Uint8Array): void {
    const { each, last } = this.#below(level, index);
    const { count } = this.links(level, index);
    const codec = level === 1 ? RAW : DAG_PB;
    let at = 0;
    for (let link = 0; link < count; link += 1) {
      const { total } = link === count - 1 ? last : each;
      into[at] = 0x12;
      into[at + 1] = linkBytes(0, total) - 2;
      into[at + 2] = 0x0a;
      into[at + 3] = 4 + DIGEST_BYTES;
      into[at + 4] = 1;
      into[at + 5] = codec;
      into[at + 6] = 0x12;
      into[at + 7] = DIGEST_BYTES;
      at += HASH_AT;
      for (let byte = 0; byte < DIGEST_BYTES; byte += 1)
        into[at + byte] = hashes[from + link * DIGEST_BYTES + byte] ?? 0;
      at += DIGEST_BYTES;
      into[at] = 0x12;
      into[at + 1] = 0;
      into[at + 2] = 0x18;
      at = putVarint(into, at + 3, total);
    }
    into[at] = 0x0a;
    at = putVarint(into, at + 1, dataBytes(count, each, last));
    into[at] = 0x08;
    into[at + 1] = FILE;
    into[at + 2] = 0x18;
    at = putVarint(into, at + 3, (count - 1) * each.size + last.size);
    for (let link = 0; link < count; link += 1) {
      into[at] = 0x20;
      at = putVarint(into, at + 1, link === count - 1 ? last.size : each.size);
    }
  }
}

/** Bytes of a link before its hash: tags and lengths, and the head of a CIDv1. */
const HASH_AT = 8;
/** Type of a UnixFS message. */
const FILE = 2;
const NONE = { each: { size: 0, total: 0 }, last: { size: 0, total: 0 } };

function putVarint(into: Uint8Array, at: number, value: number): number {
  let end = at;
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80), end += 1) into[end] = (rest % 0x80) | 0x80;
  into[end] = rest;
  return end + 1;
}

/**
 * Bytes of the file that a node says it is the root of; null: it says none. Only a claim, as nothing else of the node is
 * looked at: `FileTree.read` is.
 */
export function claimedSize(root: Uint8Array): number | null {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const byte = root[at] ?? -1;
      if (byte < 0) return -1;
      at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  while (root[at] === 0x12) {
    at += 1;
    const length = varint();
    if (length < 0) return null;
    at += length;
  }
  if (root[at] !== 0x0a) return null;
  at += 1;
  if (varint() < 0 || root[at] !== 0x08 || root[at + 1] !== FILE || root[at + 2] !== 0x18) return null;
  at += 3;
  const size = varint();
  return Number.isSafeInteger(size) && size >= 0 ? size : null;
}
