import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MESSAGES } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { OutboxItem, PostPort } from '../core/messages/ports.ts';
import type { Letter, ReceiptCode } from '../core/wire/messages.ts';
import { beforeClose, letterTo, newPost, peerOf } from './post.testkit.ts';
import { Postman } from './postman.ts';

type Receive = (peer: string, letter: Letter) => Promise<ReceiptCode>;

interface Round {
  readonly postman: Postman;
  readonly settled: OutboxItem[];
  readonly postponed: string[];
  readonly tried: string[];
}

const away: Receive = (peer) =>
  Promise.reject(new KelanaError('PEER_UNREACHABLE', { peer, why: 'ECONNREFUSED' }));

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 8_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await sleep(10);
  }
}

/** A postman whose receivers answer as `receive` says; the time may be another. */
function start(t: TestContext, post: PostPort, receive: Receive, now: () => number = () => 10_000): Round {
  const [settled, postponed, tried]: [OutboxItem[], string[], string[]] = [[], [], []];
  const postman = new Postman({
    post,
    carrier: {
      deliver: (to, letter) => {
        tried.push(`${to.peer} ${letter.type === 'text' ? letter.text : letter.type}`);
        return receive(to.peer, letter);
      },
      whereabouts: (peer) => Promise.resolve(peerOf(peer)),
    },
    now,
    random: () => 0.5,
    onSettled: (item) => settled.push(item),
    onPostponed: (peer) => postponed.push(peer),
    onError: (error) => assert.fail(error),
  });
  beforeClose(t, () => postman.stop());
  postman.start();
  return { postman, settled, postponed, tried };
}

test('what waited before the start is delivered in its order, with a window at once', async (t) => {
  const { post } = await newPost(t);
  for (let n = 0; n < MESSAGES.window + 4; n += 1) await post.queue(letterTo('a', n));
  let [open, most] = [0, 0];
  const { settled, tried } = start(t, post, async () => {
    open += 1;
    most = Math.max(most, open);
    await sleep(5);
    open -= 1;
    return 'stored';
  });
  await until('all delivered', () => settled.length === MESSAGES.window + 4);
  assert.deepEqual(
    tried,
    Array.from({ length: MESSAGES.window + 4 }, (_, n) => `a pesan ${n}`),
  );
  assert.ok(most <= MESSAGES.window, `${most} at once`);
});

test('a receiver that is away holds up nobody else, and its letters wait', async (t) => {
  const { post } = await newPost(t);
  await post.queue(letterTo('weg', 1));
  await post.queue(letterTo('a', 2));
  const { settled, postponed } = start(t, post, (peer, letter) =>
    peer === 'weg' ? away(peer, letter) : Promise.resolve('stored'),
  );
  await until('one delivered, one postponed', () => settled.length === 1 && postponed.length === 1);
  const [item] = await post.waiting('weg');
  assert.deepEqual([item?.attempts, item?.nextAt], [1, 10_000 + MESSAGES.retryMinMs]);
  assert.match(item?.why ?? '', /ECONNREFUSED/);
});

test('letters go when their receiver is heard of, long before their time', async (t) => {
  const { post } = await newPost(t);
  let there = false;
  const { postman, settled, postponed } = start(t, post, (peer, letter) =>
    there ? Promise.resolve('stored') : away(peer, letter),
  );
  await post.queue(letterTo('a', 1));
  postman.queued('a');
  await until('postponed', () => postponed.length === 1);
  there = true;
  postman.heard(peerOf('b'), 'linked');
  postman.heard(peerOf('a'), 'linked');
  await until('delivered', () => settled.length === 1);
});

test('mere hearsay right after an attempt is kept for later, not dropped and not followed at once', async (t) => {
  const { post } = await newPost(t);
  let now = 10_000;
  const { postman, postponed, tried } = start(t, post, away, () => now);
  await post.queue(letterTo('a', 1));
  postman.queued('a');
  await until('postponed', () => postponed.length === 1);
  await post.postpone('a', Number.MAX_SAFE_INTEGER, 'busy');
  for (let n = 0; n < 100; n += 1) postman.heard(peerOf('a'), 'seen');
  await post.queue(letterTo('b', 2));
  postman.queued('b');
  await until('another was tried', () => tried.some((one) => one.startsWith('b')));
  assert.equal(tried.filter((one) => one.startsWith('a')).length, 1);
  now += MESSAGES.heardMs;
  postman.heard(peerOf('a'), 'seen');
  await until('tried again', () => tried.filter((one) => one.startsWith('a')).length === 2);
});

test('a receiver without room is asked again later; one that says no is not', async (t) => {
  const { post } = await newPost(t);
  const says: Record<string, ReceiptCode> = { a: 'full', b: 'busy', c: 'failed', d: 'bad', e: 'unwanted' };
  for (const [n, peer] of Object.keys(says).entries()) await post.queue(letterTo(peer, n));
  const { settled, postponed } = start(t, post, (peer) => Promise.resolve(says[peer] ?? 'stored'));
  await until('all answered', () => settled.length === 2 && postponed.length === 3);
  assert.deepEqual(settled.map(({ peer, state, why }) => `${peer} ${state} ${why}`).sort(), [
    'd refused bad',
    'e refused unwanted',
  ]);
  assert.deepEqual(postponed.toSorted(), ['a', 'b', 'c']);
});

test('a stop in the middle of a delivery loses nothing: the next start delivers again', async (t) => {
  const { post, again } = await newPost(t);
  await post.queue(letterTo('a', 1));
  const hanging = Promise.withResolvers<ReceiptCode>();
  const first = start(t, post, () => hanging.promise);
  await until('under way', () => first.tried.length === 1);
  const stopped = first.postman.stop();
  hanging.reject(new Error('the stream ended'));
  await stopped;
  const second = start(t, await again(), () => Promise.resolve('stored'));
  await until('delivered', () => second.settled.length === 1);
});

test('what is too old is told and tried no more', async (t) => {
  const { post } = await newPost(t);
  let now = 10_000;
  const { postman, settled, postponed, tried } = start(t, post, away, () => now);
  await post.queue(letterTo('a', 1));
  postman.queued('a');
  await until('postponed', () => postponed.length === 1);
  now += MESSAGES.expireMs;
  postman.heard(peerOf('a'), 'linked');
  await until('told', () => settled.length === 1);
  assert.deepEqual([settled[0]?.state, settled[0]?.why], ['failed', 'expired']);
  // A look that had begun before its time was over may have tried once more; nothing does after it.
  assert.ok(tried.length <= 2);
});
