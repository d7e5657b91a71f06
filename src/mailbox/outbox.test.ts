import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { MESSAGES } from '../core/config.ts';
import { CID, idOf, letterTo, newPost, offerTo, peerOf } from './post.testkit.ts';

/** Puts many rows there at once; through the door they would take a minute. */
const FILL = `INSERT INTO outbox (peer, id, kind, state, label, addresses, text, bytes, size, cid, files,
  created_ms, expires_ms, next_ms, attempts, revision)`;

test('letters wait in their order, and are delivered once', async (t) => {
  const { post, again } = await newPost(t);
  for (const n of [3, 1, 2]) await post.queue(letterTo('a', n));
  await post.queue(letterTo('b', 9));
  const reopened = await again();
  const waiting = await reopened.waiting('a');
  assert.deepEqual(
    waiting.map((item) => item.text),
    ['pesan 3', 'pesan 1', 'pesan 2'],
  );
  const [first] = waiting;
  assert.equal((await reopened.settle(first?.no ?? 0, 0, 'delivered', null))?.state, 'delivered');
  assert.equal(await reopened.settle(first?.no ?? 0, 0, 'refused', 'bad'), null);
  assert.equal((await reopened.waiting('a')).length, 2);
  assert.deepEqual([...(await reopened.due()).peers].sort(), ['a', 'b']);
});

test('what is tried at once is bounded by number and by bytes, but one always goes', async (t) => {
  const { post } = await newPost(t);
  for (let n = 0; n < MESSAGES.window + 3; n += 1) await post.queue(letterTo('a', n));
  assert.equal((await post.waiting('a')).length, MESSAGES.window);
  const long = (n: number) => {
    const letter = letterTo('b', n);
    return {
      ...letter,
      letter: { ...letter.letter, type: 'text' as const, sentAt: 1, text: 'x'.repeat(60_000) },
    };
  };
  for (let n = 0; n < 5; n += 1) await post.queue(long(n));
  assert.equal((await post.waiting('b')).length, Math.floor(MESSAGES.windowBytes / 60_512));
});

test('a peer that was not reached waits with all that is for it; a new letter takes the others along', async (t) => {
  const { post } = await newPost(t);
  await post.queue(letterTo('a', 1, 5_000));
  await post.queue(letterTo('b', 2, 6_000));
  assert.deepEqual(await post.duePeers(5_500), ['a']);
  await post.postpone('a', 60_000, 'busy');
  assert.deepEqual(await post.duePeers(6_000), ['b']);
  assert.deepEqual([(await post.waiting('a'))[0]?.attempts, (await post.waiting('a'))[0]?.why], [1, 'busy']);
  await post.queue(letterTo('a', 3, 7_000));
  assert.deepEqual(await post.duePeers(7_000), ['b', 'a']);
});

test('an offer goes from waiting to its end, and no answer moves it back', async (t) => {
  const { post } = await newPost(t);
  const item = await post.queue(offerTo('a', 1));
  assert.equal(await post.answered('b', idOf(1), 'done'), null, 'not its receiver');
  assert.equal(await post.answered('a', idOf(2), 'done'), null, 'no such offer');
  assert.equal((await post.answered('a', idOf(1), 'accepted'))?.changed, true);
  assert.equal((await post.answered('a', idOf(1), 'accepted'))?.changed, false);
  // The receipt of the offer itself comes after the answer to it.
  assert.equal(await post.settle(item.no, 0, 'delivered', null), null);
  assert.equal((await post.grants())[0]?.holdings[0]?.cid, CID);
  assert.equal((await post.answered('a', idOf(1), 'done'))?.item.state, 'done');
  const late = await post.answered('a', idOf(1), 'accepted');
  assert.deepEqual([late?.changed, late?.item.state], [false, 'done']);
  assert.deepEqual(await post.grants(), []);
});

test('what its receiver may read survives a restart', async (t) => {
  const { post, again } = await newPost(t);
  await post.queue(offerTo('a', 7));
  const [grant] = await (await again()).grants();
  assert.deepEqual(grant?.holdings[0], { ...offerTo('a', 7).holdings[0] });
  assert.equal(grant?.item.peer, 'a');
});

test('what is too old is given up: letters that wait, and offers that nobody decided', async (t) => {
  const { post } = await newPost(t);
  const waiting = await post.queue(letterTo('a', 1));
  const sent = await post.queue(letterTo('a', 2));
  const offered = await post.queue(offerTo('a', 3));
  for (const { no } of [sent, offered]) await post.settle(no, 0, 'delivered', null);
  assert.deepEqual(await post.expire(5_000 + MESSAGES.expireMs - 1), []);
  const gone = await post.expire(5_000 + MESSAGES.expireMs);
  assert.deepEqual(
    gone.map(({ no, state, why }) => [no, state, why]),
    [waiting, offered].map(({ no }) => [no, 'failed', 'expired']),
  );
  assert.equal((await post.outItem(sent.no))?.state, 'delivered');
  assert.deepEqual(await post.expire(Number.MAX_SAFE_INTEGER), []);
});

test('a full outbox says so, but answers always find room', async (t) => {
  const { post, path } = await newPost(t);
  const db = new DatabaseSync(path);
  db.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MESSAGES.maxOutbox})
     ${FILL} SELECT 'x', i, 'text', 'waiting', '', '[]', '', 512, 0, '', 0, 0, 0, 0, 0, 0 FROM n`,
  );
  db.close();
  await assert.rejects(post.queue(letterTo('a', 1)), { code: 'OUTBOX_FULL' });
  const answer = { ...letterTo('a', 1), letter: { type: 'answer', id: idOf(1), answer: 'done' } as const };
  assert.equal((await post.queue(answer)).state, 'waiting');
});

test('of letters that have ended the newest are kept', async (t) => {
  const { post, path } = await newPost(t);
  const [first, second] = [await post.queue(letterTo('a', 1)), await post.queue(letterTo('a', 2))];
  for (const { no } of [first, second]) await post.settle(no, 0, 'delivered', null);
  const db = new DatabaseSync(path);
  db.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${MESSAGES.maxEnded - 1})
     ${FILL} SELECT 'x', i, 'text', 'delivered', '', '[]', '', 512, 0, '', 0, 0, 0, 0, 0, 0 FROM n`,
  );
  db.close();
  await post.queue(letterTo('a', 3));
  assert.equal(await post.outItem(first.no), null);
  assert.notEqual(await post.outItem(second.no), null);
});

test('an address leads to who was found there, else to the only one that said so', async (t) => {
  const { post } = await newPost(t);
  const at = (peer: string, label: string) => ({ ...peerOf(peer), label });
  await post.remember(at('a', 'h:1'), false, 1);
  assert.equal((await post.recall('h:1'))?.peer, 'a');
  await post.remember(at('liar', 'h:1'), false, 2);
  assert.equal(await post.recall('h:1'), null, 'two say so');
  await post.remember(at('a', 'h:1'), true, 3);
  assert.equal((await post.recall('h:1'))?.peer, 'a');
  await post.remember(at('liar', 'h:1'), false, 4);
  assert.equal((await post.recall('h:1'))?.peer, 'a', 'a claim does not unlearn what was found');
  await post.remember(at('neu', 'h:1'), true, 5);
  assert.equal((await post.recall('h:1'))?.peer, 'neu', 'somebody else lives there now');
  assert.equal(await post.recall('h:2'), null);
});
