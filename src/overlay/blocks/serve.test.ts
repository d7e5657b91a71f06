import assert from 'node:assert/strict';
import test from 'node:test';
import { TRANSFER } from '../../core/config.ts';
import { cidOf, RAW } from '../../core/transfer/cid.ts';
import { encodeAsk, type BlockFrameReader } from '../../core/wire/blocks.ts';
import { source, unlimited } from './blocks.testkit.ts';
import type { ByteChannel } from './channel.ts';
import { Upload } from './serve.ts';

test('an asker may have so many requests open, and breaks the protocol with one more', async () => {
  const { promise: reader, resolve } = Promise.withResolvers<BlockFrameReader>();
  let end = (_error: Error | null): void => undefined;
  const channel: ByteChannel = {
    via: 'stream',
    open: true,
    start: (one, ended) => {
      end = ended;
      resolve(one);
    },
    write: () => Promise.resolve(),
    close: () => Promise.resolve(),
    abort: () => undefined,
  };
  const run = new Upload(channel, {
    source: source(10),
    visible: () => undefined,
    partial: () => undefined,
    others: () => [],
    peer: 'p',
    from: '',
    turns: unlimited(),
    sent: () => undefined,
    place: () => true,
    now: () => performance.now(),
  }).run();
  const asks = await reader;
  const cid = cidOf(RAW, new Uint8Array(32).fill(7)).bytes;
  const ask = (request: number, count: number): void =>
    asks.push(encodeAsk({ type: 'blocks', request, cid, first: 0, count }));
  ask(0, TRANSFER.maxAsked - 1);
  ask(TRANSFER.maxAsked, 1);
  assert.throws(() => ask(TRANSFER.maxAsked + 1, 1), /more requests than an asker may have open/);
  end(null);
  await run;
});
