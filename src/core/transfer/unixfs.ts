import { decode } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import type { CID } from 'multiformats/cid';
import { BITSWAP, TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';
import { cidOf, DAG_PB, RAW, sha256Of, type Codec } from './cid.ts';

/** What bounds a walk; tests use small ones. Units as in `BITSWAP`. */
export interface WalkLimits {
  readonly maxFileBytes: number;
  readonly maxBlockBytes: number;
  readonly maxDepth: number;
  readonly maxLinks: number;
  readonly maxAhead: number;
  readonly windowBytes: number;
  readonly windowBlocks: number;
}

const LIMITS: WalkLimits = { ...BITSWAP, maxFileBytes: TRANSFER.maxFileBytes };

/** A part of the file, in the order of its bytes. */
interface Part {
  /** Of its block; null: bytes of a node itself, which are there. */
  readonly codec: Codec | null;
  /** Hash of its block, in hex. Not the CID, which is a view of the node that held it, and would keep all of that. */
  readonly key: string;
  /** Bytes of the file below it, as its parent said; null: the root, of which nobody said. */
  readonly size: number | null;
  readonly depth: number;
  asked: boolean;
  /** Its block. */
  block: Uint8Array | null;
  next: Part | null;
}

/** The hash of a block as text, by which wants and blocks find each other. */
export function blockKey(digest: Uint8Array): string {
  let key = '';
  for (const byte of digest) key += HEX[byte];
  return key;
}

function digestOf(key: string): Uint8Array {
  return Uint8Array.from({ length: key.length / 2 }, (_, at) =>
    Number.parseInt(key.slice(2 * at, 2 * at + 2), 16),
  );
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/**
 * Reads a UnixFS file of any layout from its root CID: leaves of any size, raw or DAG-PB, trees balanced or not. Says
 * which blocks are wanted next, takes them in any order, and gives the file's bytes in order. `verify.ts` is the
 * stricter reader of kelana's own layout.
 *
 * **A block's key is the SHA-256 of its bytes, computed by whoever calls `take`**: so each byte is one that the root
 * CID stands for. Sizes must add up at each node, so that a file is never longer than its root says; with the limits
 * that bounds the memory, whatever a node holds.
 */
export class UnixfsWalk {
  readonly #limits: WalkLimits;
  readonly #peer: string;
  readonly #name: string;
  #head: Part | null;
  /** Parts in the list. */
  #ahead = 1;
  /** Parts that were asked for or are here, and not passed on yet. */
  #held = 0;
  #size: number | null = null;
  /** The last block that was passed on: files of equal blocks (zeros) ask for it once. */
  #last: { readonly key: string; readonly block: Uint8Array } | null = null;

  /** `peer` names the sender in errors. @throws KelanaError NOT_A_FILE for a hash other than SHA-256 */
  constructor(root: CID, peer: string, limits: WalkLimits = LIMITS) {
    this.#limits = limits;
    this.#peer = peer;
    this.#name = root.toString();
    this.#head = this.#part(root, null, 0);
  }

  /** Bytes of the file; null until the root's block was taken. */
  get size(): number | null {
    return this.#size;
  }

  get done(): boolean {
    return this.#head === null;
  }

  /**
   * Blocks to ask for now, each once: those that come next in the file, as far as the window reaches. None may be
   * wanted although nothing is on its way: then a block was filled in from an equal one, and `ready` goes on.
   */
  wants(): readonly CID[] {
    const { windowBlocks, windowBytes, maxBlockBytes } = this.#limits;
    const found: CID[] = [];
    const keys = new Map<string, Uint8Array | null>();
    let bytes = 0;
    for (let part = this.#head; part !== null; part = part.next) {
      const { codec } = part;
      if (codec !== null && !part.asked) {
        // What comes next must always be asked for, or nothing would ever be passed on.
        if (part !== this.#head && (this.#held >= windowBlocks || bytes >= windowBytes)) break;
        const there = this.#last?.key === part.key ? this.#last.block : keys.get(part.key);
        if (there === undefined) found.push(cidOf(codec, digestOf(part.key)));
        part.asked = true;
        part.block = there ?? null;
        this.#held += 1;
      }
      if (codec !== null) keys.set(part.key, part.block);
      bytes += Math.min(part.size ?? maxBlockBytes, maxBlockBytes);
    }
    return found;
  }

  /** The blocks that were asked for and did not come will not: `wants` gives them again. */
  again(): void {
    for (let part = this.#head; part !== null; part = part.next) {
      if (part.block !== null || !part.asked) continue;
      part.asked = false;
      this.#held -= 1;
    }
  }

  /**
   * Takes a block that was asked for; one that was not is left alone.
   * @throws KelanaError PEER_PROTOCOL (no valid file), NOT_A_FILE
   */
  take(key: string, block: Uint8Array): void {
    if (block.length > this.#limits.maxBlockBytes) throw this.#refuse(TOO_LARGE);
    let held = 0;
    let before: Part | null = null;
    let found: { readonly part: Part; readonly before: Part | null } | null = null;
    for (let part = this.#head; part !== null && held < this.#held; part = part.next) {
      if (part.asked) held += 1;
      if (part.asked && part.block === null && part.key === key) {
        if (part.codec === RAW && part.size !== null && part.size !== block.length) throw this.#refuse(SIZES);
        part.block = block;
        found ??= { part, before };
      }
      before = part;
    }
    // Opened before the file comes to it, so that its children are on their way by then.
    if (found !== null && (found.part.size === null || this.#ahead < this.#limits.maxAhead))
      this.#open(found.part, found.before);
  }

  /** The bytes that are next in the file, as far as they are there. @throws as `take` */
  *ready(): Generator<Uint8Array> {
    for (;;) {
      const part = this.#head;
      const block = part?.block;
      if (part === null || block === null || block === undefined) return;
      if (part.codec !== null) this.#last = { key: part.key, block };
      if (part.codec === DAG_PB) {
        this.#open(part, null);
        continue;
      }
      if (part.size !== null && part.size !== block.length) throw this.#refuse(SIZES);
      this.#size ??= block.length;
      this.#head = part.next;
      this.#ahead -= 1;
      this.#held -= 1;
      if (block.length > 0) yield block;
    }
  }

  /** Puts in place of a node what it stands for: its own bytes, then its children. A raw block stays as it is. */
  #open(part: Part, before: Part | null): void {
    const { block, codec, next } = part;
    if (block === null) return;
    if (codec !== DAG_PB) {
      this.#size ??= block.length;
      return;
    }
    const { links, unixfs } = this.#read(block, part.size === null);
    const sizes = unixfs.blockSizes.map(Number);
    const own = unixfs.data ?? new Uint8Array(0);
    const size = sizes.reduce((sum, one) => sum + one, own.length);
    this.#check(part, links, sizes, size);
    this.#size ??= size;
    const parts = links.map((link, at) => this.#part(link, sizes[at] ?? 0, part.depth + 1));
    if (own.length > 0) {
      // Beside children it is small, and would keep the whole node.
      const bytes = links.length > 0 ? own.slice() : own;
      const common = { codec: null, key: '', depth: part.depth, asked: true, next: null };
      parts.unshift({ ...common, size: bytes.length, block: bytes });
    }
    let last = next;
    for (const one of parts.toReversed()) {
      one.next = last;
      last = one;
      if (one.asked) this.#held += 1;
    }
    this.#ahead += parts.length - 1;
    this.#held -= 1;
    if (before === null) this.#head = last;
    else before.next = last;
  }

  #check(part: Part, links: readonly CID[], sizes: readonly number[], size: number): void {
    const { maxFileBytes, maxLinks, maxDepth, maxAhead } = this.#limits;
    if (size > maxFileBytes) throw this.#refuse(TOO_LARGE);
    if (links.length !== sizes.length || (part.size !== null && part.size !== size))
      throw this.#refuse(SIZES);
    // An empty child adds work and no bytes; some importers wrap an empty file in one.
    if (sizes.some((one) => one === 0) && (size > 0 || links.length > 1)) throw this.#refuse(SIZES);
    if (links.length > maxLinks || this.#ahead + links.length > 4 * maxAhead) throw this.#refuse(WIDE);
    if (links.length > 0 && part.depth === maxDepth) throw this.#refuse(DEEP);
  }

  #read(block: Uint8Array, root: boolean): { links: readonly CID[]; unixfs: UnixFS } {
    let links: readonly CID[];
    let unixfs: UnixFS;
    try {
      const node = decode(block);
      links = node.Links.map((link) => link.Hash);
      unixfs = UnixFS.unmarshal(node.Data ?? new Uint8Array(0));
    } catch (thrown) {
      throw this.#refuse(BROKEN, thrown);
    }
    if (unixfs.type === 'file' || unixfs.type === 'raw') return { links, unixfs };
    throw root ? this.#notFile(unixfs.isDirectory() ? FOLDER : OTHER) : this.#refuse(BROKEN);
  }

  #part(cid: CID, size: number | null, depth: number): Part {
    const common = { size, depth, next: null };
    // The CID of a tiny block may hold its bytes in place of their hash.
    if (cid.multihash.code === IDENTITY && cid.code === RAW && size !== null)
      return { ...common, codec: null, key: '', asked: true, block: cid.multihash.digest.slice() };
    const digest = sha256Of(cid);
    if (digest === null || (cid.code !== RAW && cid.code !== DAG_PB)) throw this.#notFile(OTHER);
    return { ...common, codec: cid.code, key: blockKey(digest), asked: false, block: null };
  }

  #refuse(why: Text, cause?: unknown): KelanaError {
    return new KelanaError('PEER_PROTOCOL', { peer: this.#peer, why }, cause);
  }

  #notFile(why: Text): KelanaError {
    return new KelanaError('NOT_A_FILE', { peer: this.#peer, cid: this.#name, why });
  }
}

const IDENTITY = 0x00;
const TOO_LARGE: Text = { id: 'berkas atau bloknya terlalu besar', en: 'its file or block is too large' };
const SIZES: Text = {
  id: 'ukuran di berkas IPFS-nya tidak cocok',
  en: 'the sizes in its IPFS file do not add up',
};
const WIDE: Text = { id: 'simpulnya punya tautan lebih', en: 'a node of it has links too many' };
const DEEP: Text = { id: 'pohonnya terlalu dalam', en: 'its tree is too deep' };
const BROKEN: Text = { id: 'simpul berkas IPFS-nya rusak', en: 'a node of its IPFS file is malformed' };
const FOLDER: Text = { id: 'ia sebuah folder', en: 'it is a folder' };
const OTHER: Text = {
  id: 'kodeknya atau hash-nya tidak dikenal kelana',
  en: 'kelana does not know its codec or its hash',
};
