import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from '../../../test/support/basics.ts';
import { TRANSFER } from '../../core/config.ts';
import { fromCidBytes } from '../../core/transfer/cid.ts';
import type { Nodes } from '../../core/transfer/manifest.ts';
import { BlockFrameReader, encodeAsk, FRAME, LAST } from '../../core/wire/blocks.ts';
import { CID, OTHER, refusalOf, source, start, unlimited } from './blocks.testkit.ts';
import type { ByteChannel } from './channel.ts';
import { Upload } from './serve.ts';

/** Nodes that are counted when they are made; each tells its number. */
class Counted implements Nodes {
  readonly length: number;
  made = 0;

  constructor(length: number) {
    this.length = length;
  }

  at(number: number): Uint8Array | undefined {
    if (number >= this.length) return undefined;
    this.made += 1;
    return new Uint8Array(TRANSFER.maxNodeBytes).fill(number & 0xff);
  }

  *[Symbol.iterator](): Generator<Uint8Array, void, undefined> {
    for (let at = 0; at < this.length; at += 1) yield this.at(at) ?? new Uint8Array(0);
  }
}

for (const via of ['lane', 'stream'] as const)
  test(`over a ${via} nodes come one by one, one of them alone, and no more are made than somebody still wants`, async (t) => {
    const [nodes, many] = [new Counted(60), new Counted(600)];
    let given = nodes;
    const asked: string[] = [];
    const holder = await start(
      t,
      source(10, {
        manifest: (cid) => {
          asked.push(cid);
          return Promise.resolve(cid === CID ? given : []);
        },
      }),
    );
    const asker = await start(t, source(10), via === 'lane' ? {} : { lanes: false });
    const session = await asker.blocks.open(holder.provider);
    assert.equal(session.via, via);
    let came = 0;
    await session.nodes(CID, (node) => {
      assert.ok(node.length === TRANSFER.maxNodeBytes && node[9] === came, `node ${came}`);
      came += 1;
    });
    assert.equal(came, 60);
    assert.equal(nodes.made, 60);
    nodes.made = 0;
    assert.equal((await session.node(CID, 50))[9], 50);
    assert.equal((await session.node(CID, 0))[9], 0);
    await assert.rejects(session.node(CID, 60), (thrown) => refusalOf(thrown) === 'absent');
    assert.equal(nodes.made, 2);
    await session.nodes(OTHER, () => assert.fail('a file of one block has no nodes'));
    const enough = new Error('enough');
    came = 0;
    given = many;
    await assert.rejects(
      session.nodes(CID, () => {
        came += 1;
        if (came === 3) throw enough;
      }),
      enough,
    );
    assert.equal(came, 3);
    // What comes next is answered as ever.
    await session.block(CID, 1, new Uint8Array(10));
    assert.ok(many.made < 500, `${many.made} nodes were made for three`);
    await session.close();
  });

function uploadOf(manifest: (cid: string) => Promise<Nodes>) {
  const { promise: reader, resolve } = Promise.withResolvers<BlockFrameReader>();
  const frames: string[] = [];
  const names = new Map<number, string>(Object.entries(FRAME).map(([name, type]) => [type, name]));
  const answers = new BlockFrameReader({
    room: () => null,
    frame: ({ type, request, flags }) =>
      void frames.push(`${request} ${names.get(type)}${(flags & LAST) === 0 ? '' : ' last'}`),
  });
  const ends: ((error: Error | null) => void)[] = [];
  const channel: ByteChannel = {
    via: 'stream',
    open: true,
    start: (one, ended) => {
      ends.push(ended);
      resolve(one);
    },
    write: (bytes) => {
      answers.push(bytes);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    abort: () => undefined,
  };
  const run = new Upload(channel, {
    source: source(10, { manifest }),
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
  const end = async (): Promise<void> => {
    for (const one of ends) one(null);
    await run;
  };
  return { reader, frames, end };
}

test('manifests that were asked for and cancelled cost nothing, and one asker has one made at a time', async () => {
  const nodes = new Counted(3);
  const waiting: (() => void)[] = [];
  let asked = 0;
  const { reader, frames, end } = uploadOf(() => {
    asked += 1;
    return new Promise((resolve) => waiting.push(() => resolve(nodes)));
  });
  const asks = await reader;
  const cid = new Uint8Array(36).fill(1);
  cid.set([1, 0x70, 0x12, 32]);
  assert.ok(fromCidBytes(cid) !== null);
  for (let request = 0; request < TRANSFER.maxAsked; request += 1)
    asks.push(
      encodeAsk(
        request % 2 === 0 ? { type: 'manifest', request, cid } : { type: 'node', request, cid, number: 1 },
      ),
    );
  await until('the first is being made', () => waiting.length > 0);
  assert.deepEqual([asked, waiting.length], [1, 1]);
  asks.push(encodeAsk({ type: 'cancel', request: 0, count: TRANSFER.maxAsked - 1 }));
  for (const one of waiting.splice(0)) one();
  await until('the last is being made', () => waiting.length > 0);
  assert.equal(asked, 2);
  for (const one of waiting.splice(0)) one();
  const last = `${TRANSFER.maxAsked - 1} manifest last`;
  await until('it came', () => frames.includes(last));
  assert.deepEqual(frames, [last]);
  assert.equal(nodes.made, 1);
  await end();
});
