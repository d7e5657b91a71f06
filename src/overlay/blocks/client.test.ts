import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { TRANSFER } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import { cidOf, RAW } from '../../core/transfer/cid.ts';
import { encodeFrame, FRAME, LAST, type BlockFrameReader } from '../../core/wire/blocks.ts';
import type { ByteChannel } from './channel.ts';
import { BlockClient } from './client.ts';
import { Upload } from './serve.ts';
import { Turns } from '../turns.ts';

const CID = cidOf(RAW, new Uint8Array(32).fill(7)).toString();

/** A channel whose other side the test plays. */
class Played implements ByteChannel {
  readonly via = 'lane';
  open = true;
  reader: BlockFrameReader | null = null;
  #ended: (error: Error | null) => void = () => undefined;
  readonly #takes: () => Promise<void>;

  constructor(takes: () => Promise<void> = () => Promise.resolve()) {
    this.#takes = takes;
  }

  start(reader: BlockFrameReader, ended: (error: Error | null) => void): void {
    this.reader = reader;
    this.#ended = ended;
  }

  writes = 0;

  write(): Promise<void> {
    this.writes += 1;
    return this.#takes();
  }

  close(): Promise<void> {
    this.open = false;
    return Promise.resolve();
  }

  endOfStream(): void {
    this.#ended(null);
  }

  abort(error: Error): void {
    if (this.open) this.#ended(error);
    this.open = false;
  }
}

const ignore = (): void => undefined;
const gone = new KelanaError('TRANSFER_FAILED', { name: 'x', why: 'given up' });

function newClient(t: TestContext): { client: BlockClient; channel: Played } {
  const client = new BlockClient({
    peer: 'p',
    label: 'p',
    now: () => performance.now(),
    onEnd: () => undefined,
  });
  const channel = new Played();
  client.attach(channel);
  t.after(() => client.abort(gone));
  return { client, channel };
}

test('a request that was given up ends, whatever the holder answers in its place', async (t) => {
  const { client, channel } = newClient(t);
  const [first, second] = [client.block(CID, 0, new Uint8Array(20)), client.block(CID, 1, new Uint8Array(2))];
  await Promise.resolve();
  // A piece of the first, so that its memory is in use; then it is given up, and the second is answered.
  channel.reader?.push(encodeFrame(FRAME.data, 0, first.number, new Uint8Array(10)));
  client.cancel(new Set([first.number]), gone);
  let settled = false;
  first.answer.catch(() => (settled = true));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(settled, false, 'its memory may still be filled');
  channel.reader?.push(encodeFrame(FRAME.data, LAST, second.number, Uint8Array.of(4, 2)));
  await second.answer;
  await assert.rejects(first.answer, { code: 'TRANSFER_FAILED' });
  assert.ok(!client.busy);
});

test('nothing comes into the memory of a request that was given up before its block began', async (t) => {
  const { client, channel } = newClient(t);
  const into = new Uint8Array(4);
  const request = client.block(CID, 0, into);
  await Promise.resolve();
  client.cancel(new Set([request.number]), gone);
  await assert.rejects(request.answer, /given up/);
  channel.reader?.push(encodeFrame(FRAME.data, LAST, request.number, Uint8Array.of(1, 2, 3, 4)));
  assert.deepEqual([...into], [0, 0, 0, 0]);
});

test('once the channel has ended nothing comes into the memory of its requests, whatever it brings', async (t) => {
  const { client, channel } = newClient(t);
  const into = new Uint8Array(8);
  const request = client.block(CID, 0, into);
  await Promise.resolve();
  const { reader } = channel;
  const begun = encodeFrame(FRAME.data, LAST, request.number, new Uint8Array(8).fill(1));
  reader?.push(begun.subarray(0, begun.length - 6));
  channel.endOfStream();
  await assert.rejects(request.answer, /EOF/);
  assert.equal(channel.open, false, 'what was half open is closed');
  const before = into.slice();
  reader?.push(new Uint8Array(6).fill(9));
  // As a socket does that reads straight into memory.
  const target = reader?.target() ?? into;
  assert.notEqual(target.buffer, into.buffer);
  assert.ok(target.length > 0);
  reader?.advance(6);
  assert.deepEqual(into, before);
});

