import { encode } from '@ipld/dag-pb';
import type { CID } from 'multiformats/cid';
import { KelanaError } from '../errors.ts';
import { cidOf, DAG_PB, DIGEST_BYTES, RAW, type Sha256 } from './cid.ts';
import { blockCount, blockSize, SHAPE, type Shape } from './layout.ts';

export interface Manifest {
  /** CIDv1, base32. */
  readonly root: string;
  /** The DAG-PB nodes level by level from the root down, each level left to right; none for a file of one block. */
  readonly nodes: readonly Uint8Array[];
}

/** What a node links to. */
export interface Child {
  readonly cid: CID;
  /** Bytes of the file below it. */
  readonly size: number;
  /** Bytes of all blocks below it and of itself (`Tsize`). */
  readonly total: number;
}

/**
 * The UnixFS DAG of a file from the SHA-256 of its blocks (32 bytes each, concatenated): balanced, so that all
 * leaves have the same depth, also where a last node then has a single link.
 * @throws KelanaError INTERNAL where digests and size do not belong together
 */
export function buildManifest(
  digests: Uint8Array,
  size: number,
  sha256: Sha256,
  shape: Shape = SHAPE,
): Manifest {
  const count = blockCount(size, shape.blockBytes);
  if (digests.length !== count * DIGEST_BYTES || !Number.isSafeInteger(size) || size < 0)
    throw new KelanaError('INTERNAL', { detail: `${digests.length} bytes of digests for a file of ${size}` });
  let level: Child[] = [];
  for (let index = 0; index < count; index += 1) {
    const bytes = blockSize(size, shape.blockBytes, index);
    const digest = digests.slice(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    level.push({ cid: cidOf(RAW, digest), size: bytes, total: bytes });
  }
  const levels: Uint8Array[][] = [];
  while (level.length > 1) {
    const parents: Child[] = [];
    const nodes: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += shape.maxLinks) {
      const { node, parent } = join(level.slice(at, at + shape.maxLinks), sha256);
      nodes.push(node);
      parents.push(parent);
    }
    levels.push(nodes);
    level = parents;
  }
  return { root: level[0]?.cid.toString() ?? '', nodes: levels.reverse().flat() };
}

/**
 * The node over blocks `number × maxLinks` and those that follow: one of the lowest level of a file of several blocks.
 */
export function lowestNode(
  digests: Uint8Array,
  size: number,
  number: number,
  sha256: Sha256,
  shape: Shape = SHAPE,
): { node: Uint8Array; parent: Child } {
  const children: Child[] = [];
  const last = Math.min((number + 1) * shape.maxLinks, digests.length / DIGEST_BYTES);
  for (let index = number * shape.maxLinks; index < last; index += 1) {
    const bytes = blockSize(size, shape.blockBytes, index);
    const digest = digests.slice(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
    children.push({ cid: cidOf(RAW, digest), size: bytes, total: bytes });
  }
  return join(children, sha256);
}

export function join(children: readonly Child[], sha256: Sha256): { node: Uint8Array; parent: Child } {
  const node = encode({
    Data: fileData(children),
    Links: children.map((child) => ({ Name: '', Tsize: child.total, Hash: child.cid })),
  });
  const sum = (of: (child: Child) => number): number =>
    children.reduce((total, child) => total + of(child), 0);
  return {
    node,
    parent: {
      cid: cidOf(DAG_PB, sha256(node)),
      size: sum((child) => child.size),
      total: node.length + sum((child) => child.total),
    },
  };
}

/**
 * The UnixFS message of a node of a file: its type, its bytes, the bytes below each link (fields 1, 3 and 4 of the UnixFS
 * specification). Written here, since protons-runtime 7.1 writes numbers from 2^31 to 2^32 wrong: of the size of a file
 * of 2 to 4 GiB four bytes were whatever memory held, and its CID was another each time.
 */
function fileData(children: readonly Child[]): Uint8Array {
  const bytes = [0x08, 2, 0x18];
  varint(
    children.reduce((sum, { size }) => sum + size, 0),
    bytes,
  );
  for (const { size } of children) {
    bytes.push(0x20);
    varint(size, bytes);
  }
  return Uint8Array.from(bytes);
}

function varint(value: number, into: number[]): void {
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) into.push((rest % 0x80) | 0x80);
  into.push(rest);
}
