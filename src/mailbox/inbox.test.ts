import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { MAILBOX, MESSAGES } from '../core/config.ts';
import { letterTo, newPost, offer, text, until } from './post.testkit.ts';

const LIMIT = { limit: MESSAGES.maxListed };

test('a letter that comes again is stored once, by the peer that sent it and its id', async (t) => {
  const { post, again } = await newPost(t);
  const first = await post.receive(text('a', 1));
  assert.deepEqual([first.code, first.item?.state, first.item?.text], ['stored', 'unread', 'pesan 1']);
  const repeats = await Promise.all(Array.from({ length: 20 }, () => post.receive(text('a', 1, 'lain'))));
  assert.ok(repeats.every(({ code, item }) => code === 'stored' && item === null));
  // The same id of another peer is another letter: nobody can keep a letter out by using its id first.
  assert.equal((await post.receive(text('b', 1))).item?.peer, 'b');
  const reopened = await again();
  assert.deepEqual(
    (await reopened.inbox(LIMIT)).map(({ peer, text: words }) => `${peer} ${words}`),
    ['a pesan 1', 'b pesan 1'],
  );
  assert.equal((await reopened.receive(text('a', 1))).item, null);
});

test('a removed letter does not come back, however often it is sent', async (t) => {
  const { post } = await newPost(t);
  const { item } = await post.receive(text('a', 1));
  assert.equal(await post.remove([item?.no ?? 0, 99]), 1);
  assert.deepEqual(await post.receive(text('a', 1)), { code: 'stored', item: null });
  assert.deepEqual(await post.inbox(LIMIT), []);
  assert.equal(await post.item(item?.no ?? 0), null);
});

test('one sender has its share, and its offers theirs; what was acknowledged stays', async (t) => {
  const { post } = await newPost(t);
  const codes = await Promise.all(
    Array.from(
      { length: MESSAGES.maxPerSender + 5 },
      async (_, n) => (await post.receive(text('a', n))).code,
    ),
  );
  assert.equal(codes.filter((code) => code === 'stored').length, MESSAGES.maxPerSender);
  assert.deepEqual(codes.slice(-5), Array(5).fill('full'));
  assert.equal((await post.receive(text('a', 3))).code, 'stored', 'one that it had acknowledged');
  assert.equal((await post.receive(text('b', 1))).code, 'stored', 'another sender');
  const offers = await Promise.all(
    Array.from(
      { length: MESSAGES.maxOffersPerSender + 1 },
      async (_, n) => (await post.receive(offer('c', n))).code,
    ),
  );
  assert.equal(offers.at(-1), 'full');
  assert.equal(offers.filter((code) => code === 'full').length, 1);
  const { items } = await post.counts();
  assert.equal(items, MESSAGES.maxPerSender + 1 + MESSAGES.maxOffersPerSender);
  const oldest = (await post.inbox({ after: 0, limit: 1 }))[0];
  assert.equal(await post.remove([oldest?.no ?? 0]), 1);
  assert.equal((await post.receive(text('a', 5_000))).code, 'stored', 'room was made');
});

test('long texts count by their bytes', async (t) => {
  const { post } = await newPost(t);
  const long = 'x'.repeat(MAILBOX.maxTextBytes);
  const most = Math.floor(MESSAGES.maxBytesPerSender / (MAILBOX.maxTextBytes + 512));
  for (let n = 0; n < most; n += 1) assert.equal((await post.receive(text('a', n, long))).code, 'stored');
  assert.equal((await post.receive(text('a', most, long))).code, 'full');
});

test('strangers together leave half of the inbox to those that this node wrote to', async (t) => {
  const { post, path } = await newPost(t);
  await post.queue(letterTo('teman', 1));
  // As many as they may have, put there at once; through the door they would take a minute.
  const db = new DatabaseSync(path);
  const half = MESSAGES.maxInbox * MESSAGES.strangersShare;
  db.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${half})
     INSERT INTO inbox (peer, id, kind, state, label, addresses, text, bytes, size, cid, files, sent_ms, received_ms)
     SELECT 'x' || i, i, 'text', 'unread', '', '[]', '', 512, 0, '', 0, 0, 0 FROM n`,
  );
  db.close();
  assert.equal((await post.receive(text('orang-baru', 1))).code, 'full');
  assert.equal((await post.receive(text('teman', 1))).code, 'stored');
});

test('an offer is decided once, and only as it stands', async (t) => {
  const { post } = await newPost(t);
  const { item } = await post.receive(offer('a', 1));
  const no = item?.no ?? 0;
  const tell = { now: 9_000, expiresAt: 10_000 };
  assert.equal((await post.decide(no, ['open'], 'accepted', {}, tell))?.state, 'accepted');
  assert.equal(await post.decide(no, ['open'], 'refused', {}, tell), null);
  assert.equal(await post.remove([no]), 0, 'it is being fetched');
  assert.deepEqual(
    (await post.accepted()).map((one) => one.no),
    [no],
  );
  const done = await post.decide(no, ['accepted'], 'done', { path: '/tmp-x' }, tell);
  assert.deepEqual([done?.state, done?.path], ['done', '/tmp-x']);
  // The newer answer took the place of the one that was not delivered yet.
  const waiting = await post.waiting('a');
  assert.deepEqual(
    waiting.map(({ kind, answer, revision }) => [kind, answer, revision]),
    [['answer', 'done', 1]],
  );
  const message = await post.receive(text('a', 2));
  assert.equal(await post.decide(message.item?.no ?? 0, ['open', 'unread'], 'accepted', {}, tell), null);
});

test('reading marks, and lists show the newest, those after a number, or the unread', async (t) => {
  const { post } = await newPost(t);
  for (let n = 1; n <= 5; n += 1) await post.receive(text('a', n));
  const texts = async (options: { after?: number; unread?: boolean; limit: number }): Promise<string[]> =>
    (await post.inbox(options)).map((item) => item.text.slice(-1));
  assert.deepEqual(await texts({ limit: 2 }), ['4', '5']);
  assert.deepEqual(await texts({ after: 1, limit: 2 }), ['2', '3']);
  assert.equal(await post.markRead([1, 2, 77]), 2);
  assert.deepEqual(await texts({ unread: true, limit: 10 }), ['3', '4', '5']);
  assert.equal(await post.markRead(null), 3);
  assert.equal((await post.counts()).unread, 0);
});

test('the file is its owner’s alone', async (t) => {
  const { post, path } = await newPost(t);
  await post.receive(text('a', 1));
  for (const suffix of ['', '-wal']) assert.equal((await stat(path + suffix)).mode & 0o077, 0, suffix);
});

test('while nobody asks its thread is gone, and the next question finds what was stored', async (t) => {
  const { post } = await newPost(t, 1);
  const threads = (): number =>
    process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
  for (let n = 1; n <= 5; n += 1) {
    assert.equal((await post.receive(text('a', n))).code, 'stored');
    await until('the thread has ended', () => threads() === 0);
  }
  assert.equal((await post.inbox(LIMIT)).length, 5);
});
