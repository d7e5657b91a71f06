import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { encodeSegment } from '../src/core/search/segment.ts';
import { MAX_SEQ } from '../src/core/wire/sync.ts';
import type { LinkFrame } from '../src/core/wire/frames.ts';
import { until } from './support/basics.ts';
import { besiege, honest, stillRight } from './support/besieged.ts';
import {
  headers,
  newOwner,
  newOwners,
  piecesFor,
  printsOf,
  recordOf,
  sync,
  type Owner,
} from './support/forged.ts';
import { Hostile, type OpenLink } from './support/hostile.ts';

const net = await honest();
after(() => net.close());

/** Frames beyond what a frame may hold. */
const OVERSIZED: readonly (readonly [string, (owner: Owner) => LinkFrame])[] = [
  [
    'a segment of 200 KiB',
    (owner) =>
      sync({
        type: 'segments',
        segments: [{ id: owner.id, hash: owner.id, bytes: new Uint8Array(200 * 1024) }],
      }),
  ],
  [
    'a record of 1,000 segments',
    (owner) =>
      headers(
        recordOf(owner, [], {
          segments: Array.from({ length: 1_000 }, (_, at) => at.toString(16).padStart(16, '0')),
        }),
      ),
  ],
  ['a record number beyond six bytes', (owner) => headers(recordOf(owner, [], { seq: MAX_SEQ + 1 }))],
  [
    'a partial record with segments',
    (owner) => headers(recordOf(owner, printsOf('a.txt'), { partial: true })),
  ],
  [
    'a record with 100 addresses',
    (owner) =>
      headers(recordOf(owner, [], { addresses: Array.from({ length: 100 }, () => '/ip4/127.0.0.1/tcp/1') })),
  ],
];

test('a frame of prints that breaks a bound ends the link it came over', async (t) => {
  const owner = await newOwner();
  for (const [what, frame] of OVERSIZED) {
    await t.test(what, async () => {
      await using hostile = await Hostile.start();
      const link = await hostile.dial(net.node(0).address);
      link.say(frame(owner));
      await until('the link is closed', () => link.closed());
    });
  }
  await stillRight(net);
});

test('a record of more bytes than one library may have is given up before it is whole', async () => {
  const owner = await newOwner();
  // Each segment may be read; its owner signed them all, and together they are above 2 MiB.
  const big = Array.from({ length: 20 }, (_, at) => bigSegment(at));
  const record = recordOf(owner, big);
  await besiege(
    net,
    async ({ link }) => {
      link.say(headers(record));
      await until('too much was sent', () =>
        link.heard.some((frame) => frame.type === 'sync' && frame.frame.type === 'wants'),
      );
      const { overlay } = net.node(0);
      await until('it is given up', () => wanted(link) >= 17);
      link.say({ type: 'ping', nonce: 1 });
      await until('read', () => link.heard.some((frame) => frame.type === 'pong'));
      assert.deepEqual([overlay.prints().members, overlay.prints().bytes < 1024 * 1024], [3, true]);
    },
    (frame, say) => {
      const pieces = piecesFor(frame, [record]);
      if (pieces?.type !== 'sync' || pieces.frame.type !== 'segments') return;
      for (const piece of pieces.frame.segments) say(sync({ type: 'segments', segments: [piece] }));
    },
  );
});

/** Segments that were asked of the liar. */
function wanted({ heard }: OpenLink): number {
  const hashes = heard.flatMap((frame) =>
    frame.type === 'sync' && frame.frame.type === 'wants'
      ? frame.frame.wants.flatMap((want) => want.segments)
      : [],
  );
  return new Set(hashes).size;
}

/** Some 110 KiB that decode: one file of 65,536 words. */
function bigSegment(seed: number): Uint8Array {
  const words = Array.from({ length: 65_536 }, (_, at) => seed + 4_093 * at);
  return encodeSegment([{ cid: seed, words }]) ?? new Uint8Array(0);
}

test('10,000 records in the names of 600 that nobody knows leave the table bounded and the others found', async () => {
  const records = (await newOwners(600)).map((owner) => recordOf(owner));
  await besiege(net, async ({ link }) => {
    for (let round = 0; round < 17; round += 1)
      for (let at = 0; at < records.length; at += 50) link.say(headers(...records.slice(at, at + 50)));
    const { overlay } = net.node(0);
    await until('it has taken some', () => overlay.prints().members > 3);
    const { members, bytes } = overlay.prints();
    assert.ok(members <= 3 + 64 && bytes < 1024 * 1024, `${members} members, ${bytes} bytes`);
    await until('nobody believes in them', () =>
      net.nodes.every((node) => node.overlay.prints().members === 3),
    );
    assert.ok(net.nodes.every((node) => node.overlay.prints().bits === 0));
  });
  await stillRight(net);
});
