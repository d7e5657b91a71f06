import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { BlockReader } from '../core/messages/ports.ts';
import type { BlockSourcePort } from '../core/ports.ts';
import type { RefusalCode } from '../core/wire/blocks.ts';
import { BlockChannel } from './channel.ts';

export const BLOCKS_PROTOCOL = '/kelana/blocks/1.0.0';

/** ms a receiver may sit between requests: it may be writing to a slow disk. */
const PATIENCE_MS = 120_000;
/** Bytes of requests that may lie unread: 64 B each. */
const MAX_REQUEST_BYTES = 64 * 1024;

export interface UploadsOptions {
  readonly host: Libp2p;
  readonly source: BlockSourcePort;
  readonly emit: Emit;
  readonly who: string;
  labelOf(peer: string, address: string): string;
  /** A file that is open to this peer alone, as it is being sent to it; undefined where there is none. */
  visible?(peer: string, cid: string): BlockReader | undefined;
}

/** Serves blocks to whoever asks, one stream per receiver and file, in the order of the requests. */
export async function serveBlocks(options: UploadsOptions): Promise<() => Promise<void>> {
  const perPeer = new Map<string, number>();
  const running = new Set<BlockChannel>();

  const handler = (stream: Stream, connection: Connection): void => {
    const peer = connection.remotePeer.toString();
    const channel = new BlockChannel(stream, peer, 'upload', MAX_REQUEST_BYTES);
    const label = options.labelOf(peer, connection.remoteAddr.toString());
    const count = perPeer.get(peer) ?? 0;
    if (count >= TRANSFER.maxUploadsPerPeer || running.size >= TRANSFER.maxUploads) {
      channel
        .send({ type: 'refused', code: 'busy' })
        .then(() => channel.close())
        .catch(() => undefined);
      return;
    }
    perPeer.set(peer, count + 1);
    running.add(channel);
    serveOne(options, channel, peer, label)
      .catch((thrown: unknown) => channel.abort(thrown instanceof Error ? thrown.message : 'failed'))
      .finally(() => {
        running.delete(channel);
        const left = (perPeer.get(peer) ?? 1) - 1;
        if (left === 0) perPeer.delete(peer);
        else perPeer.set(peer, left);
      });
  };
  await options.host.handle(BLOCKS_PROTOCOL, handler, { maxInboundStreams: 64, maxOutboundStreams: 64 });
  return async () => {
    await options.host.unhandle(BLOCKS_PROTOCOL);
    for (const channel of running) channel.abort('stopped');
  };
}

async function serveOne(
  options: UploadsOptions,
  channel: BlockChannel,
  peer: string,
  label: string,
): Promise<void> {
  const sent = new Map<string, number>();
  try {
    for (;;) {
      const frame = await channel.next(PATIENCE_MS);
      if (frame === null) break;
      if (frame.type !== 'want-manifest' && frame.type !== 'want-block') {
        throw new KelanaError('PEER_PROTOCOL', { peer: label, why: `unexpected ${frame.type}` });
      }
      const refusal = await answer(readerOf(options, peer, frame.cid), channel, frame, sent);
      if (refusal !== null) await channel.send({ type: 'refused', code: refusal });
    }
  } finally {
    for (const [cid, bytes] of sent) {
      const name = readerOf(options, peer, cid)?.name ?? cid;
      options.emit({ type: 'file.sent', who: options.who, to: label, name, bytes });
    }
  }
  await channel.close();
}

/** What is shared with everybody, or open to this peer. */
function readerOf(options: UploadsOptions, peer: string, cid: string): BlockReader | undefined {
  const { source } = options;
  const name = source.lookup({ kind: 'cid', cid })[0]?.name;
  if (name === undefined) return options.visible?.(peer, cid);
  return {
    name,
    manifest: (asked) => source.manifest(asked),
    readBlock: (asked, index) => source.readBlock(asked, index),
  };
}

/** Sends what was asked for, or tells why not. Errors of the connection pass through. */
async function answer(
  source: BlockReader | undefined,
  channel: BlockChannel,
  want: { type: 'want-manifest'; cid: string } | { type: 'want-block'; cid: string; index: number },
  sent: Map<string, number>,
): Promise<RefusalCode | null> {
  if (source === undefined) return 'not-here';
  if (want.type === 'want-manifest') {
    const nodes = await source.manifest(want.cid).catch((thrown: unknown) => refusalOf(thrown));
    if (typeof nodes === 'string') return nodes;
    const last = nodes.length - 1;
    if (nodes.length === 0) await channel.send({ type: 'manifest', node: new Uint8Array(0), last: true });
    for (const [at, node] of nodes.entries())
      await channel.send({ type: 'manifest', node, last: at === last });
    return null;
  }
  const block = await source.readBlock(want.cid, want.index).catch((thrown: unknown) => refusalOf(thrown));
  if (typeof block === 'string') return block;
  for (let from = 0; from === 0 || from < block.length; from += TRANSFER.frameBytes) {
    const bytes = block.subarray(from, from + TRANSFER.frameBytes);
    await channel.send({
      type: 'data',
      index: want.index,
      bytes,
      last: from + TRANSFER.frameBytes >= block.length,
    });
  }
  sent.set(want.cid, (sent.get(want.cid) ?? 0) + block.length);
  return null;
}

function refusalOf(thrown: unknown): RefusalCode {
  return thrown instanceof KelanaError && thrown.code === 'SOURCE_CHANGED' ? 'changed' : 'failed';
}
