import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { parseMethod } from '../src/core/balance/choice.ts';
import { exchange, tlsBalancer, tlsClient } from './balancer.edge.kit.ts';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import {
  backend,
  balanceWith,
  client,
  CLOSE,
  eventually,
  get,
  HELLO,
  once,
  statusOf,
  type Bench,
  type TestBackend,
} from './balancer.kit.ts';

/** A slow backend, one that fails fast and one that was starved, over real sockets, with each method. */

const METHODS = [
  'round-robin',
  'weighted',
  'least-connections',
  'two-choices',
  'ewma',
  'hash:header=x-user',
  'sticky',
];
/** Methods that look at load or time, so that a slow backend gets less. */
const AWARE = ['least-connections', 'two-choices', 'ewma'];
const FAULT = 'HTTP/1.1 503 Ill\r\nContent-Length: 0\r\n\r\n';

const after = (ms: number, socket: Socket): undefined => {
  setTimeout(() => {
    if (socket.writable) socket.write(HELLO);
  }, ms);
};

/** So many requests by so many clients at once, each with a key of its own; gives the statuses. */
async function load(t: TestContext, bench: Bench, clients: number, each: number): Promise<number[]> {
  const statuses: number[] = [];
  const run = async (id: number): Promise<void> => {
    const raw = client(t, bench);
    for (let sent = 1; sent <= each; sent += 1) {
      raw.received = '';
      raw.send(get('/', `X-User: ${id}-${sent}\r\n`));
      await raw.until(({ received }) => /\r\n\r\n(hello|)$/.test(received), 'an answer');
      statuses.push(statusOf(raw.received));
    }
    raw.socket.destroy();
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => run(id)));
  return statuses;
}

const counts = (...backends: readonly TestBackend[]): number[] =>
  backends.map(({ requests }) => requests.length);

for (const text of METHODS) {
  const method = parseMethod(text);

  test(`${text}: a slow backend holds up nobody else's answers`, async (t) => {
    const slow = await backend(t, (_, socket) => after(30, socket));
    const quick = [await backend(t), await backend(t)];
    const bench = await balanceWith(t, { method }, slow.url, ...quick.map(({ url }) => url));
    const statuses = await load(t, bench, 12, 16);
    assert.deepEqual(new Set(statuses), new Set([200]));
    const [late = 0, one = 0, two = 0] = counts(slow, ...quick);
    if (AWARE.includes(text)) assert.ok(late * 3 < Math.min(one, two), `${late} of ${one} and ${two}`);
    // Whoever does not look at time must still not give it more than its share.
    else assert.ok(late <= 0.45 * (late + one + two), `${late} of ${one} and ${two}`);
  });

  test(`${text}: a backend that fails fast draws no requests, and is left alone after a few`, async (t) => {
    const ill = await backend(t, () => FAULT);
    const well = [await backend(t, (_, socket) => after(3, socket)), await backend(t)];
    const bench = await balanceWith(t, { method }, ill.url, ...well.map(({ url }) => url));
    const statuses = await load(t, bench, 8, 40);
    const failed = statuses.filter((status) => status !== 200).length;
    assert.equal(failed, ill.requests.length);
    // Five in a row open its circuit; what was under way then may come on top.
    assert.ok(failed <= 5 + 8, `${failed} requests failed`);
    if (AWARE.includes(text)) return;
    assert.ok(bench.events.some((event) => event.type === 'backend.ejected'));
    assert.equal(bench.balancer.stats().backends[0]?.circuit, 'open');
  });

  test(`${text}: a backend that was ill is tried again by one request, and gets its share when it is well`, async (t) => {
    let well = false;
    const ill = await backend(t, () => (well ? HELLO : FAULT));
    const other = await backend(t);
    const bench = await balanceWith(
      t,
      { method, outlier: { ...BALANCE_DEFAULTS.outlier, consecutive: 2 } },
      ill.url,
      other.url,
    );
    const circuit = (): string | undefined => bench.balancer.stats().backends[0]?.circuit;
    // Failures count as load and time, so methods that look at these come back to it only as time goes.
    for (let user = 0; circuit() === 'closed'; user += 1) {
      await once(t, bench, get('/', `X-User: ${user}\r\n${CLOSE}`));
      bench.skip(5_000);
    }
    assert.equal(ill.requests.length, 2);
    well = true;
    bench.skip(120_000);
    await eventually(() => circuit() === 'half-open', 'its circuit to be half open');
    for (let user = 0; circuit() === 'half-open'; user += 1)
      assert.equal(statusOf(await once(t, bench, get('/', `X-User: ${user}\r\n${CLOSE}`))), 200);
    assert.equal(ill.requests.length, 3);
    assert.ok(bench.events.some((event) => event.type === 'backend.readmitted'));
    // What else this machine does may make it look slow for a while.
    for (let turn = 0, given = 0; given <= 12; turn += 1) {
      assert.ok(turn < 10, 'it gets its share');
      const known = ill.requests.length;
      bench.skip(120_000);
      await load(t, bench, 4, 20);
      given = ill.requests.length - known;
    }
  });
}

