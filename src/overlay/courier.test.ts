import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { OVERLAY } from '../core/config.ts';
import { encodeFrame, type LinkFrame } from '../core/wire/frames.ts';
import { delimit } from '../core/wire/lengths.ts';
import { ASK_PROTOCOL, Courier, type AskFrame } from './courier.ts';
import { contactOf, startHost, until } from './hosts.testkit.ts';
import type { Host } from './host.ts';

const ID = 'ab'.repeat(16);
const check = (hops: number): AskFrame => ({ type: 'check', id: ID, walker: 1, hops });
const confirm: AskFrame = {
  type: 'confirm',
  id: ID,
  query: { kind: 'name', name: 'a.txt' },
  hops: 1,
  remainingMs: 1_000,
};

interface Post {
  readonly host: Host;
  readonly peer: string;
  readonly addresses: readonly string[];
  readonly courier: Courier;
  readonly got: { from: string; label: string; frame: AskFrame }[];
  readonly unsent: { to: string; frame: AskFrame }[];
}

async function post(
  t: TestContext,
  more: { answer?: boolean; refuses?: (peer: string) => boolean } = {},
): Promise<Post> {
  const host = await startHost(t);
  const got: Post['got'] = [];
  const unsent: Post['unsent'] = [];
  const courier = await Courier.start({
    host,
    now: () => performance.now(),
    ...(more.refuses === undefined ? {} : { refuses: more.refuses }),
    onFrame: (from, label, frame) => {
      got.push({ from, label, frame });
      if (more.answer === true) courier.send(from, check(got.length));
    },
    onUnsent: (to, frame) => unsent.push({ to, frame }),
  });
  t.after(() => courier.stop());
  const { peer, addresses } = contactOf(host);
  return { host, peer, addresses, courier, got, unsent };
}

test('frames reach a peer that is no neighbour, and its answers come back over the same stream', async (t) => {
  const [a, b] = [await post(t), await post(t, { answer: true })];
  for (let at = 0; at < 5; at += 1) a.courier.send(b.peer, confirm, b.addresses);
  await until('answers', () => a.got.length === 5);
  assert.deepEqual(b.got[0], { from: a.peer, label: b.got[0]?.label, frame: confirm });
  assert.deepEqual(
    a.got.map(({ from, frame }) => [from, frame]),
    [1, 2, 3, 4, 5].map((hops) => [b.peer, check(hops)]),
  );
  assert.equal(a.got[0]?.label, `localhost:${/tcp\/(\d+)/.exec(b.addresses[0] ?? '')?.[1]}`);
  // Later on no address is needed, either way.
  b.courier.send(a.peer, check(9));
  await until('the last', () => a.got.length === 6);
  assert.deepEqual([a.courier.open, b.courier.open, a.unsent.length, b.unsent.length], [1, 1, 0, 0]);
});

test('when both sides begin at once nothing is lost and nothing comes twice', async (t) => {
  const [a, b] = [await post(t), await post(t)];
  for (let at = 0; at < 20; at += 1) {
    a.courier.send(b.peer, check(at), b.addresses);
    b.courier.send(a.peer, check(at), a.addresses);
  }
  await until('all', () => a.got.length >= 20 && b.got.length >= 20);
  const all = Array.from({ length: 20 }, (_, at) => at);
  for (const { got, unsent, courier } of [a, b]) {
    assert.deepEqual(
      got.map(({ frame }) => (frame.type === 'check' ? frame.hops : -1)),
      all,
    );
    assert.equal(unsent.length, 0);
    assert.ok(courier.open <= 2);
  }
});

test('a peer that is not there, that names no address, or only such as are not dialled, is told as unsent', async (t) => {
  const [a, b] = [await post(t), await post(t)];
  await b.host.stop();
  const from = performance.now();
  a.courier.send(b.peer, check(1), b.addresses);
  a.courier.send(b.peer, check(2), b.addresses);
  assert.equal(a.unsent.length, 0, 'not from within send');
  await until('unsent', () => a.unsent.length === 2);
  assert.ok(performance.now() - from < OVERLAY.askTimeoutMs);
  // Again, and at once: it is remembered.
  a.courier.send(b.peer, check(3), b.addresses);
  await until('unsent again', () => a.unsent.length === 3);
  for (const addresses of [
    [],
    ['/dnsaddr/x.test'],
    ['/ip4/127.0.0.1/udp/1/quic-v1'],
    ['nonsense'],
    ['/ip4/1.2.3.4/tcp/0'],
  ])
    a.courier.send(b.peer, check(4), addresses);
  a.courier.send('no peer id', check(4), b.addresses);
  a.courier.send(a.peer, check(4), a.addresses);
  await until('all unsent', () => a.unsent.length === 10);
});

