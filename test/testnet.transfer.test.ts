import assert from 'node:assert/strict';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import type { Hit } from '../src/core/ports.ts';
import { BLOCKS_PROTOCOL } from '../src/overlay/blocks/blocks.ts';
import { filesBelow, MiB, sample, settledFile, sha256, until } from './support/basics.ts';
import { onBlockFrames, type BlockFrame } from './support/block-frames.ts';
import { CID, manifest, SMALL, withHolder } from './support/holder.ts';
import { Hostile, sayBlock } from './support/hostile.ts';
import { sendIfOpen } from './support/streams.ts';
import { get, search, startTestnet, type TestNode } from './testnet.ts';

async function failsWith(node: TestNode, code: string, query = 'contoh.txt'): Promise<void> {
  const got = await get(node, query);
  assert.equal(got.type, 'failed');
  assert.equal(got.type === 'failed' && got.error.code, code, got.type === 'failed' ? got.error.message : '');
  assert.deepEqual(await filesBelow(node.downloads), [], 'nothing is left in the downloads folder');
}

const wrong = Uint8Array.from(SMALL, (byte, at) => (at === 4_000 ? byte ^ 1 : byte));

test('a holder that does as it should is believed; of one that cannot show the file nobody is told', async () => {
  await withHolder(
    {},
    (frame, stream) => {
      if (!manifest(frame, stream)) sayBlock(stream, { type: 'data', index: 0, bytes: wrong, last: true });
    },
    async (node) => {
      const { outcome, hits } = await search(node.overlay, 'contoh.txt');
      assert.deepEqual([outcome.verdict, hits], ['absent', []]);
    },
  );
  await withHolder(
    {},
    (frame, stream) => {
      if (!manifest(frame, stream)) sayBlock(stream, { type: 'data', index: 0, bytes: SMALL, last: true });
    },
    async (node) => {
      const got = await get(node, 'contoh.txt');
      assert.ok(got.type === 'saved');
      assert.deepEqual(await readFile(got.path), SMALL);
    },
  );
});

/** What a holder may do with the one block that it is asked for, and how that is called. */
const LIES: readonly (readonly [string, string, (stream: Stream) => void])[] = [
  [
    'one wrong bit',
    'BAD_BLOCK',
    (stream) => sayBlock(stream, { type: 'data', index: 0, bytes: wrong, last: true }),
  ],
  [
    'too few bytes',
    'PEER_PROTOCOL',
    (stream) => sayBlock(stream, { type: 'data', index: 0, bytes: SMALL.subarray(1), last: true }),
  ],
  [
    'too many bytes',
    'PEER_PROTOCOL',
    (stream) => sayBlock(stream, { type: 'data', index: 0, bytes: sample(6_000), last: true }),
  ],
  [
    'another block',
    'PEER_PROTOCOL',
    (stream) => sayBlock(stream, { type: 'data', index: 1, bytes: SMALL, last: true }),
  ],
  ['a request', 'PEER_PROTOCOL', (stream) => sayBlock(stream, { type: 'want-manifest', cid: CID })],
  ['garbage', 'PEER_PROTOCOL', (stream) => void sendIfOpen(stream, new Uint8Array(20).fill(255))],
  [
    'a frame over the limit',
    'PEER_PROTOCOL',
    (stream) => void sendIfOpen(stream, Uint8Array.of(16, 1, 0, 0, 0, 0, 0, 2, 255, 255, 255, 255)),
  ],
  [
    'a refusal: not here',
    'TRANSFER_FAILED',
    (stream) => sayBlock(stream, { type: 'refused', code: 'not-here' }),
  ],
  [
    'a refusal: changed',
    'SOURCE_CHANGED',
    (stream) => sayBlock(stream, { type: 'refused', code: 'changed' }),
  ],
  ['the end of the stream', 'TRANSFER_FAILED', (stream) => void stream.close()],
  ['a reset', 'TRANSFER_FAILED', (stream) => stream.abort(new Error('no'))],
];

for (const [what, code, lie] of LIES) {
  test(`a holder that sends ${what} in place of the block: ${code}, and no file`, async () => {
    await withHolder(
      {},
      (frame, stream) => {
        if (!manifest(frame, stream)) lie(stream);
      },
      (_, node) => failsWith(node, code),
    );
  });
}