test('ewma: a backend that was slow once is found out to be fast again', async (t) => {
  let ms = 60;
  const moody = await backend(t, (_, socket) => after(ms, socket));
  const steady = await backend(t, (_, socket) => after(2, socket));
  const bench = await balanceWith(t, { method: { name: 'ewma' } }, moody.url, steady.url);
  await load(t, bench, 2, 20);
  const before = moody.requests.length;
  await load(t, bench, 2, 20);
  assert.ok(moody.requests.length - before <= 8, 'it is left alone while it is slow');
  ms = 0;
  // What else this machine does may make it look slow once more.
  for (let turn = 0, share = 0; share < 20; turn += 1) {
    assert.ok(turn < 10, 'it is used when it is fast');
    const known = moody.requests.length;
    bench.skip(60_000);
    await load(t, bench, 2, 20);
    share = moody.requests.length - known;
  }
});

test('hash: a key stays with its backend, and comes back to it', async (t) => {
  const list = [await backend(t), await backend(t), await backend(t)];
  const bench = await balanceWith(
    t,
    { method: parseMethod('hash:cookie=sid') },
    ...list.map(({ url }) => url),
  );
  const send = (): Promise<string> => once(t, bench, get('/', `Cookie: a=b; sid=me\r\n${CLOSE}`));
  for (let sent = 0; sent < 6; sent += 1) await send();
  const home = list.find(({ requests }) => requests.length > 0);
  assert.equal(home?.requests.length, 6);
  const label = `127.0.0.1:${home?.port}`;
  bench.balancer.backends.drain(label, true);
  await send();
  assert.equal(home?.requests.length, 6);
  bench.balancer.backends.drain(label, false);
  await send();
  assert.equal(home?.requests.length, 7);
});

test('sticky: the cookie names no address, keeps the client with its backend, and moves when that is gone', async (t) => {
  const [one, two] = [await backend(t), await backend(t)];
  const bench = await balanceWith(t, { method: parseMethod('sticky:name=kembali') }, one.url, two.url);
  const first = await once(t, bench, get('/', CLOSE));
  const [, cookie = ''] =
    /^Set-Cookie: (kembali=[\w-]{22}); Path=\/; HttpOnly; SameSite=Lax\r$/m.exec(first) ?? [];
  assert.notEqual(cookie, '');
  assert.ok(!cookie.includes(String(one.port)));
  for (let sent = 0; sent < 4; sent += 1) {
    const text = await once(t, bench, get('/', `Cookie: ${cookie}\r\n${CLOSE}`));
    assert.doesNotMatch(text, /Set-Cookie/);
  }
  assert.deepEqual(counts(one, two), [5, 0]);
  await one.kill();
  const moved = await once(t, bench, get('/', `Cookie: ${cookie}\r\n${CLOSE}`));
  assert.equal(statusOf(moved), 200);
  assert.match(moved, /Set-Cookie: kembali=/);
  assert.deepEqual(counts(one, two), [5, 1]);
  // A cookie that nobody gave is as none.
  assert.match(await once(t, bench, get('/', `Cookie: kembali=x\r\n${CLOSE}`)), /Set-Cookie/);
});

test('sticky: over HTTPS the cookie is for HTTPS only', async (t) => {
  const { bench, ca } = await tlsBalancer(t, {}, (await backend(t)).url);
  bench.balancer.backends.setMethod(parseMethod('sticky'));
  const text = await exchange(await tlsClient(t, bench.balancer.port, { ca }), get('/', CLOSE));
  assert.match(text, /^Set-Cookie: .*; SameSite=Lax; Secure\r$/m);
});