test('an address behind which nobody answers costs one time limit, and a true address heard meanwhile is tried', async (t) => {
  const [a, b, other] = [await post(t), await post(t, { answer: true }), await post(t)];
  // Somebody else's address: the peer id does not match.
  a.courier.send(b.peer, check(1), other.addresses);
  a.courier.send(b.peer, check(2), b.addresses);
  await until('both', () => a.got.length === 2);
  assert.deepEqual(a.unsent, []);
  assert.deepEqual(other.got, []);
});

test('a queue is bounded while a peer is dialled, and its frames come in order', async (t) => {
  const [a, b] = [await post(t), await post(t)];
  for (let at = 0; at < OVERLAY.maxGuestFrames + 6; at += 1) a.courier.send(b.peer, check(at), b.addresses);
  await until('the queue', () => b.got.length === OVERLAY.maxGuestFrames && a.unsent.length === 6);
  assert.deepEqual(
    b.got.map(({ frame }) => (frame.type === 'check' ? frame.hops : -1)),
    Array.from({ length: OVERLAY.maxGuestFrames }, (_, at) => at),
  );
});

test('anything but search and sync frames ends the stream, and so does garbage', async (t) => {
  const b = await post(t, { answer: true });
  const stranger = await startHost(t);
  const hello: LinkFrame = { type: 'hello', version: 2, label: 'x', port: 1, addresses: [], bits: 0 };
  for (const bytes of [
    delimit(encodeFrame(hello)),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    delimit(Uint8Array.of(1, 2)),
  ]) {
    const connection = await stranger.dial(b.host.getMultiaddrs());
    const stream = await connection.newStream(ASK_PROTOCOL);
    let closed = false;
    stream.addEventListener('close', () => {
      closed = true;
    });
    stream.send(bytes);
    await until('closed', () => closed && b.courier.open === 0);
  }
  assert.deepEqual(b.got, []);
  assert.deepEqual(b.unsent, []);
});

test('a guest that floods is cut off, and an honest one is served meanwhile', async (t) => {
  const [a, b] = [await post(t), await post(t, { answer: true })];
  const stranger = await startHost(t);
  const connection = await stranger.dial(b.host.getMultiaddrs());
  const stream = await connection.newStream(ASK_PROTOCOL);
  let closed = false;
  stream.addEventListener('close', () => {
    closed = true;
  });
  const one = delimit(encodeFrame(check(1)));
  for (let at = 0; at < 3 * OVERLAY.guestFramesPerSecond; at += 1) stream.send(one);
  a.courier.send(b.peer, confirm, b.addresses);
  await until('the flood is cut', () => closed);
  await until('the honest answer', () => a.got.length === 1);
  const taken = b.got.filter(({ from }) => from === stranger.peerId.toString()).length;
  assert.ok(taken <= 1.5 * OVERLAY.guestFramesPerSecond, `${taken}`);
});

test('a peer that is refused gets no stream and is not dialled', async (t) => {
  const banned = new Set<string>();
  const [a, b] = [await post(t, { answer: true }), await post(t, { refuses: (peer) => banned.has(peer) })];
  a.courier.send(b.peer, check(1), b.addresses);
  await until('heard', () => b.got.length === 1);
  banned.add(a.peer);
  b.courier.drop(a.peer);
  await until('dropped', () => a.courier.open === 0 && b.courier.open === 0);
  b.courier.send(a.peer, check(2), a.addresses);
  a.courier.send(b.peer, check(3), b.addresses);
  await until('told', () => b.unsent.length === 1);
  await until('told as unsent, too', () =>
    a.unsent.some(({ frame }) => frame.type === 'check' && frame.hops === 3),
  );
  assert.equal(b.got.length, 1);
});
