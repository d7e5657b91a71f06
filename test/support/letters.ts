import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { delimit, FrameSplitter } from '../../src/core/wire/lengths.ts';
import {
  decodeMail,
  encodeMail,
  type Letter,
  type MailFrame,
  type Receipt,
} from '../../src/core/wire/messages.ts';
import { MESSAGES_PROTOCOL } from '../../src/overlay/mail.ts';
import { Hostile } from './hostile.ts';
import type { MailNode } from './mail-node.ts';

export const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';
export const idOf = (n: number): string => n.toString(16).padStart(32, '0');
export const note = (n: number, text = `pesan ${n}`): Letter => ({
  type: 'text',
  id: idOf(n),
  sentAt: 1,
  text,
});
export const offer = (n: number, more: object = {}): Letter => ({
  type: 'offer',
  id: idOf(n),
  sentAt: 1,
  name: `f${n}`,
  size: 3,
  cid: CID,
  files: 0,
  ...more,
});

export interface Line {
  readonly stream: Stream;
  readonly receipts: Receipt[];
  say(what: MailFrame | Uint8Array): void;
  readonly over: () => boolean;
}

/** A stream of letters to a node, on which anything may be said. */
export async function dial(from: Hostile, to: MailNode): Promise<Line> {
  const connection = await from.host.dial(multiaddr(`/ip4/127.0.0.1/tcp/${to.node.overlay.port}`));
  const stream = await connection.newStream(MESSAGES_PROTOCOL, { maxOutboundStreams: 16 });
  const receipts: Receipt[] = [];
  const splitter = new FrameSplitter(1 << 20);
  stream.addEventListener('message', (event) => {
    for (const bytes of splitter.push(event.data.subarray())) {
      const frame = decodeMail(bytes);
      assert.equal(frame.type, 'receipt');
      if (frame.type === 'receipt') receipts.push(frame);
    }
  });
  return {
    stream,
    receipts,
    say: (what) => {
      try {
        stream.send(what instanceof Uint8Array ? what : delimit(encodeMail(what)));
      } catch {
        // Cut off, as a liar should be.
      }
    },
    over: () => stream.status !== 'open',
  };
}

export async function hostile(t: TestContext): Promise<Hostile> {
  const one = await Hostile.start();
  t.after(() => one[Symbol.asyncDispose]());
  return one;
}
