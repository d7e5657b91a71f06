import type { Libp2p } from '@libp2p/interface';
import { SWARM, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { BlockSession, BlockSourcePort, Provider } from '../core/ports.ts';
import { mostNodes } from '../core/transfer/verify.ts';
import type { BlockFrame } from '../core/wire/blocks.ts';
import type { BlockChannel } from './channel.ts';
import { MAX_MANIFEST_BYTES, openChannel } from './fetch.ts';

/** What may lie unread: all that can have been asked for. */
const MAX_QUEUED_BYTES = (SWARM.maxAsked + 1) * (TRANSFER.blockBytes + 4096);

/**
 * A block session over one libp2p stream: questions go out at once, answers are read in their order.
 * @throws KelanaError PEER_UNREACHABLE
 */
export async function openStreamSession(
  host: Libp2p,
  provider: Provider,
  signal: AbortSignal,
): Promise<BlockSession> {
  const channel = await openChannel(host, { ...provider, name: provider.label }, MAX_QUEUED_BYTES, signal);
  return new StreamSession(provider, channel);
}

class StreamSession implements BlockSession {
  readonly peer: string;
  readonly label: string;
  readonly via = 'stream';
  readonly #channel: BlockChannel;
  #line: Promise<unknown> = Promise.resolve();

  constructor({ peer, label }: Provider, channel: BlockChannel) {
    this.peer = peer;
    this.label = label;
    this.#channel = channel;
  }

  manifest(cid: string): Promise<readonly Uint8Array[]> {
    return this.#ask({ type: 'want-manifest', cid }, async () => {
      const nodes: Uint8Array[] = [];
      let bytes = 0;
      for (;;) {
        const frame = await this.#next(cid);
        if (frame.type !== 'manifest') throw this.#breach(`${frame.type} in place of a manifest`);
        // Without a byte nothing counts against a limit: such frames could go on for ever.
        if (frame.node.length === 0 && !frame.last) throw this.#breach('an empty piece of a manifest');
        if (frame.node.length > 0) nodes.push(frame.node);
        bytes += frame.node.length;
        if (nodes.length > mostNodes() || bytes > MAX_MANIFEST_BYTES)
          throw this.#breach('a manifest too large');
        if (frame.last) return nodes;
      }
    });
  }

  /** This protocol knows only holders of whole files. */
  have(): Promise<null> {
    return Promise.resolve(null);
  }

  block(cid: string, index: number, into: Uint8Array): Promise<void> {
    return this.#ask({ type: 'want-block', cid, index }, async () => {
      const deadline = performance.now() + TRANSFER.blockTimeoutMs;
      let filled = 0;
      for (;;) {
        const frame = await this.#next(cid);
        if (performance.now() > deadline) throw this.#failed(cid, 'too slow');
        if (frame.type !== 'data' || frame.index !== index)
          throw this.#breach(`${frame.type} in place of block ${index}`);
        if (frame.bytes.length === 0 && !frame.last) throw this.#breach(`an empty piece of block ${index}`);
        if (filled + frame.bytes.length > into.length) throw this.#breach(`block ${index} too long`);
        into.set(frame.bytes, filled);
        filled += frame.bytes.length;
        if (frame.last) break;
      }
      if (filled !== into.length) throw new KelanaError('BAD_BLOCK', { peer: this.label, index, name: cid });
    });
  }

  close(): Promise<void> {
    return this.#channel.close();
  }

  abort(why: string): void {
    this.#channel.abort(why);
  }

  #ask<T>(question: BlockFrame, read: () => Promise<T>): Promise<T> {
    const sent = this.#channel.send(question);
    const answer = this.#line.then(async () => {
      await sent;
      return await read();
    });
    sent.catch(() => undefined);
    this.#line = answer.catch(() => undefined);
    return answer;
  }

  async #next(cid: string): Promise<Exclude<BlockFrame, { type: 'refused' }>> {
    const frame = await this.#channel.next(TRANSFER.idleTimeoutMs);
    if (frame === null) throw this.#failed(cid, 'EOF');
    if (frame.type !== 'refused') return frame;
    if (frame.code === 'changed') throw new KelanaError('SOURCE_CHANGED', { name: cid });
    throw this.#failed(cid, frame.code, frame.code);
  }

  #failed(cid: string, what: string, refusal?: string): KelanaError {
    const why = `${this.label}: ${what}`;
    return new KelanaError('TRANSFER_FAILED', {
      name: cid,
      why,
      ...(refusal === undefined ? {} : { refusal }),
    });
  }

  #breach(why: string): KelanaError {
    return new KelanaError('PEER_PROTOCOL', { peer: this.label, why });
  }
}

/** The same for a file of this node's own library. */
export function localSession(library: BlockSourcePort, { peer, label }: Provider): BlockSession {
  return {
    peer,
    label,
    via: 'stream',
    manifest: (cid) => library.manifest(cid),
    have: () => Promise.resolve(null),
    block: async (cid, index, into) => into.set(await library.readBlock(cid, index)),
    close: () => Promise.resolve(),
    abort: () => undefined,
  };
}
