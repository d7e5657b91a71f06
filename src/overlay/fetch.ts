import { hash } from 'node:crypto';
import type { Libp2p } from '@libp2p/interface';
import { OVERLAY, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { ByteRange, Bytes, Hit } from '../core/ports.ts';
import { parseCid } from '../core/transfer/cid.ts';
import { leafOf, sameBytes, SHAPE, type Layout } from '../core/transfer/layout.ts';
import { mostNodes, verifyManifest } from '../core/transfer/verify.ts';
import { BlockChannel } from './channel.ts';
import { openConnection, targetsOf } from './contacts.ts';
import { BLOCKS_PROTOCOL } from './uploads.ts';

/** Bytes of a manifest: the largest file has 1,025 nodes of about 50 KiB. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
const MAX_QUEUED_BYTES = (TRANSFER.window + 1) * (TRANSFER.blockBytes + 4096);

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

/**
 * Verified bytes of a file from one holder, in order, a block at a time; of a range only what lies in it.
 * A block is checked against the CID before it is yielded.
 * @throws KelanaError PEER_UNREACHABLE, TRANSFER_FAILED, SOURCE_CHANGED, BAD_BLOCK, PEER_PROTOCOL
 */
export async function* fetchBytes(host: Libp2p, hit: Hit, range?: ByteRange, signal?: AbortSignal): Bytes {
  const channel = await openChannel(host, hit, signal);
  let whole = false;
  try {
    const layout = await fetchLayout(channel, hit, signal);
    const start = range?.start ?? 0;
    const end = Math.min(range?.end ?? layout.size - 1, layout.size - 1);
    const last = Math.max(0, Math.floor(end / layout.blockBytes));
    const first = Math.min(last, Math.floor(start / layout.blockBytes));
    let asked = first;
    for (let index = first; index <= last; index += 1) {
      while (asked <= last && asked < index + TRANSFER.window) {
        await channel.send({ type: 'want-block', cid: hit.cid, index: asked });
        asked += 1;
      }
      const block = await receiveBlock(channel, hit, layout, index, signal);
      const offset = index * layout.blockBytes;
      const slice = block.subarray(Math.max(0, start - offset), end - offset + 1);
      if (slice.length > 0) yield slice;
    }
    whole = true;
  } finally {
    if (whole) await channel.close();
    else channel.abort('given up');
  }
}

/** What came of asking a holder to show a file: bytes that hash to its CID, others or none, or no answer at all. */
export type Proof = 'holds' | 'lies' | 'unreachable';

/**
 * Has a holder show that it has a file, before anybody is told so: the manifest of a large one, which hashes to the
 * CID, or the whole of one that is a single block (1 MiB at most); of a folder the root of its listing. Never rejects.
 */
export async function proveHolding(host: Libp2p, hit: Hit, signal: AbortSignal): Promise<Proof> {
  try {
    const channel = await openChannel(host, hit, signal);
    let shown = false;
    try {
      if (hit.kind === 'folder') {
        await showFolder(channel, hit, signal);
        return 'holds';
      }
      const layout = await fetchLayout(channel, hit, signal);
      if (layout.count === 1) {
        await channel.send({ type: 'want-block', cid: hit.cid, index: 0 });
        await receiveBlock(channel, hit, layout, 0, signal);
      }
      shown = true;
    } finally {
      if (shown) await channel.close();
      else channel.abort('not shown');
    }
    return 'holds';
  } catch (thrown) {
    // A holder that is busy, slow or breaks off may well have the file.
    if (!(thrown instanceof KelanaError)) return 'unreachable';
    return LIES.has(thrown.code) || thrown.params['refusal'] === 'not-here' ? 'lies' : 'unreachable';
  }
}

/** The root node of a folder is proof enough that somebody has its listing; the rest of it may be megabytes. */
async function showFolder(channel: BlockChannel, hit: Hit, signal: AbortSignal): Promise<void> {
  await channel.send({ type: 'want-manifest', cid: hit.cid });
  const frame = await receive(channel, hit, signal);
  const digest = parseCid(hit.cid)?.digest;
  if (frame.type !== 'manifest') throw breach(hit, `${frame.type} in place of a listing`);
  if (digest === undefined || !sameBytes(sha256(frame.node), digest))
    throw new KelanaError('BAD_BLOCK', { peer: hit.label, index: 'manifest 0', name: hit.name });
}

/** Bytes of another hash, and breaches of the protocol. */
const LIES: ReadonlySet<string> = new Set(['BAD_BLOCK', 'PEER_PROTOCOL']);

async function openChannel(host: Libp2p, hit: Hit, signal?: AbortSignal): Promise<BlockChannel> {
  const limit = AbortSignal.any([
    AbortSignal.timeout(OVERLAY.dialTimeoutMs),
    ...(signal === undefined ? [] : [signal]),
  ]);
  try {
    const connection = openConnection(host, hit.peer) ?? (await host.dial(targetsOf(hit), { signal: limit }));
    const stream = await connection.newStream(BLOCKS_PROTOCOL, { signal: limit });
    return new BlockChannel(stream, hit.label, hit.name, MAX_QUEUED_BYTES);
  } catch (thrown) {
    signal?.throwIfAborted();
    throw new KelanaError(
      'PEER_UNREACHABLE',
      { peer: hit.label, why: thrown instanceof Error ? thrown.message : String(thrown) },
      thrown,
    );
  }
}

async function fetchLayout(channel: BlockChannel, hit: Hit, signal?: AbortSignal): Promise<Layout> {
  await channel.send({ type: 'want-manifest', cid: hit.cid });
  const nodes: Uint8Array[] = [];
  const most = mostNodes({ ...SHAPE, maxFileBytes: hit.size });
  let bytes = 0;
  for (;;) {
    const frame = await receive(channel, hit, signal);
    if (frame.type !== 'manifest') throw breach(hit, `${frame.type} in place of a manifest`);
    // Without a byte nothing counts against a limit: such frames could go on for ever.
    if (frame.node.length === 0 && !frame.last) throw breach(hit, 'an empty piece of a manifest');
    if (nodes.length >= most && frame.node.length > 0) throw breach(hit, 'a manifest of too many nodes');
    if (frame.node.length > 0) nodes.push(frame.node);
    bytes += frame.node.length;
    if (bytes > MAX_MANIFEST_BYTES) throw breach(hit, 'a manifest too large');
    if (frame.last) break;
  }
  const layout = verifyManifest(hit.cid, nodes, sha256, { size: hit.size, peer: hit.label });
  if (layout.size !== hit.size) throw breach(hit, `a file of ${layout.size} bytes announced as ${hit.size}`);
  return layout;
}

async function receiveBlock(
  channel: BlockChannel,
  hit: Hit,
  layout: Layout,
  index: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const leaf = leafOf(layout, index);
  const block = new Uint8Array(leaf.size);
  const deadline = performance.now() + TRANSFER.blockTimeoutMs;
  let filled = 0;
  for (;;) {
    const frame = await receive(channel, hit, signal);
    if (performance.now() > deadline)
      throw new KelanaError('TRANSFER_FAILED', { name: hit.name, why: `${hit.label}: too slow` });
    if (frame.type !== 'data' || frame.index !== index)
      throw breach(hit, `${frame.type} in place of block ${index}`);
    if (frame.bytes.length === 0 && !frame.last) throw breach(hit, `an empty piece of block ${index}`);
    if (filled + frame.bytes.length > block.length) throw breach(hit, `block ${index} too long`);
    block.set(frame.bytes, filled);
    filled += frame.bytes.length;
    if (frame.last) break;
  }
  if (filled !== block.length || !sameBytes(sha256(block), leaf.digest)) {
    throw new KelanaError('BAD_BLOCK', { peer: hit.label, index, name: hit.name });
  }
  return block;
}

async function receive(channel: BlockChannel, hit: Hit, signal?: AbortSignal) {
  const frame = await channel.next(TRANSFER.idleTimeoutMs, signal);
  if (frame === null) throw new KelanaError('TRANSFER_FAILED', { name: hit.name, why: `${hit.label}: EOF` });
  if (frame.type !== 'refused') return frame;
  if (frame.code === 'changed') throw new KelanaError('SOURCE_CHANGED', { name: hit.name });
  const why = `${hit.label}: ${frame.code}`;
  throw new KelanaError('TRANSFER_FAILED', { name: hit.name, why, refusal: frame.code });
}

function breach(hit: Hit, why: string): KelanaError {
  return new KelanaError('PEER_PROTOCOL', { peer: hit.label, why });
}
