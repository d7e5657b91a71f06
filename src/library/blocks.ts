import { setImmediate as turn } from 'node:timers/promises';
import { BITSWAP } from '../core/config.ts';
import type { SharedBlock } from '../core/ports.ts';
import { DIGEST_BYTES, parseCid, RAW } from '../core/transfer/cid.ts';
import { FileTree } from '../core/transfer/file-tree.ts';
import { blockSize, sameBytes, SHAPE, type Shape } from '../core/transfer/layout.ts';
import { nodeSteps } from '../core/transfer/manifest.ts';
import { holdingOf, type Catalog, type Entry } from './catalog.ts';
import { sha256 } from './hash.ts';

/** A file of more blocks than one node links to: its lowest nodes' hashes, and its root. */
interface Tall {
  readonly digests: Uint8Array;
  readonly root: Uint8Array;
}

export interface BlocksOptions {
  readonly catalog: Catalog;
  readBlock(cid: string, index: number): Promise<Uint8Array>;
  /** Called once, when files are left out because there are too many blocks. */
  onFull(): void;
  readonly maxBlocks?: number;
  readonly shape?: Shape;
}

/** What a slot points to: a block of the file, a lowest node of a tall one, or the root node. */
const LEAF = 0;
const NODE = 1;
const ROOT = 2;
/** A slot's second word: 2 bits what, 9 bits of the hash, and 21 bits which one; files have 2^20 blocks at most. */
const INDEX = 0x1f_ffff;
const SLOTS = 1_024;

/**
 * Finds the blocks of a catalog by their hash: an open-addressing table of 8 bytes a slot, which holds where a block is
 * and no hash; that is compared with the file's own list. At most half of the table is used, so a block costs 16 to 32
 * bytes.
 */
export class BlockIndex {
  readonly #options: BlocksOptions;
  readonly #shape: Shape;
  /** Files by number, from 1; null: gone. */
  #files: (Entry | null)[] = [null];
  readonly #numbers = new Map<Entry, number>();
  readonly #tall = new Map<Entry, Promise<Tall | null>>();
  readonly #tallNow = new Map<Entry, Tall>();
  /** Files in whose place others were not entered, as they hold the same block. */
  readonly #shadowing = new Set<Entry>();
  #table = new Uint32Array(2 * SLOTS);
  #used = 0;
  /** Blocks of the files that are here. */
  #live = 0;
  /** Some files were left out. */
  #full = false;
  #told = false;
  /** A removal made others findable that are not in the table yet. */
  #stale = false;

  constructor(options: BlocksOptions) {
    this.#options = options;
    this.#shape = options.shape ?? SHAPE;
    for (const entry of options.catalog.entries()) this.#add(entry);
    this.#anew();
  }