test('a holder that sends frames for ever without a byte in them is given up at once', async () => {
  const empty = new Uint8Array(0);
  for (const answer of ['manifest', 'data'] as const) {
    await withHolder(
      {},
      (frame, stream) => {
        if (answer === 'data' && manifest(frame, stream)) return;
        const drip = setInterval(() => {
          if (stream.status !== 'open') clearInterval(drip);
          else if (answer === 'data') sayBlock(stream, { type: 'data', index: 0, bytes: empty, last: false });
          else sayBlock(stream, { type: 'manifest', node: empty, last: false });
        }, 5);
      },
      (_, node) => failsWith(node, 'PEER_PROTOCOL'),
    );
  }
});

test('a holder that dies between two blocks, and does not come back: PEER_UNREACHABLE, and no file', async () => {
  await withHolder(
    {},
    (frame, stream, hostile) => {
      if (manifest(frame, stream)) return;
      sayBlock(stream, { type: 'data', index: 0, bytes: SMALL.subarray(0, 1_000), last: false });
      void hostile.host.stop();
    },
    (_, node) => failsWith(node, 'PEER_UNREACHABLE'),
  );
});

test('a hit whose size is a lie: nothing is written', async () => {
  const answer = (frame: BlockFrame, stream: Stream): void => {
    if (!manifest(frame, stream)) sayBlock(stream, { type: 'data', index: 0, bytes: SMALL, last: true });
  };
  await withHolder({ size: SMALL.length + 1 }, answer, (_, node) => failsWith(node, 'PEER_PROTOCOL'));
  await withHolder({ size: 2 ** 53 - 1 }, answer, (_, node) => failsWith(node, 'PEER_PROTOCOL'));
  await withHolder({ size: 2 * MiB }, answer, (_, node) => failsWith(node, 'PEER_PROTOCOL'));
});

test('requests for blocks and files that are not there are refused, and the stream goes on', async () => {
  await using net = await startTestnet(1, { files: { 0: { 'a.bin': SMALL } } });
  await using guest = await Hostile.start();
  const connection = await guest.host.dial(multiaddr(`/ip4/127.0.0.1/tcp/${net.node(0).overlay.port}`));
  const stream = await connection.newStream(BLOCKS_PROTOCOL);
  const answers: BlockFrame[] = [];
  onBlockFrames(stream, (frame) => void answers.push(frame));
  sayBlock(stream, { type: 'want-block', cid: CID, index: 0xffff_ffff });
  sayBlock(stream, { type: 'want-block', cid: CID, index: 1 });
  sayBlock(stream, { type: 'want-block', cid: guest.hit({}).cid, index: 0 });
  sayBlock(stream, { type: 'want-manifest', cid: '../../etc/passwd' });
  sayBlock(stream, { type: 'want-block', cid: CID, index: 0 });
  await until('five answers', () => answers.length === 5);
  assert.deepEqual(
    answers.map((answer) => (answer.type === 'refused' ? answer.code : answer.type)),
    ['absent', 'absent', 'not-here', 'not-here', 'data'],
  );
  stream.send(new Uint8Array(20).fill(255));
  await until('closed after garbage', () => stream.status !== 'open');
});

test('a file that changes at its source while it is sent is not kept', async () => {
  const size = 24 * MiB;
  await using net = await startTestnet(2, { files: { 1: { 'besar.bin': sample(size, 5) } } });
  const [asker, holder] = [net.node(0), net.node(1)];
  const { hits } = await search(asker.overlay, 'besar.bin');
  assert.ok(hits[0]);
  let blocks = 0;
  await assert.rejects(
    async () => {
      for await (const _ of asker.overlay.fetch(hits[0] as Hit)) {
        blocks += 1;
        if (blocks !== 1) continue;
        const file = await open(join(holder.shared, 'besar.bin'), 'r+');
        await file.write(Buffer.from('berubah'), 0, 7, 20 * MiB);
        await file.close();
      }
    },
    { code: 'SOURCE_CHANGED' },
  );
  assert.ok(blocks < 24, `${blocks} blocks`);

  await settledFile(join(holder.shared, 'besar.bin'), sample(size, 6));
  await holder.library.rescan();
  const got = await get(asker, 'besar.bin');
  assert.ok(got.type === 'saved');
  assert.equal(sha256(await readFile(got.path)), sha256(sample(size, 6)));
});
