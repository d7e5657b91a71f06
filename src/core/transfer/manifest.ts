import { encode } from '@ipld/dag-pb';
import type { CID } from 'multiformats/cid';
import { KelanaError } from '../errors.ts';
import { cidOf, cidText, DAG_PB, DIGEST_BYTES, RAW, type Sha256 } from './cid.ts';
import { FileTree } from './file-tree.ts';
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

/** Nodes by number, root first; an array is one, and so is what makes each when it is asked for. */
export interface Nodes extends Iterable<Uint8Array> {
  readonly length: number;
  at(number: number): Uint8Array | undefined;
}

/** The nodes of a file, made from its hashes when they are asked for: beside those of its blocks it keeps 32 bytes a node. */
export class FileNodes implements Nodes {
  readonly #tree: FileTree;
  /** Hashes of blocks, then of the nodes of each level but the highest. */
  readonly #hashes: readonly Uint8Array[];

  constructor(tree: FileTree, hashes: readonly Uint8Array[]) {
    this.#tree = tree;
    this.#hashes = hashes;
  }

  get length(): number {
    return this.#tree.count;
  }

  /** What `nodeSteps` took steps for: hashes of nodes, 32 bytes of each. */
  get inner(): readonly Uint8Array[] {
    return this.#hashes.slice(1);
  }

  at(number: number): Uint8Array | undefined {
    if (!Number.isInteger(number) || number < 0 || number >= this.length) return undefined;
    const { level, index } = this.#tree.place(number);
    const { first } = this.#tree.links(level, index);
    return this.#tree.write(level, index, this.#hashes[level - 1] ?? NONE, first * DIGEST_BYTES);
  }

  *[Symbol.iterator](): Generator<Uint8Array, void, undefined> {
    for (let number = 0; number < this.length; number += 1) yield this.at(number) ?? NONE;
  }
}

const NONE = new Uint8Array(0);

/**
 * The nodes of a file from the SHA-256 of its blocks (32 bytes each, concatenated): balanced, so that all leaves have the
 * same depth, also where a last node then has a single link. A step hashes one node of 57 KiB at most; a file of up to
 * `maxLinks` blocks takes none.
 * @throws KelanaError INTERNAL where digests and size do not belong together
 */
export function* nodeSteps(
  digests: Uint8Array,
  size: number,
  sha256: Sha256,
  shape: Shape = SHAPE,
): Generator<undefined, FileNodes, undefined> {
  const count = blockCount(size, shape.blockBytes);
  if (digests.length !== count * DIGEST_BYTES || !Number.isSafeInteger(size) || size < 0)
    throw new KelanaError('INTERNAL', { detail: `${digests.length} bytes of digests for a file of ${size}` });
  const tree = new FileTree(size, shape);
  const hashes = [digests];
  for (let level = 1; level < tree.height; level += 1) {
    const below = hashes[level - 1] ?? NONE;
    const width = tree.widths[level] ?? 0;
    const own = new Uint8Array(width * DIGEST_BYTES);
    for (let index = 0; index < width; index += 1) {
      const node = tree.write(level, index, below, tree.links(level, index).first * DIGEST_BYTES);
      own.set(sha256(node), index * DIGEST_BYTES);
      yield undefined;
    }
    hashes.push(own);
  }
  return new FileNodes(tree, hashes);
}

/** The same at once, all of them in memory: 57 MiB of the largest file. @throws as `nodeSteps` */
export function buildManifest(
  digests: Uint8Array,
  size: number,
  sha256: Sha256,
  shape: Shape = SHAPE,
): Manifest {
  const made = nodesOf(digests, size, sha256, shape);
  return { root: rootOf(made, digests, sha256), nodes: [...made] };
}

/** The CID of a file from the SHA-256 of its blocks. @throws as `nodeSteps` */
export function fileCid(digests: Uint8Array, size: number, sha256: Sha256, shape: Shape = SHAPE): string {
  return rootOf(nodesOf(digests, size, sha256, shape), digests, sha256);
}

function nodesOf(digests: Uint8Array, size: number, sha256: Sha256, shape: Shape): FileNodes {
  const steps = nodeSteps(digests, size, sha256, shape);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function rootOf(nodes: FileNodes, digests: Uint8Array, sha256: Sha256): string {
  const root = nodes.at(0);
  return root === undefined ? cidText(RAW, digests) : cidText(DAG_PB, sha256(root));
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
