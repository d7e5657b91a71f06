import { decode, encode } from '@ipld/dag-pb';
import { UnixFS } from 'ipfs-unixfs';
import type { CID } from 'multiformats/cid';
import { TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';
import { cidOf, DAG_PB, DIGEST_BYTES, parseCid, RAW, sha256Of, type ParsedCid, type Sha256 } from './cid.ts';
import { blockCount, blockSize, sameBytes, SHAPE, type Layout, type Shape } from './layout.ts';
import type { Manifest } from './manifest.ts';
import type { VerifyOptions } from './verify.ts';

/**
 * How manifests were built and verified before `FileTree`: with an object for each link, by the libraries of IPFS, and the
 * whole tree built anew in the end. What the tests hold the code against.
 */
/** What a node links to. */
export interface Child {
  readonly cid: CID;
  /** Bytes of the file below it. */
  readonly size: number;
  /** Bytes of all blocks below it and of itself (`Tsize`). */
  readonly total: number;
}

export function referenceBuild(
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

interface Expected {
  readonly digest: Uint8Array;
  /** Bytes of the file below it; null where nothing said so yet (the root). */
  readonly size: number | null;
}

export function referenceVerify(
  root: string,
  nodes: readonly Uint8Array[],
  sha256: Sha256,
  options: VerifyOptions = {},
): Layout {
  const shape = options.shape ?? SHAPE;
  const peer = options.peer ?? '?';
  const refuse = (why: Text): KelanaError => new KelanaError('PEER_PROTOCOL', { peer, why });
  const top = parseCid(root);
  if (top === null) throw refuse({ id: 'CID-nya tidak sah', en: 'its CID is not valid' });
  const claimed = options.size;
  if (
    claimed !== undefined &&
    (!Number.isSafeInteger(claimed) || claimed < 0 || claimed > shape.maxFileBytes)
  )
    throw refuse({ id: 'ukuran berkasnya tidak sah', en: 'the size of the file is not valid' });
  if (top.codec === RAW) return single(top, nodes, claimed, shape, refuse);
  if (nodes.length > mostNodes(shape))
    throw refuse({ id: 'manifesnya terlalu besar', en: 'its manifest is too large' });

  let level: Expected[] = [{ digest: top.digest, size: claimed ?? null }];
  let used = 0;
  for (let depth = deepest(shape); depth > 0; depth -= 1) {
    const below: Expected[] = [];
    let codec: number | undefined;
    for (const expected of level) {
      const node = nodes[used];
      if (node === undefined)
        throw refuse({ id: 'manifesnya tidak lengkap', en: 'its manifest is incomplete' });
      if (node.length > TRANSFER.maxNodeBytes)
        throw refuse({ id: 'simpul manifes terlalu besar', en: 'a manifest node is too large' });
      const hash = sha256(node);
      if (!sameBytes(hash, expected.digest))
        throw new KelanaError('BAD_BLOCK', { peer, index: `manifest ${used}`, name: top.text });
      used += 1;
      const children = open(node, shape, refuse);
      let sum = 0;
      for (const { codec: own, digest, size } of children) {
        codec ??= own;
        if (own !== codec)
          throw refuse({ id: 'pohon manifesnya tidak rata', en: 'its manifest is not balanced' });
        sum += size;
        below.push({ digest, size });
      }
      if (sum > shape.maxFileBytes || (expected.size !== null && sum !== expected.size))
        throw refuse({
          id: 'ukuran di manifesnya tidak cocok',
          en: 'the sizes in its manifest do not add up',
        });
    }
    if (codec === RAW) {
      if (used !== nodes.length)
        throw refuse({ id: 'manifesnya berisi simpul lebih', en: 'its manifest has nodes too many' });
      return settle(top, below, sha256, shape, refuse);
    }
    level = below;
  }
  throw refuse({ id: 'pohon manifesnya terlalu dalam', en: 'its manifest is too deep' });
}

type Refuse = (why: Text) => KelanaError;

function single(
  top: ParsedCid,
  nodes: readonly Uint8Array[],
  size: number | undefined,
  shape: Shape,
  refuse: Refuse,
): Layout {
  if (nodes.length > 0)
    throw refuse({ id: 'manifesnya berisi simpul lebih', en: 'its manifest has nodes too many' });
  if (size === undefined || size > shape.blockBytes)
    throw refuse({ id: 'ukuran berkasnya tidak sah', en: 'the size of the file is not valid' });
  return { root: top.text, size, blockBytes: shape.blockBytes, count: 1, digests: top.digest };
}

interface Link {
  readonly codec: number;
  readonly digest: Uint8Array;
  readonly size: number;
}

function open(node: Uint8Array, shape: Shape, refuse: Refuse): Link[] {
  let links: ReturnType<typeof decode>['Links'];
  let unixfs: UnixFS;
  try {
    const decoded = decode(node);
    links = decoded.Links;
    unixfs = UnixFS.unmarshal(decoded.Data ?? new Uint8Array());
  } catch (thrown) {
    throw new KelanaError(
      'PEER_PROTOCOL',
      refuse({ id: 'manifesnya rusak', en: 'its manifest is malformed' }).params,
      thrown,
    );
  }
  const sizes = unixfs.blockSizes;
  if (
    unixfs.type !== 'file' ||
    unixfs.data !== undefined ||
    links.length === 0 ||
    links.length !== sizes.length
  )
    throw refuse({
      id: 'manifesnya bukan daftar blok berkas',
      en: 'its manifest is not a list of file blocks',
    });
  if (links.length > shape.maxLinks)
    throw refuse({ id: 'simpul manifes punya tautan lebih', en: 'a manifest node has links too many' });
  return links.map((link, index) => {
    const { code: codec, version } = link.Hash;
    const digest = sha256Of(link.Hash);
    const size = sizes[index] ?? 0n;
    if (digest === null || version !== 1 || (codec !== RAW && codec !== DAG_PB))
      throw refuse({ id: 'manifes memuat CID jenis lain', en: 'its manifest holds a CID of another kind' });
    if (size <= 0n || size > BigInt(shape.maxFileBytes))
      throw refuse({ id: 'ukuran di manifesnya tidak cocok', en: 'the sizes in its manifest do not add up' });
    return { codec, digest, size: Number(size) };
  });
}

function settle(
  top: ParsedCid,
  leaves: readonly Expected[],
  sha256: Sha256,
  shape: Shape,
  refuse: Refuse,
): Layout {
  const digests = new Uint8Array(leaves.length * DIGEST_BYTES);
  let size = 0;
  for (const [index, leaf] of leaves.entries()) {
    digests.set(leaf.digest, index * DIGEST_BYTES);
    const bytes = leaf.size ?? 0;
    if (bytes > shape.blockBytes || (bytes !== shape.blockBytes && index !== leaves.length - 1))
      throw refuse({ id: 'ukuran bloknya bukan 1 MiB', en: 'its blocks are not of 1 MiB' });
    size += bytes;
  }
  if (
    leaves.length !== blockCount(size, shape.blockBytes) ||
    referenceBuild(digests, size, sha256, shape).root !== top.text
  )
    throw refuse({ id: 'susunan manifesnya tidak baku', en: 'its manifest is not laid out as it must be' });
  return { root: top.text, size, blockBytes: shape.blockBytes, count: leaves.length, digests };
}

/** Levels of nodes above the leaves of the largest file. */
function deepest(shape: Shape): number {
  let depth = 1;
  for (let reach = shape.maxLinks; reach < blockCount(shape.maxFileBytes, shape.blockBytes); depth += 1)
    reach *= shape.maxLinks;
  return depth;
}

/** Nodes of the largest file. */
export function mostNodes(shape: Shape = SHAPE): number {
  let total = 0;
  let width = blockCount(shape.maxFileBytes, shape.blockBytes);
  while (width > 1) {
    width = Math.ceil(width / shape.maxLinks);
    total += width;
  }
  return total;
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