  added(entry: Entry): void {
    if (!this.#add(entry) || this.#grow(blocksIn(entry))) return;
    this.#enter(entry);
  }

  removed(entry: Entry): void {
    const number = this.#numbers.get(entry);
    if (number === undefined) return;
    this.#files[number] = null;
    this.#numbers.delete(entry);
    this.#tall.delete(entry);
    this.#tallNow.delete(entry);
    this.#live -= blocksIn(entry);
    if (this.#shadowing.delete(entry) || this.#full) this.#stale = true;
    const copy = this.#options.catalog.copies(entry.cid).find((other) => this.#numbers.has(other));
    if (copy !== undefined && !this.#grow(blocksIn(copy))) this.#enter(copy);
  }

  find(digest: Uint8Array): SharedBlock | null {
    if (this.#stale) this.#refill();
    const slot = this.#slotOf(digest);
    const entry = this.#files[this.#table[slot] ?? 0] ?? null;
    if (entry === null) return null;
    const place = this.#table[slot + 1] ?? 0;
    const [kind, index] = [place >>> 30, place & INDEX];
    return kind === LEAF
      ? this.#leaf(entry, index, digest)
      : this.#node(entry, kind === ROOT ? null : index, digest);
  }

  #leaf(entry: Entry, index: number, digest: Uint8Array): SharedBlock {
    return {
      file: holdingOf(entry),
      size: blockSize(entry.size, this.#shape.blockBytes, index),
      read: async () => {
        const block = await this.#options.readBlock(entry.cid, index).catch(() => null);
        return block !== null && sameBytes(sha256(block), digest) ? block : null;
      },
    };
  }

  /** `number` of a node of the lowest level; null: the root. */
  #node(entry: Entry, number: number | null, digest: Uint8Array): SharedBlock {
    return {
      file: holdingOf(entry),
      size: null,
      read: async () => {
        const tall = number === null ? await this.#tall.get(entry) : undefined;
        const node = tall?.root ?? this.#lowest(entry, number ?? 0);
        return sameBytes(sha256(node), digest) ? node : null;
      },
    };
  }

  /** A node over blocks of the file. */
  #lowest(entry: Entry, number: number): Uint8Array {
    const tree = new FileTree(entry.size, this.#shape);
    return tree.write(1, number, entry.digests, tree.links(1, number).first * DIGEST_BYTES);
  }

  /** Nodes of a file of many are hashed once, with turns for others between: 1 TiB takes 0.3 s. */
  async #climb(entry: Entry): Promise<Tall | null> {
    const steps = nodeSteps(entry.digests, entry.size, sha256, this.#shape);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      await turn();
      if (!this.#numbers.has(entry)) return null;
    }
    const nodes = step.value;
    const tall = { digests: nodes.inner[0] ?? NOTHING, root: nodes.at(0) ?? NOTHING };
    this.#tallNow.set(entry, tall);
    if (!this.#grow(tall.digests.length / DIGEST_BYTES)) this.#enterNodes(entry, tall);
    return tall;
  }

  /** False where it is left out. */
  #add(entry: Entry): boolean {
    if (this.#live + blocksIn(entry) > (this.#options.maxBlocks ?? BITSWAP.maxIndexed)) {
      this.#full = true;
      if (!this.#told) this.#options.onFull();
      this.#told = true;
      return false;
    }
    this.#live += blocksIn(entry);
    this.#numbers.set(entry, this.#files.push(entry) - 1);
    if (entry.digests.length / DIGEST_BYTES > this.#shape.maxLinks) this.#tall.set(entry, this.#climb(entry));
    return true;
  }

  #enter(entry: Entry): void {
    const digests = digestsOf(entry);
    const number = this.#numbers.get(entry) ?? 0;
    for (let index = 0; index * DIGEST_BYTES < digests.length; index += 1)
      this.#put(number, LEAF, index, at(digests, index));
    const root = parseCid(entry.cid);
    if (root !== null && root.codec !== RAW) this.#put(number, ROOT, 0, root.digest);
    const tall = this.#tallNow.get(entry);
    if (tall !== undefined) this.#enterNodes(entry, tall);
  }

  #enterNodes(entry: Entry, { digests }: Tall): void {
    const number = this.#numbers.get(entry) ?? 0;
    for (let index = 0; index * DIGEST_BYTES < digests.length; index += 1)
      this.#put(number, NODE, index, at(digests, index));
  }

  #put(number: number, kind: number, index: number, digest: Uint8Array): void {
    const slot = this.#slotOf(digest);
    const there = this.#files[this.#table[slot] ?? 0] ?? null;
    if (there !== null) {
      // Once is enough; a file of zeros would make one long run of slots. Of a whole copy `removed` takes care.
      if (there.cid !== this.#files[number]?.cid) this.#shadowing.add(there);
      return;
    }
    this.#table[slot] = number;
    this.#table[slot + 1] = ((kind << 30) | fingerprint(digest) | index) >>> 0;
    this.#used += 1;
  }

  /** The slot that holds this hash, or else the free one where it would be put. */
  #slotOf(digest: Uint8Array): number {
    const [a = 0, b = 0, c = 0, d = 0] = digest;
    const mask = this.#table.length / 2 - 1;
    const print = fingerprint(digest);
    for (let slot = 2 * (((a | (b << 8) | (c << 16) | (d << 24)) >>> 0) & mask); ;) {
      const number = this.#table[slot] ?? 0;
      if (number === 0) return slot;
      const entry = this.#files[number] ?? null;
      const place = this.#table[slot + 1] ?? 0;
      if (entry !== null && (place & PRINT) === print && this.#same(entry, place, digest)) return slot;
      slot = (slot + 2) & (this.#table.length - 1);
    }
  }

  /** Makes room for so many more; true where all was entered anew for that. */
  #grow(count: number): boolean {
    if (2 * (this.#used + count) <= this.#table.length / 2) return false;
    this.#anew();
    return true;
  }

  #anew(): void {
    let nodes = 0;
    for (const { digests } of this.#tallNow.values()) nodes += digests.length / DIGEST_BYTES;
    let slots = SLOTS;
    while (slots < 2 * (this.#live + nodes + SLOTS / 4)) slots *= 2;
    this.#table = new Uint32Array(2 * slots);
    this.#used = 0;
    this.#files = [null];
    this.#shadowing.clear();
    for (const entry of this.#numbers.keys()) this.#numbers.set(entry, this.#files.push(entry) - 1);
    for (const entry of this.#numbers.keys()) this.#enter(entry);
  }

  #refill(): void {
    this.#stale = false;
    this.#anew();
    if (!this.#full) return;
    this.#full = false;
    for (const entry of this.#options.catalog.entries()) if (!this.#numbers.has(entry)) this.added(entry);
  }

  #same(entry: Entry, place: number, digest: Uint8Array): boolean {
    const [kind, index] = [place >>> 30, place & INDEX];
    if (kind === ROOT) return sameBytes(parseCid(entry.cid)?.digest ?? NOTHING, digest);
    const digests = kind === NODE ? this.#tallNow.get(entry)?.digests : digestsOf(entry);
    return digests !== undefined && sameBytes(at(digests, index), digest);
  }
}

const NOTHING = new Uint8Array(0);
const PRINT = 0x3fe0_0000;

function fingerprint(digest: Uint8Array): number {
  return (((digest[4] ?? 0) | ((digest[5] ?? 0) << 8)) & 0x1ff) << 21;
}

function at(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
}

/** Blocks of a file, its root with them where that is another. */
function blocksIn({ digests }: Entry): number {
  const count = digests.length / DIGEST_BYTES;
  return count <= 1 ? 1 : count + 1;
}

/** A catalog keeps none for a file of one block, whose CID has it. */
function digestsOf({ digests, cid }: Entry): Uint8Array {
  return digests.length > 0 ? digests : (parseCid(cid)?.digest ?? NOTHING);
}
