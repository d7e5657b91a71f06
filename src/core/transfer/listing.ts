import { UnixFS } from 'ipfs-unixfs';
import { FOLDER, LIBRARY, TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';
import { checkPath, checkSegment, shownName } from '../names.ts';
import { cidText, DAG_PB, parseCid, RAW, type ParsedCid, type Sha256 } from './cid.ts';
import { utf8Bytes } from './directory.ts';
import { bitsOf, nameHash, slotOf } from './shard.ts';
import { sameBytes } from './layout.ts';
import { readNode, type LinkNode, type NodeLink } from './links.ts';
import { sizeFrom } from './tsize.ts';

export interface ListedFile {
  /** Below the folder, with `/`; checked as every name is that becomes a file. */
  readonly path: string;
  /** CIDv1, base32. */
  readonly cid: string;
  /**
   * Bytes, from the link's `Tsize`. Only a claim: nothing proves it before the file's own manifest and blocks were
   * verified. Where no file of this layout has that `Tsize` (another tool cut it), it is the `Tsize` itself.
   */
  readonly size: number;
  /** SHA-256 of the file where it is one raw block; null: it has a manifest of its own. */
  readonly digest: Uint8Array | null;
}

export interface Listing {
  readonly files: readonly ListedFile[];
  /** Paths of all folders below the folder, empty ones too. */
  readonly folders: readonly string[];
}

export interface ListingOptions {
  /** Who sent the nodes, for the error. */
  readonly peer?: string;
  readonly maxEntries?: number;
}

/**
 * Reads a folder from its DAG-PB nodes as a peer sent them (`manifest` of its CID): only nodes count whose hash a link
 * above them names, from the root CID down, and all of them must be needed. Links whose node was not sent are files.
 * All is bounded before it is decoded, and every name is checked.
 * @throws KelanaError PEER_PROTOCOL, BAD_BLOCK (the root), BAD_NAME
 */
export function verifyListing(
  root: string,
  nodes: readonly Uint8Array[],
  sha256: Sha256,
  options: ListingOptions = {},
): Listing {
  const steps = listingSteps(root, nodes, sha256, options);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same in steps of some milliseconds at most, for a caller that has other things to do between them. */
export function* listingSteps(
  root: string,
  nodes: readonly Uint8Array[],
  sha256: Sha256,
  options: ListingOptions = {},
): Generator<undefined, Listing, undefined> {
  const reader = new Reader(options);
  const top = parseCid(root);
  if (top === null || top.codec !== DAG_PB)
    throw reader.refuse({ id: 'CID-nya bukan CID folder', en: 'its CID is not one of a folder' });
  const first = nodes[0];
  if (first === undefined)
    throw reader.refuse({ id: 'daftar foldernya kosong', en: 'its listing of the folder is empty' });
  if (!sameBytes(sha256(first), top.digest))
    throw new KelanaError('BAD_BLOCK', { peer: options.peer ?? '?', index: 'manifest 0', name: top.text });
  yield* reader.take(nodes, sha256);
  return yield* reader.read(top);
}

interface Waiting {
  readonly cid: ParsedCid;
  /** Path of the folder, '' for the root. */
  readonly path: string;
  /** Of its path and a slash after it. */
  readonly bytes: number;
  /** Levels of shards above it within the same folder, and the slots that led here. */
  readonly slots: readonly number[];
  readonly sharded: boolean;
}

interface Node {
  readonly links: readonly NodeLink[];
  readonly unixfs: UnixFS;
}

class Reader {
  readonly #peer: string;
  readonly #max: number;
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #used = new Set<string>();
  /** Nodes that were opened twice: a few of them may stand in very many places. */
  readonly #again = new Map<string, Node>();
  readonly #files: ListedFile[] = [];
  readonly #folders: string[] = [];
  readonly #paths = new Set<string>();

  constructor({ peer = '?', maxEntries = FOLDER.maxEntries }: ListingOptions) {
    this.#peer = peer;
    this.#max = maxEntries;
  }

  refuse(why: Text): KelanaError {
    return new KelanaError('PEER_PROTOCOL', { peer: this.#peer, why });
  }

  *take(nodes: readonly Uint8Array[], sha256: Sha256): Generator<undefined, void, undefined> {
    // A node holds an entry, but for empty folders and the root.
    if (nodes.length > this.#max + 1) throw this.#tooLarge();
    let bytes = 0;
    for (const node of nodes) {
      bytes += node.length;
      if (node.length > FOLDER.maxNodeBytes || bytes > FOLDER.maxBytes) throw this.#tooLarge();
      this.#nodes.set(cidText(DAG_PB, sha256(node)), node);
      if (this.#nodes.size % STEP === 0) yield undefined;
    }
  }

  *read(top: ParsedCid): Generator<undefined, Listing, undefined> {
    // Level by level: a stack of calls would be as deep as a stranger likes.
    const queue: Waiting[] = [{ cid: top, path: '', bytes: 0, slots: [], sharded: false }];
    let work = 0;
    for (const one of queue) {
      const node = this.#nodes.get(one.cid.text);
      if (node === undefined)
        throw this.refuse({ id: 'daftar foldernya tidak lengkap', en: 'its listing is incomplete' });
      // One node may stand in many places, and is opened in each.
      work += node.length;
      if (work > FOLDER.maxBytes) throw this.#tooLarge();
      for (const next of this.#open(one, node)) queue.push(next);
      this.#used.add(one.cid.text);
      yield undefined;
      if (queue.length > 2 * this.#max) throw this.#tooLarge();
    }
    if (this.#used.size !== this.#nodes.size)
      throw this.refuse({ id: 'daftar foldernya berisi simpul lebih', en: 'its listing has nodes too many' });
    return { files: this.#files, folders: this.#folders };
  }

  #open(at: Waiting, node: Uint8Array): readonly Waiting[] {
    const { links, unixfs } = this.#decode(at.cid.text, node);
    if (unixfs.type === 'directory' && !at.sharded && unixfs.data === undefined)
      return links.flatMap((link) => this.#entry(at, link.name, link) ?? []);
    if (unixfs.type !== 'hamt-sharded-directory')
      throw this.refuse({ id: 'simpulnya bukan folder', en: 'a node of it is not a folder' });
    if (unixfs.fanout !== BigInt(FOLDER.fanout))
      throw this.refuse({ id: 'pecahan foldernya jenis lain', en: 'its folder is sharded in another way' });
    const slots = links.map(({ name }) => slotIn(name));
    const rising = slots.every((slot, index) => slot > (slots[index - 1] ?? -1));
    if (!rising || !sameBytes(bitsOf(slots), unixfs.data ?? NONE))
      throw this.refuse({ id: 'pecahan foldernya rusak', en: 'a shard of its folder is malformed' });
    return links.flatMap((link, index) => {
      const path = [...at.slots, slots[index] ?? 0];
      const name = link.name.slice(2);
      if (name !== '') {
        const hash = nameHash(name);
        if (path.some((slot, depth) => slotOf(hash, name, depth) !== slot))
          throw this.refuse({ id: 'nama di pecahan yang salah', en: 'a name is in the wrong shard' });
        return this.#entry(at, name, link) ?? [];
      }
      if (path.length >= FOLDER.maxShardDepth) throw this.#tooLarge();
      return { cid: link.cid, path: at.path, bytes: at.bytes, slots: path, sharded: true };
    });
  }

  #entry(at: Waiting, name: string, { cid, total }: NodeLink): Waiting | null {
    const path = at.path === '' ? name : `${at.path}/${name}`;
    const bytes = at.bytes + utf8Bytes(name) + 1;
    // What is above it was checked before; only a path that is too long needs another look.
    const why = checkSegment(name) ?? (bytes > LIBRARY.maxPathBytes + 1 ? checkPath(path) : null);
    if (why !== null) throw new KelanaError('BAD_NAME', { name: `'${shownName(path)}'`, why });
    if (this.#paths.size >= this.#max) throw this.#tooLarge();
    if (this.#paths.has(path))
      throw this.refuse({ id: 'satu nama muncul dua kali', en: 'a name stands in it twice' });
    this.#paths.add(path);
    if (cid.codec === DAG_PB && this.#nodes.has(cid.text)) {
      this.#folders.push(path);
      return { cid, path, bytes, slots: [], sharded: false };
    }
    if (!Number.isSafeInteger(total) || total < 0 || total > 2 * TRANSFER.maxFileBytes)
      throw this.refuse({ id: 'ukuran berkasnya tidak sah', en: 'the size of a file is not valid' });
    const size = cid.codec === RAW ? total : (sizeFrom(total) ?? total);
    this.#files.push({ path, cid: cid.text, size, digest: cid.codec === RAW ? cid.digest : null });
    return null;
  }

  #decode(cid: string, node: Uint8Array): Node {
    const known = this.#again.get(cid);
    if (known !== undefined) return known;
    let read: LinkNode | null;
    let unixfs: UnixFS;
    try {
      read = readNode(node);
      unixfs = UnixFS.unmarshal(read?.data ?? NONE);
    } catch (thrown) {
      const { params } = this.refuse({ id: 'daftar foldernya rusak', en: 'its listing is malformed' });
      throw new KelanaError('PEER_PROTOCOL', params, thrown);
    }
    if (read === null)
      throw this.refuse({ id: 'daftarnya memuat CID jenis lain', en: 'it holds a CID of another kind' });
    const decoded: Node = { links: read.links, unixfs };
    if (this.#used.has(cid)) this.#again.set(cid, decoded);
    return decoded;
  }

  #tooLarge(): KelanaError {
    return this.refuse({ id: 'daftar foldernya terlalu besar', en: 'its listing is too large' });
  }
}

const NONE = new Uint8Array(0);
/** Nodes hashed between two steps. */
const STEP = 64;

/** The slot that a shard's link names, or -1. */
function slotIn(name: string): number {
  return /^[0-9A-F]{2}/.test(name) ? Number.parseInt(name.slice(0, 2), 16) : -1;
}
