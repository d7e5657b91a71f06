import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Stream } from '@libp2p/interface';
import type { BlockFrame } from './support/block-frames.ts';
import { encodeListing } from '../src/core/wire/listing.ts';
import { cidFrom } from '../src/library/hash.ts';
import { filesBelow, sha256, until } from './support/basics.ts';
import { Hostile, sayBlock } from './support/hostile.ts';
import { CID, dial, hostile, offer } from './support/letters.ts';
import { inboxOf, mailNodes, send, sentOf, type MailNode } from './support/mail-node.ts';

/** A holder of a list of files that is not what it seems. */
async function withList(
  t: TestContext,
  list: Uint8Array,
  said: { files: number; size: number; listBytes?: number },
): Promise<{ b: MailNode; why: string }> {
  const [b] = (await mailNodes(t, { accept: 'all' })) as [MailNode];
  const cid = cidFrom(Buffer.from(sha256(list), 'hex'), list.length);
  const liar = await Hostile.start({
    onWant: (frame: BlockFrame, stream: Stream) => {
      if (frame.type === 'want-manifest')
        sayBlock(stream, { type: 'manifest', node: new Uint8Array(0), last: true });
      else sayBlock(stream, { type: 'data', index: 0, bytes: list, last: true });
    },
  });
  t.after(() => liar[Symbol.asyncDispose]());
  const line = await dial(liar, b);
  line.say(offer(1, { name: 'folder', cid, listBytes: list.length, ...said }));
  await until('given up', async () => (await inboxOf(b))[0]?.state === 'failed');
  assert.deepEqual(await filesBelow(join(b.folder, 'downloaded')), []);
  assert.deepEqual(
    await filesBelow(join(b.folder, '..')).then((all) => all.filter((one) => one.includes('jahat'))),
    [],
  );
  return { b, why: (await inboxOf(b))[0]?.why ?? '' };
}

test('a folder whose list leads out of it is refused whole', async (t) => {
  const list = encodeListing([{ name: '../../jahat', size: 3, cid: CID }]);
  assert.match((await withList(t, list, { files: 1, size: 3 })).why, /BAD_NAME/);
});

test('a folder with other files than were offered is refused whole', async (t) => {
  const list = encodeListing([{ name: 'jahat', size: 3, cid: CID }]);
  assert.match((await withList(t, list, { files: 2, size: 3 })).why, /PEER_PROTOCOL/);
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
