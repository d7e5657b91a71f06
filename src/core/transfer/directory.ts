import { encode, prepare, type PBLink } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import type { CID } from 'multiformats/cid';
import { FOLDER } from '../config.ts';
import { cidOf, DAG_PB, type Sha256 } from './cid.ts';
import { HASH_CODE, label, nameHash, slotOf, bitsOf } from './shard.ts';
import { linkBytes } from './tsize.ts';

/** A file or folder directly in a folder. */
export interface FolderEntry {
  /** One segment of a path. */
  readonly name: string;
  readonly cid: CID;
  /** Bytes of all blocks below it (`Tsize`): `totalOf` of a file's size, `total` of a folder. */
  readonly total: number;
}

export interface BuiltFolder {
  readonly cid: CID;
  /** Its own DAG-PB nodes, the root first, then its shards level by level; those of folders in it are theirs. */
  readonly nodes: readonly Uint8Array[];
  readonly total: number;
}

/**
 * The UnixFS directory of these entries as the IPFS profile "unixfs-v1-2025" (IPIP-499) lays it out: one node with its
 * links in the order of their names' bytes, or a HAMT of 256 where that node would be more than 256 KiB.
 * Names must differ.
 */
export function buildFolder(entries: readonly FolderEntry[], sha256: Sha256): BuiltFolder {
  const steps = folderSteps(entries, sha256);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same in steps of some milliseconds at most, for a caller that has other things to do between them. */
export function* folderSteps(
  entries: readonly FolderEntry[],
  sha256: Sha256,
): Generator<undefined, BuiltFolder, undefined> {
  let bytes = EMPTY_BYTES;
  for (const { name, total } of entries) {
    bytes += linkBytes(utf8Bytes(name), total);
    if (bytes > FOLDER.shardBytes) return yield* shardSteps(entries, sha256);
  }
  const links = entries.map(({ name, cid, total }) => ({ Name: name, Hash: cid, Tsize: total }));
  const { cid, node, total } = join(new UnixFS({ type: 'directory' }), links, sha256);
  return { cid, nodes: [node], total };
}

/** Bytes of a directory node without links: a UnixFS message that says only its type. */
const EMPTY_BYTES = 4;

interface Hashed {
  readonly entry: FolderEntry;
  readonly hash: Uint8Array;
}

/** Names hashed between two steps. */
const HASH_STEP = 256;

function* shardSteps(
  entries: readonly FolderEntry[],
  sha256: Sha256,
): Generator<undefined, BuiltFolder, undefined> {
  const hashed: Hashed[] = [];
  for (const entry of entries) {
    hashed.push({ entry, hash: nameHash(entry.name) });
    if (hashed.length % HASH_STEP === 0) yield undefined;
  }
  const levels: Uint8Array[][] = [];
  const top = yield* shard(hashed, 0, levels, sha256);
  return { cid: top.Hash, nodes: levels.flat(), total: top.Tsize ?? 0 };
}

/** Builds one node of the trie and all below it; gives the link to it, without a name. */
function* shard(
  entries: readonly Hashed[],
  depth: number,
  levels: Uint8Array[][],
  sha256: Sha256,
): Generator<undefined, PBLink, undefined> {
  const slots: Hashed[][] = Array.from({ length: FOLDER.fanout }, () => []);
  for (const one of entries) slots[slotOf(one.hash, one.entry.name, depth)]?.push(one);
  const links: PBLink[] = [];
  const used: number[] = [];
  for (const [slot, there] of slots.entries()) {
    const [first] = there;
    if (first === undefined) continue;
    used.push(slot);
    if (there.length === 1) {
      const { name, cid, total } = first.entry;
      links.push({ Name: label(slot) + name, Hash: cid, Tsize: total });
    } else links.push({ ...(yield* shard(there, depth + 1, levels, sha256)), Name: label(slot) });
  }
  const unixfs = new UnixFS({
    type: 'hamt-sharded-directory',
    data: bitsOf(used),
    fanout: BigInt(FOLDER.fanout),
    hashType: HASH_CODE,
  });
  const { cid, node, total } = join(unixfs, links, sha256);
  (levels[depth] ??= []).push(node);
  yield undefined;
  return { Name: '', Hash: cid, Tsize: total };
}

function join(
  unixfs: UnixFS,
  links: PBLink[],
  sha256: Sha256,
): { cid: CID; node: Uint8Array; total: number } {
  const node = encode(prepare({ Data: unixfs.marshal(), Links: links }));
  const total = links.reduce((sum, { Tsize }) => sum + (Tsize ?? 0), node.length);
  return { cid: cidOf(DAG_PB, sha256(node)), node, total };
}

const encoder = new TextEncoder();
const ASCII = /^[ -~]*$/;

export function utf8Bytes(text: string): number {
  return ASCII.test(text) ? text.length : encoder.encode(text).length;
}
