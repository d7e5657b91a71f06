import type { Stream } from '@libp2p/interface';
import { CID } from 'multiformats/cid';
import {
  ALL,
  BlockFrameReader,
  decodeAsk,
  encodeAsk,
  encodeFrame,
  FRAME,
  LAST,
  REFUSALS,
  type RefusalCode,
} from '../../src/core/wire/blocks.ts';
import { sendIfOpen } from './streams.ts';

/** Frames of the blocks protocol as tests speak of them, one block at a time. */
export type BlockFrame =
  | { readonly type: 'want-manifest'; readonly cid: string }
  | { readonly type: 'want-node'; readonly cid: string; readonly index: number }
  | { readonly type: 'want-block'; readonly cid: string; readonly index: number }
  | { readonly type: 'manifest'; readonly node: Uint8Array; readonly last: boolean }
  | { readonly type: 'data'; readonly index: number; readonly bytes: Uint8Array; readonly last: boolean }
  | { readonly type: 'refused'; readonly code: RefusalCode };

/** What the other side asked last on a stream, and the block that was. */
const asked = new WeakMap<Stream, { request: number; index: number }>();
const asks = new WeakMap<Stream, number>();

/** Reads what an asker says, or a holder, whichever the other side is. */
export function onBlockFrames(stream: Stream, take: (frame: BlockFrame) => void): void {
  const reader = new BlockFrameReader({
    room: () => null,
    frame: (head, payload) => {
      const last = (head.flags & LAST) !== 0;
      if (head.type === FRAME.data) take({ type: 'data', index: 0, bytes: payload.slice(), last });
      else if (head.type === FRAME.manifest) take({ type: 'manifest', node: payload.slice(), last });
      else if (head.type === FRAME.refused)
        take({ type: 'refused', code: REFUSALS[payload[0] ?? 0] ?? 'failed' });
      else if (head.type !== FRAME.have) {
        const ask = decodeAsk(head, payload);
        if (ask.type === 'cancel') return;
        if (ask.type === 'have') {
          sendIfOpen(stream, encodeFrame(FRAME.have, ALL, ask.request, new Uint8Array(0)));
          return;
        }
        if (ask.type === 'peers') {
          sendIfOpen(stream, encodeFrame(FRAME.peers, 0, ask.request, new Uint8Array(0)));
          return;
        }
        const cid = CID.decode(ask.cid).toString();
        const count = ask.type === 'blocks' ? ask.count : 1;
        for (let at = 0; at < count; at += 1) {
          const index = ask.type === 'blocks' ? ask.first + at : ask.type === 'node' ? ask.number : 0;
          asked.set(stream, { request: ask.request + at, index });
          if (ask.type === 'manifest') take({ type: 'want-manifest', cid });
          else take({ type: ask.type === 'node' ? 'want-node' : 'want-block', cid, index });
        }
      }
    },
  });
  stream.addEventListener('message', (event) => reader.push(event.data.subarray()));
}

/** Answers the last request on the stream, or makes one. */
export function sayBlock(stream: Stream, frame: BlockFrame): void {
  sendIfOpen(stream, bytesOf(stream, frame));
}

function bytesOf(stream: Stream, frame: BlockFrame): Uint8Array {
  const { request, index } = asked.get(stream) ?? { request: 1, index: 0 };
  switch (frame.type) {
    case 'data':
      return encodeFrame(FRAME.data, frame.last ? LAST : 0, request + frame.index - index, frame.bytes);
    case 'manifest':
      return encodeFrame(FRAME.manifest, frame.last ? LAST : 0, request, frame.node);
    case 'refused':
      return encodeFrame(FRAME.refused, 0, request, Uint8Array.of(REFUSALS.indexOf(frame.code)));
    default: {
      const number = (asks.get(stream) ?? 0) + 1;
      asks.set(stream, number);
      const cid = cidBytes(frame.cid);
      if (frame.type === 'want-manifest') return encodeAsk({ type: 'manifest', request: number, cid });
      if (frame.type === 'want-node')
        return encodeAsk({ type: 'node', request: number, number: frame.index, cid });
      return encodeAsk({ type: 'blocks', request: number, first: frame.index, count: 1, cid });
    }
  }
}

function cidBytes(text: string): Uint8Array {
  try {
    return CID.parse(text).bytes;
  } catch {
    return new TextEncoder().encode(text);
  }
}
