import { DIGEST_BYTES, RAW, type Sha256 } from './cid.ts';
import type { FileTree } from './file-tree.ts';
import { blockSize } from './layout.ts';
import { NodeCheck, type VerifyOptions } from './verify.ts';

/**
 * The way from the CID of a file down to one of its blocks, each node checked against the hash that its parent gave for it,
 * and against the size that the file is announced with: two nodes of 57 KiB are all that is looked at, however large it is.
 * That the other nodes are as they must be nobody has shown then: who makes up a file of many may get by with each that is
 * not asked for. So the block is to be chosen by chance, after the root came.
 */
export class BlockPath {
  readonly #check: NodeCheck;
  readonly #size: number;
  #tree: FileTree | null = null;
  /** Hashes of what the last node that was taken links to. */
  #hashes: Uint8Array;
  /** Of that node; 0: none was. */
  #level = 0;
  #block = 0;

  /** @throws KelanaError PEER_PROTOCOL */
  constructor(root: string, sha256: Sha256, options: VerifyOptions & { readonly size: number }) {
    this.#check = new NodeCheck(root, sha256, options);
    this.#hashes = this.#check.top.digest;
    this.#size = this.#check.top.codec === RAW ? this.#check.single() : options.size;
  }

  /** Nodes of the whole manifest; 0 before the root came, and where there is none. */
  get nodes(): number {
    return this.#tree?.count ?? 0;
  }

  /** Takes the root; gives the number of blocks. @throws KelanaError PEER_PROTOCOL, BAD_BLOCK */
  root(node: Uint8Array): number {
    const { tree, hashes } = this.#check.root(node);
    this.#tree = tree;
    this.#hashes = hashes;
    this.#level = tree.height;
    return tree.widths[0] ?? 0;
  }

  /** Sets out for a block, once, after the root. */
  toward(block: number): void {
    this.#block = block;
  }

  /** The number of the node to take next; null: the hash of the block is known. */
  next(): number | null {
    const tree = this.#tree;
    if (tree === null || this.#level <= 1) return null;
    return tree.numberOf(this.#level - 1, tree.above(this.#level - 1, this.#block));
  }

  /** @throws KelanaError PEER_PROTOCOL, BAD_BLOCK */
  take(node: Uint8Array): void {
    const tree = this.#tree;
    if (tree === null || this.#level <= 1) return;
    const level = this.#level - 1;
    const index = tree.above(level, this.#block);
    const hashes = new Uint8Array(tree.links(level, index).count * DIGEST_BYTES);
    this.#check.node(tree, { level, index }, node, this.#digest(index), hashes, 0);
    this.#hashes = hashes;
    this.#level = level;
  }

  /** The block, where `next` is null. */
  leaf(): { readonly digest: Uint8Array; readonly size: number } {
    const size = blockSize(this.#size, this.#check.shape.blockBytes, this.#block);
    return { digest: this.#tree === null ? this.#hashes : this.#digest(this.#block), size };
  }

  /** Of a part of the level below the last node that was taken. */
  #digest(index: number): Uint8Array {
    const at = (index % this.#check.shape.maxLinks) * DIGEST_BYTES;
    return this.#hashes.subarray(at, at + DIGEST_BYTES);
  }
}