test('after a breach the memory of the block before it is left alone', async (t) => {
  const { client, channel } = newClient(t);
  const into = new Uint8Array(8);
  const request = client.block(CID, 0, into);
  await Promise.resolve();
  channel.reader?.push(encodeFrame(FRAME.data, LAST, request.number, new Uint8Array(8).fill(1)));
  await request.answer;
  const wrong = encodeFrame(FRAME.data, LAST, 77, new Uint8Array(8).fill(9));
  assert.throws(() => channel.reader?.push(wrong.subarray(0, 12)), { code: 'PEER_PROTOCOL' });
  assert.notEqual(channel.reader?.target().buffer, into.buffer);
  channel.reader?.push(wrong.subarray(12));
  assert.deepEqual([...into], Array(8).fill(1));
});

test('an answer other than a block that drips is not waited for, a long manifest that comes is', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const look = TRANSFER.idleTimeoutMs / 4;
  let now = 0;
  const client = new BlockClient({ peer: 'p', label: 'p', now: () => now, onEnd: () => undefined });
  const channel = new Played();
  client.attach(channel);
  const node = (request: number, length: number): Uint8Array =>
    encodeFrame(FRAME.manifest, 0, request, new Uint8Array(length));
  const manifest = client.manifest(CID, false);
  manifest.answer.catch(() => undefined);
  const wait = (): void => {
    now += look;
    t.mock.timers.tick(look);
  };
  const piece = (look / 1000) * TRANSFER.leastAnswerBytesPerSecond;
  for (let at = 0; at < 20; at += 1) {
    channel.reader?.push(node(manifest.number, piece));
    wait();
  }
  assert.ok(client.open, 'it comes at the least rate');
  const long = node(manifest.number, 20 * piece);
  for (let at = 0; at < 20; at += 1) {
    channel.reader?.push(long.subarray(at * piece, (at + 1) * piece));
    wait();
  }
  channel.reader?.push(long.subarray(20 * piece));
  assert.ok(client.open, 'so does one large node');
  for (let at = 0; at < 8 && client.open; at += 1) {
    channel.reader?.push(node(manifest.number, 1));
    wait();
  }
  assert.ok(!client.open, 'a byte at a time is too slow');
});

test('how fast a block comes is not for the channel to say: a slow one ends nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const look = TRANSFER.idleTimeoutMs / 4;
  let now = 0;
  const client = new BlockClient({ peer: 'p', label: 'p', now: () => now, onEnd: () => undefined });
  const channel = new Played();
  client.attach(channel);
  t.after(() => client.abort(gone));
  const into = new Uint8Array(20);
  const { number, answer } = client.block(CID, 0, into);
  await Promise.resolve();
  for (let at = 0; at < into.length; at += 1) {
    const last = at === into.length - 1 ? LAST : 0;
    channel.reader?.push(encodeFrame(FRAME.data, last, number, Uint8Array.of(at)));
    now += look;
    t.mock.timers.tick(look);
  }
  await answer;
  assert.deepEqual([...into], [...into.keys()]);
});

test('questions go together while enough others are on their way, and none is left behind', async (t) => {
  const { client, channel } = newClient(t);
  const asked: { number: number; answer: Promise<unknown> }[] = [];
  const ask = async (): Promise<void> => {
    asked.push(client.block(CID, asked.length, new Uint8Array(1)));
    await Promise.resolve();
  };
  const answer = async (): Promise<void> => {
    const first = asked.shift();
    assert.ok(first !== undefined);
    channel.reader?.push(encodeFrame(FRAME.data, LAST, first.number, Uint8Array.of(1)));
    await first.answer;
  };
  const first = Array.from({ length: 16 }, ask);
  await Promise.all(first);
  assert.equal(channel.writes, 1);
  // Each answer brings the next question, as a download does it.
  for (let at = 0; at < 32; at += 1) {
    await answer();
    await ask();
  }
  assert.ok(channel.writes >= 7 && channel.writes <= 10, `${channel.writes} writes`);
  // Those that were given up get no answer that a question could wait for.
  await ask();
  for (const { answer: none } of asked) none.catch(() => undefined);
  client.cancel(new Set(asked.map(({ number }) => number)), gone);
  const before = channel.writes;
  await ask();
  for (const { answer: none } of asked) none.catch(() => undefined);
  assert.equal(channel.writes, before + 1);
});

