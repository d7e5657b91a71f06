import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Stream } from '@libp2p/interface';
import type { BlockFrame } from './support/block-frames.ts';
import { CID as Cid } from 'multiformats/cid';
import { buildFolder } from '../src/core/transfer/directory.ts';
import { sha256 as digestOf } from '../src/library/hash.ts';
import { filesBelow, until } from './support/basics.ts';
import { Hostile, sayBlock } from './support/hostile.ts';
import { CID, dial, hostile, offer } from './support/letters.ts';
import { inboxOf, mailNodes, send, sentOf, type MailNode } from './support/mail-node.ts';

/** A holder of a folder that is not what it seems. */
async function withFolder(
  t: TestContext,
  names: readonly string[],
  said: { files: number; size: number },
): Promise<string> {
  const [b] = (await mailNodes(t, { accept: 'all' })) as [MailNode];
  const file = { cid: Cid.parse(CID), total: 3 };
  const { cid, nodes } = buildFolder(
    names.map((name) => ({ name, ...file })),
    digestOf,
  );
  const liar = await Hostile.start({
    onWant: (frame: BlockFrame, stream: Stream) => {
      const [node = new Uint8Array(0)] = nodes;
      if (frame.type === 'want-manifest') sayBlock(stream, { type: 'manifest', node, last: true });
      else sayBlock(stream, { type: 'data', index: 0, bytes: Buffer.from('abc'), last: true });
    },
  });
  t.after(() => liar[Symbol.asyncDispose]());
  const line = await dial(liar, b);
  line.say(offer(1, { name: 'folder', cid: cid.toString(), ...said }));
  await until('given up', async () => (await inboxOf(b))[0]?.state === 'failed');
  assert.deepEqual(await filesBelow(join(b.folder, 'downloaded')), []);
  assert.deepEqual(
    await filesBelow(join(b.folder, '..')).then((all) => all.filter((one) => one.includes('jahat'))),
    [],
  );
  return (await inboxOf(b))[0]?.why ?? '';
}

test('a folder whose directory leads out of it is refused whole', async (t) => {
  assert.match(await withFolder(t, ['../../jahat'], { files: 1, size: 3 }), /BAD_NAME/);
});

test('a folder of other files, or of other bytes, than were offered is refused whole', async (t) => {
  assert.match(await withFolder(t, ['jahat'], { files: 2, size: 3 }), /PEER_PROTOCOL/);
  assert.match(await withFolder(t, ['jahat', 'jahat 2'], { files: 2, size: 3 }), /PEER_PROTOCOL/);
});

test('a folder whose files are not what its directory says is refused whole', async (t) => {
  assert.match(await withFolder(t, ['jahat'], { files: 1, size: 3 }), /BAD_BLOCK/);
});

test('an answer counts only from the receiver of the offer', async (t) => {
  const [a, b] = (await mailNodes(t, {}, {})) as [MailNode, MailNode];
  const path = join(a.folder, 'x.txt');
  await writeFile(path, 'isi');
  await send(a, { to: b.node.address, path, timeoutMs: 0 });
  await until('offered', async () => (await sentOf(a))[0]?.state === 'delivered');
  const id = (await sentOf(a))[0]?.id ?? '';
  const line = await dial(await hostile(t), a);
  for (const answer of ['accepted', 'refused', 'done', 'failed'] as const)
    line.say({ type: 'answer', id, answer });
  await until('receipts', () => line.receipts.length === 4);
  assert.deepEqual(new Set(line.receipts.map(({ code }) => code)), new Set(['unknown']));
  assert.equal((await sentOf(a))[0]?.state, 'delivered');
});
