import { KelanaError } from '../errors.ts';
import { cidText, DAG_PB, DIGEST_BYTES, RAW, type Sha256 } from './cid.ts';
import { FileTree } from './file-tree.ts';
import { blockCount, SHAPE, type Shape } from './layout.ts';

export interface Manifest {
  /** CIDv1, base32. */
  readonly root: string;
  /** The DAG-PB nodes level by level from the root down, each level left to right; none for a file of one block. */
  readonly nodes: readonly Uint8Array[];
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