test('answers that nobody asked for, of another kind, or too long are breaches', async (t) => {
  for (const frame of [
    encodeFrame(FRAME.data, LAST, 9, new Uint8Array(2)),
    encodeFrame(FRAME.have, 0, 1, new Uint8Array(1)),
    encodeFrame(FRAME.manifest, LAST, 1, new Uint8Array(1)),
    encodeFrame(FRAME.data, LAST, 1, new Uint8Array(3)),
    encodeFrame(FRAME.data, LAST, 1, new Uint8Array(1)),
    encodeFrame(FRAME.data, 0, 1, new Uint8Array(0)),
  ]) {
    const { client, channel } = newClient(t);
    const { answer } = client.block(CID, 0, new Uint8Array(2));
    answer.catch(() => undefined);
    assert.throws(() => channel.reader?.push(frame), { code: 'PEER_PROTOCOL' });
  }
});

test('a file whose size nobody knows yet comes in one piece or several, and is no larger than a block', async (t) => {
  const { client, channel } = newClient(t);
  const say = (flags: number, request: number, length: number): void =>
    channel.reader?.push(encodeFrame(FRAME.data, flags, request, new Uint8Array(length).fill(request)));
  const [one, two, empty] = [client.whole(CID, ignore), client.whole(CID, ignore), client.whole(CID, ignore)];
  say(LAST, one.number, 7);
  assert.deepEqual(await one.answer, new Uint8Array(7).fill(one.number));
  say(0, two.number, 70_000);
  say(LAST, two.number, 3);
  const came = (await two.answer) as Uint8Array;
  assert.deepEqual(came, new Uint8Array(70_003).fill(two.number));
  assert.equal(came.buffer.byteLength, came.length, 'it keeps no more memory than it has bytes');
  say(LAST, empty.number, 0);
  assert.deepEqual(await empty.answer, new Uint8Array(0));
  const long = client.whole(CID, ignore);
  long.answer.catch(() => undefined);
  say(0, long.number, TRANSFER.blockBytes / 2);
  say(0, long.number, TRANSFER.blockBytes / 2);
  assert.throws(() => say(LAST, long.number, 1), { code: 'PEER_PROTOCOL' });
});

test('a manifest of more nodes than there can be is a breach, however small they are', async (t) => {
  const long = newClient(t);
  const none = long.client.manifest(CID, false, 3);
  none.answer.catch(() => undefined);
  const node = encodeFrame(FRAME.manifest, 0, none.number, Uint8Array.of(1));
  long.channel.reader?.push(Buffer.concat([node, node, node]));
  assert.throws(() => long.channel.reader?.push(node), { code: 'PEER_PROTOCOL' });
  const { client, channel } = newClient(t);
  const { answer, number } = client.manifest(CID, false, 3);
  for (const flags of [0, 0, LAST])
    channel.reader?.push(encodeFrame(FRAME.manifest, flags, number, Uint8Array.of(1)));
  assert.equal(((await answer) as unknown[]).length, 3);
});

test('an asker that takes nothing loses its place, and one that cancels what it never asked for too', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  const serve = (channel: Played): Promise<void> =>
    new Upload(channel, {
      source: {
        lookup: () => [],
        list: () => [],
        scanning: () => false,
        onChange: () => () => undefined,
        manifest: () => Promise.resolve([Uint8Array.of(1)]),
        readBlock: () => Promise.reject(new RangeError('none')),
      },
      partial: () => undefined,
      others: () => [],
      visible: () => undefined,
      peer: 'p',
      from: '',
      turns: new Turns({ now: () => now, limit: () => null }),
      sent: () => undefined,
      place: () => true,
      now: () => now,
    }).run();
  const stuck = new Played(() => (stuck.open ? ended.promise : Promise.reject(new Error('ended'))));
  const ended = Promise.withResolvers<void>();
  const abort = stuck.abort.bind(stuck);
  stuck.abort = (error) => {
    abort(error);
    ended.reject(error);
  };
  ended.promise.catch(() => undefined);
  const served = serve(stuck);
  stuck.reader?.push(encodeFrame(FRAME.wantManifest, 0, 1, cidOf(RAW, new Uint8Array(32)).bytes));
  await Promise.resolve();
  now = 121_000;
  t.mock.timers.tick(31_000);
  await served;
  assert.ok(!stuck.open);

  const liar = new Played();
  const over = serve(liar);
  const cancel = encodeFrame(FRAME.cancel, 0, 1, Uint8Array.of(0, 0, 0, 1));
  assert.throws(() => liar.reader?.push(cancel), { code: 'PEER_PROTOCOL' });
  liar.abort(gone);
  await over;
});
