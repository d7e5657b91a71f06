import { TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';
import { DIGEST_BYTES, parseCid, RAW, type ParsedCid, type Sha256 } from './cid.ts';
import { claimedSize, FileTree } from './file-tree.ts';
import { sameBytes, SHAPE, type Layout, type Shape } from './layout.ts';

export interface VerifyOptions {
  /** Bytes, as the hit said. Needed for a file of one block, whose CID does not tell; checked for all others. */
  readonly size?: number;
  /** Who sent the manifest, for the error. */
  readonly peer?: string;
  readonly shape?: Shape;
}

/** The checks that a whole manifest and a path through it have in common. */
export class NodeCheck {
  readonly top: ParsedCid;
  readonly shape: Shape;
  readonly #peer: string;
  readonly #sha256: Sha256;
  readonly #claimed: number | undefined;

  /** @throws KelanaError PEER_PROTOCOL */
  constructor(root: string, sha256: Sha256, { size, peer = '?', shape = SHAPE }: VerifyOptions) {
    this.shape = shape;
    this.#peer = peer;
    this.#sha256 = sha256;
    this.#claimed = size;
    const top = parseCid(root);
    if (top === null) throw this.refuse({ id: 'CID-nya tidak sah', en: 'its CID is not valid' });
    if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0 && size <= shape.maxFileBytes))
      throw this.refuse(NO_SIZE);
    this.top = top;
  }

  /** Of a file whose root is its only block. @throws KelanaError PEER_PROTOCOL where the size is none of such a file */
  single(): number {
    const size = this.#claimed;
    if (size === undefined || size > this.shape.blockBytes) throw this.refuse(NO_SIZE);
    return size;
  }

  /** The tree of the size that the root says, with the hashes of what it links to. @throws KelanaError PEER_PROTOCOL, BAD_BLOCK */
  root(node: Uint8Array): { readonly tree: FileTree; readonly hashes: Uint8Array } {
    this.#hash(node, 0, this.top.digest);
    const size = claimedSize(node);
    if (size === null)
      throw this.refuse({
        id: 'manifesnya bukan daftar blok berkas',
        en: 'its manifest is not a list of file blocks',
      });
    if (size > this.shape.maxFileBytes) throw this.refuse(SIZES);
    if (this.#claimed !== undefined && size !== this.#claimed)
      throw this.refuse(otherSize(size, this.#claimed));
    const tree = new FileTree(size, this.shape);
    if (tree.height === 0) throw this.refuse(ODD);
    const hashes = new Uint8Array(tree.links(tree.height, 0).count * DIGEST_BYTES);
    if (!tree.read(tree.height, 0, node, hashes, 0)) throw this.refuse(ODD);
    return { tree, hashes };
  }

  /** A node below the root; its hashes go to byte `at` of `into`. @throws KelanaError PEER_PROTOCOL, BAD_BLOCK */
  node(
    tree: FileTree,
    place: { readonly level: number; readonly index: number },
    node: Uint8Array,
    digest: Uint8Array,
    into: Uint8Array,
    at: number,
  ): void {
    this.#hash(node, tree.numberOf(place.level, place.index), digest);
    if (!tree.read(place.level, place.index, node, into, at)) throw this.refuse(ODD);
  }

  refuse(why: Text): KelanaError {
    return new KelanaError('PEER_PROTOCOL', { peer: this.#peer, why });
  }

  #hash(node: Uint8Array, number: number, digest: Uint8Array): void {
    if (node.length > TRANSFER.maxNodeBytes)
      throw this.refuse({ id: 'simpul manifes terlalu besar', en: 'a manifest node is too large' });
    if (!sameBytes(this.#sha256(node), digest))
      throw new KelanaError('BAD_BLOCK', {
        peer: this.#peer,
        index: `manifest ${number}`,
        name: this.top.text,
      });
  }
}

/**
 * Checks a manifest from the root CID down as its nodes come, each against the hash that its parent gave for it, and yields
 * the blocks. Each must be byte for byte what `buildManifest` lays out for the size that the root says: other sizes, odd
 * encodings and added fields are refused at once. A node costs some 0.3 ms. Nothing of it is kept but its hashes: 32 bytes a
 * block, once the root has shown that there are so many, and 32 a node; 32 MiB of the largest file.
 *
 * The size of a file of one block is taken from `options.size`; `verifyBlock` then checks it with the block itself.
 */
export class ManifestReader {
  readonly #check: NodeCheck;
  #tree: FileTree | null = null;
  /** Hashes of the level above that which comes, and of that below it. */
  #above: Uint8Array = new Uint8Array(0);
  #below: Uint8Array = new Uint8Array(0);
  #taken = 0;

  /** @throws KelanaError PEER_PROTOCOL */
  constructor(root: string, sha256: Sha256, options: VerifyOptions = {}) {
    this.#check = new NodeCheck(root, sha256, options);
  }

  /** The next node, which may be overwritten afterwards. @throws KelanaError PEER_PROTOCOL, BAD_BLOCK */
  take(node: Uint8Array): void {
    const check = this.#check;
    const number = this.#taken;
    if (check.top.codec === RAW || (this.#tree !== null && number >= this.#tree.count))
      throw check.refuse({ id: 'manifesnya berisi simpul lebih', en: 'its manifest has nodes too many' });
    if (this.#tree === null) {
      const { tree, hashes } = check.root(node);
      this.#tree = tree;
      this.#below = hashes;
    } else {
      const place = this.#tree.place(number);
      const { first } = this.#tree.links(place.level, place.index);
      if (place.index === 0) {
        this.#above = this.#below;
        this.#below = new Uint8Array((this.#tree.widths[place.level - 1] ?? 0) * DIGEST_BYTES);
      }
      const at = place.index * DIGEST_BYTES;
      const digest = this.#above.subarray(at, at + DIGEST_BYTES);
      check.node(this.#tree, place, node, digest, this.#below, first * DIGEST_BYTES);
    }
    this.#taken += 1;
  }

  /** All were taken. @throws KelanaError PEER_PROTOCOL where some are missing */
  end(): Layout {
    const { top, shape } = this.#check;
    const { blockBytes } = shape;
    if (top.codec === RAW)
      return { root: top.text, size: this.#check.single(), blockBytes, count: 1, digests: top.digest };
    const tree = this.#tree;
    if (tree === null || this.#taken < tree.count)
      throw this.#check.refuse({ id: 'manifesnya tidak lengkap', en: 'its manifest is incomplete' });
    const { size, widths } = tree;
    return { root: top.text, size, blockBytes, count: widths[0] ?? 0, digests: this.#below };
  }
}

/** The same of nodes that are there. @throws KelanaError PEER_PROTOCOL, BAD_BLOCK */
export function verifyManifest(
  root: string,
  nodes: Iterable<Uint8Array>,
  sha256: Sha256,
  options: VerifyOptions = {},
): Layout {
  const reader = new ManifestReader(root, sha256, options);
  for (const node of nodes) reader.take(node);
  return reader.end();
}

const NO_SIZE: Text = { id: 'ukuran berkasnya tidak sah', en: 'the size of the file is not valid' };
const SIZES: Text = {
  id: 'ukuran di manifesnya tidak cocok',
  en: 'the sizes in its manifest do not add up',
};
const ODD: Text = { id: 'susunan manifesnya tidak baku', en: 'its manifest is not laid out as it must be' };

function otherSize(size: number, claimed: number): Text {
  return {
    id: `berkas ${size} byte diumumkan sebagai ${claimed}`,
    en: `a file of ${size} bytes announced as ${claimed}`,
  };
}

/** True where `bytes` are the block that `digest` and `size` name. The receiver's duty before it keeps any byte. */
export function verifyBlock(
  block: { readonly digest: Uint8Array; readonly size: number },
  bytes: Uint8Array,
  sha256: Sha256,
): boolean {
  return bytes.length === block.size && sameBytes(sha256(bytes), block.digest);
}
