import { setImmediate as turn } from 'node:timers/promises';
import { BITSWAP } from '../core/config.ts';
import type { SharedBlock } from '../core/ports.ts';
import { cidText, DAG_PB, DIGEST_BYTES, RAW } from '../core/transfer/cid.ts';
import { blockSize, sameBytes, SHAPE, type Shape } from '../core/transfer/layout.ts';
import { join, lowestNode } from '../core/transfer/manifest.ts';
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

/** Marks a node in place of a leaf in a slot. */
const NODE = 0x8000_0000;
const SLOTS = 1_024;

/**
 * Finds the blocks of a catalog by their hash. Files of one block, and roots, are in the catalog already; for the rest
 * there is an open-addressing table of 8 bytes a slot, which holds where a block is (file, index) and no hash: that is
 * compared with the file's own list. At most half of the table is used, so a block costs 16 to 32 bytes.
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
  #live = 0;
  /** Some files were left out. */
  #full = false;
  #told = false;
  /** A removal made others findable that are not in the table yet. */
  #stale = false;

  constructor(options: BlocksOptions) {
    this.#options = options;
    this.#shape = options.shape ?? SHAPE;
    for (const entry of options.catalog.entries()) this.added(entry);
  }

  added(entry: Entry): void {
    const count = entry.digests.length / DIGEST_BYTES;
    if (count < 2) return;
    if (this.#live + count > (this.#options.maxBlocks ?? BITSWAP.maxIndexed)) {
      this.#full = true;
      if (!this.#told) this.#options.onFull();
      this.#told = true;
      return;
    }
    this.#live += count;
    this.#numbers.set(entry, this.#files.push(entry) - 1);
    if (!this.#grow(count)) this.#enter(entry);
    if (count > this.#shape.maxLinks) this.#tall.set(entry, this.#climb(entry));
  }

  removed(entry: Entry): void {
    const number = this.#numbers.get(entry);
    if (number === undefined) return;
    this.#files[number] = null;
    this.#numbers.delete(entry);
    this.#tall.delete(entry);
    this.#tallNow.delete(entry);
    this.#live -= entry.digests.length / DIGEST_BYTES;
    if (this.#shadowing.delete(entry) || this.#full) this.#stale = true;
  }

  find(digest: Uint8Array): SharedBlock | null {
    const { catalog } = this.#options;
    const single = catalog.copies(cidText(RAW, digest))[0];
    if (single !== undefined) return this.#leaf(single, 0, digest);
    const whole = catalog.copies(cidText(DAG_PB, digest)).find((entry) => this.#numbers.has(entry));
    if (whole !== undefined) return this.#node(whole, null, digest);
    if (this.#stale) this.#refill();
    for (let slot = this.#first(digest); ; slot = this.#next(slot)) {
      const entry = this.#files[this.#table[slot] ?? 0];
      const index = this.#table[slot + 1] ?? 0;
      if (this.#table[slot] === 0) return null;
      if (entry === undefined || entry === null || !this.#same(entry, index, digest)) continue;
      return index >= NODE ? this.#node(entry, index - NODE, digest) : this.#leaf(entry, index, digest);
    }
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
        const node =
          tall?.root ?? lowestNode(entry.digests, entry.size, number ?? 0, sha256, this.#shape).node;
        return sameBytes(sha256(node), digest) ? node : null;
      },
    };
  }

  /** Nodes of a file of many are made once, with turns for others between: 1 TiB takes seconds. */
  async #climb(entry: Entry): Promise<Tall | null> {
    const count = Math.ceil(entry.digests.length / DIGEST_BYTES / this.#shape.maxLinks);
    const parents = [];
    for (let number = 0; number < count; number += 1) {
      await turn();
      if (!this.#numbers.has(entry)) return null;
      parents.push(lowestNode(entry.digests, entry.size, number, sha256, this.#shape).parent);
    }
    const digests = new Uint8Array(count * DIGEST_BYTES);
    for (const [at, { cid }] of parents.entries()) digests.set(cid.multihash.digest, at * DIGEST_BYTES);
    const tall = { digests, root: join(parents, sha256).node };
    this.#tallNow.set(entry, tall);
    if (!this.#grow(count)) this.#enterNodes(entry, tall);
    return tall;
  }

  #enter(entry: Entry): void {
    const number = this.#numbers.get(entry) ?? 0;
    for (let index = 0; index * DIGEST_BYTES < entry.digests.length; index += 1)
      this.#put(number, index, entry.digests, index);
    const tall = this.#tallNow.get(entry);
    if (tall !== undefined) this.#enterNodes(entry, tall);
  }

  #enterNodes(entry: Entry, { digests }: Tall): void {
    const number = this.#numbers.get(entry) ?? 0;
    for (let at = 0; at * DIGEST_BYTES < digests.length; at += 1) this.#put(number, NODE + at, digests, at);
  }

  #put(number: number, index: number, digests: Uint8Array, at: number): void {
    const digest = digests.subarray(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES);
    let slot = this.#first(digest);
    for (; this.#table[slot] !== 0; slot = this.#next(slot)) {
      const there = this.#files[this.#table[slot] ?? 0];
      if (there === undefined || there === null || !this.#same(there, this.#table[slot + 1] ?? 0, digest))
        continue;
      // Once is enough; a file of zeros would make one long run of slots.
      if (there !== this.#files[number]) this.#shadowing.add(there);
      return;
    }
    this.#table[slot] = number;
    this.#table[slot + 1] = index;
    this.#used += 1;
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

  #same(entry: Entry, index: number, digest: Uint8Array): boolean {
    const digests = index >= NODE ? this.#tallNow.get(entry)?.digests : entry.digests;
    const at = (index >= NODE ? index - NODE : index) * DIGEST_BYTES;
    return digests !== undefined && sameBytes(digests.subarray(at, at + DIGEST_BYTES), digest);
  }

  #first(digest: Uint8Array): number {
    const [a = 0, b = 0, c = 0, d = 0] = digest;
    const hash = (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
    return 2 * (hash & (this.#table.length / 2 - 1));
  }

  #next(slot: number): number {
    return (slot + 2) & (this.#table.length - 1);
  }
}
