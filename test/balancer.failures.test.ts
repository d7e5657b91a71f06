import assert from 'node:assert/strict';
import { once as event } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { apply } from '../src/balancer/apply.ts';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import {
  backend,
  balanceWith,
  client,
  CLOSE,
  eventually,
  freePort,
  get,
  HELLO,
  once,
  post,
  statusOf,
} from './balancer.kit.ts';

/** Health, failure, queue and overload over real sockets. */

test('drain gives a backend nothing new and loses nothing; remove waits for what runs, and add takes a new one', async (t) => {
  const held: (() => void)[] = [];
  const old = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const other = await backend(t);
  const bench = await balanceWith(t, {}, old.url);
  const waiting = [client(t, bench).send(get()), client(t, bench).send(post('body'))];
  await eventually(() => held.length === 2, 'both to be on the old one');
  const { backends } = bench.balancer;
  backends.add({ url: other.url, weight: 1, maxConnections: 0 });
  const label = `127.0.0.1:${old.port}`;
  backends.drain(label, true);
  for (let sent = 0; sent < 4; sent += 1) assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 200);
  assert.deepEqual([old.requests.length, other.requests.length], [2, 4]);
  let gone = false;
  const removed = backends.remove(label).then(() => (gone = true));
  await once(t, bench, get('/', CLOSE));
  assert.deepEqual([gone, backends.list.length], [false, 2]);
  for (const answer of held) answer();
  for (const each of waiting) assert.equal(statusOf(await each.reads('hello')), 200);
  await removed;
  assert.deepEqual(
    backends.stats().map((each) => each.label),
    [`127.0.0.1:${other.port}`],
  );
  assert.throws(() => backends.drain(label, true), /no server/);
  assert.throws(() => backends.add({ url: other.url, weight: 1, maxConnections: 0 }), /given before/);
});

test('a removed backend whose request never ends is let go after the time to drain, and the request lives on', async (t) => {
  let end = (): void => {};
  const endless = await backend(t, (_, socket) => {
    end = () => socket.write(HELLO);
  });
  const bench = await balanceWith(t, { drainMs: 50 }, endless.url);
  const waiting = client(t, bench).send(get());
  await eventually(() => endless.requests.length === 1, 'the request');
  await bench.balancer.backends.remove(`127.0.0.1:${endless.port}`);
  assert.equal(bench.balancer.backends.list.length, 0);
  assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 503);
  end();
  assert.equal(statusOf(await waiting.reads('hello')), 200);
});

test('another limit is taken over in place, with what runs and what is known of the backend', async (t) => {
  const held: (() => void)[] = [];
  const full = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const bench = await balanceWith(t, {}, `${full.url},max=1`);
  const { backends } = bench.balancer;
  const clients = [client(t, bench).send(get()), client(t, bench).send(get())];
  await eventually(() => held.length === 1 && bench.balancer.stats().queued === 1, 'one to wait');
  const [before] = backends.list;
  const more = { weight: 1, drained: false, origin: 'given', reweighted: false } as const;
  const wanted = { name: before?.label ?? '', spec: `${full.url},max=2`, ...more };
  apply(backends, { method: backends.methodText, backends: [wanted] }, 1);
  await eventually(() => held.length === 2, 'both to be there');
  assert.equal(backends.list[0], before);
  for (const answer of held) answer();
  for (const each of clients) assert.equal(statusOf(await each.reads('hello')), 200);
});

test('beyond its limit a backend gets nothing, who waits is served in order, and a full queue answers 503', async (t) => {
  const held: (() => void)[] = [];
  const full = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const bench = await balanceWith(t, { queue: { ...BALANCE_DEFAULTS.queue, max: 2 } }, `${full.url},max=1`);
  const clients = [client(t, bench), client(t, bench), client(t, bench)];
  for (const [at, each] of clients.entries()) {
    each.send(get(`/${at}`));
    await eventually(() => bench.balancer.stats().active === at + 1, 'it to be under way');
  }
  assert.deepEqual([bench.balancer.stats().queued, full.requests.length], [2, 1]);
  const refused = await once(t, bench, get('/', CLOSE));
  assert.equal(statusOf(refused), 503);
  assert.match(refused, /Retry-After: 1\r\n[^]*QUEUE_FULL/);
  // One that leaves makes room in the queue.
  clients[1]?.socket.resetAndDestroy();
  await eventually(() => bench.balancer.stats().queued === 1, 'it to have left');
  for (const at of [0, 2]) {
    await eventually(() => held.length > 0, 'the next one');
    held.shift()?.();
    assert.equal(statusOf((await clients[at]?.reads('hello')) ?? ''), 200);
  }
  assert.deepEqual(
    full.requests.map(({ head }) => head.path),
    ['/0', '/2'],
  );
  assert.equal(bench.balancer.stats().shed, 1);
});

test('who closes while a request waits has left the queue, and nothing of it is carried out', async (t) => {
  const held: (() => void)[] = [];
  const full = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const bench = await balanceWith(t, {}, `${full.url},max=1`);
  const first = client(t, bench).send(get('/first'));
  await eventually(() => held.length === 1, 'the first');
  const gone = client(t, bench).send(post('order'));
  await eventually(() => bench.balancer.stats().queued === 1, 'the second to wait');
  gone.socket.end();
  await eventually(() => bench.balancer.stats().queued === 0, 'it to be gone');
  held.shift()?.();
  await first.reads('hello');
  first.send(get('/third'));
  await eventually(() => held.length === 1, 'the third');
  held.shift()?.();
  await first.reads('hello', 'hello');
  assert.deepEqual(
    full.requests.map(({ head }) => head.path),
    ['/first', '/third'],
  );
  const told = bench.events.flatMap((one) => (one.type === 'balancer.request' ? [one.status] : []));
  assert.deepEqual(told, [499, 200, 200]);
});

test('room that a waiting request has no use for, as it failed there, goes to those behind it and to newcomers', async (t) => {
  const held: (() => void)[] = [];
  const full = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const free = await backend(t, ({ head }, socket) => {
    if (head.path !== '/cut') return HELLO;
    socket.destroy();
    return undefined;
  });
  const bench = await balanceWith(t, {}, `${full.url},max=1`, free.url);
  const holder = client(t, bench);
  for (let sent = 0; held.length === 0; sent += 1) {
    holder.send(get('/holds'));
    await eventually(() => held.length === 1 || free.requests.length > sent, 'it to be somewhere');
  }
  const waits = client(t, bench).send(get('/cut'));
  await eventually(() => bench.balancer.stats().queued === 1, 'it to wait for the one that did not fail it');
  for (let sent = 0; sent < 3; sent += 1) assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 200);
  assert.deepEqual([bench.balancer.stats().queued, held.length], [1, 1]);
  held.shift()?.();
  await eventually(() => held.length === 1, 'its turn');
  held.shift()?.();
  assert.equal(statusOf(await waits.reads('hello')), 200);
});

test('who waits too long for room is told 503 QUEUE_TIMEOUT, and a body that waited is still whole', async (t) => {
  const held: (() => void)[] = [];
  const full = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const bench = await balanceWith(t, {}, `${full.url},max=1`);
  client(t, bench).send(get('/holds'));
  await eventually(() => held.length === 1, 'the one that holds it');
  const late = client(t, bench).send(get('/late', CLOSE));
  await eventually(() => bench.balancer.stats().queued === 1, 'it to wait');
  bench.skip(6_000);
  assert.match(await late.closes(), /^HTTP\/1.1 503 [^]*QUEUE_TIMEOUT/);
  const patient = client(t, bench).send(post('a body', CLOSE));
  await eventually(() => bench.balancer.stats().queued === 1, 'it to wait');
  held.shift()?.();
  await eventually(() => full.requests.length === 2, 'it to be given on');
  held.shift()?.();
  assert.equal(statusOf(await patient.closes()), 200);
  assert.equal(full.requests[1]?.body, 'a body');
});

test('what is too much in all is shed at once with 503, Retry-After and a connection that stays', async (t) => {
  const held: (() => void)[] = [];
  const busy = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const bench = await balanceWith(t, { maxActive: 2 }, busy.url);
  for (const at of [1, 2]) {
    client(t, bench).send(get(`/${at}`));
    await eventually(() => held.length === at, 'it to be under way');
  }
  const third = client(t, bench).send(get('/3'));
  const text = await third.reads('OVERLOADED');
  assert.equal(statusOf(text), 503);
  assert.match(text, /Retry-After: 1\r\n/);
  held.shift()?.();
  await eventually(() => bench.balancer.stats().active === 1, 'room');
  third.send(get('/4'));
  await eventually(() => held.length === 2, 'it to be taken now');
  for (const answer of held) answer();
  await third.reads('OVERLOADED', 'hello');
  assert.equal(busy.requests.length, 3);
});

test('a circuit that is half open lets one request through, and opens for longer where that fails', async (t) => {
  const held: ((text: string) => void)[] = [];
  let hold = false;
  const fault = 'HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n';
  const ill = await backend(t, (_, socket) => {
    if (!hold) return fault;
    held.push((text) => socket.write(text));
    return undefined;
  });
  const well = await backend(t);
  const outlier = { ...BALANCE_DEFAULTS.outlier, consecutive: 3 };
  const bench = await balanceWith(t, { outlier }, ill.url, well.url);
  const circuit = (): string | undefined => bench.balancer.stats().backends[0]?.circuit;
  while (circuit() === 'closed') await once(t, bench, get('/', CLOSE));
  assert.equal(ill.requests.length, 3);
  for (let sent = 0; sent < 4; sent += 1) assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 200);
  hold = true;
  const probe = async (answer: string): Promise<void> => {
    await eventually(() => circuit() === 'half-open', 'it to be half open');
    const before = ill.requests.length;
    const all = Array.from({ length: 6 }, () => client(t, bench).send(get('/', CLOSE)));
    await eventually(() => held.length === 1, 'the probe');
    await eventually(() => all.filter(({ over }) => over !== null).length === 5, 'the others');
    assert.equal(ill.requests.length, before + 1);
    held.shift()?.(answer);
    await eventually(() => circuit() !== 'half-open', 'the verdict');
  };
  bench.skip(11_000);
  await probe(fault);
  assert.equal(circuit(), 'open');
  const seconds = bench.events.flatMap((each) => (each.type === 'backend.ejected' ? [each.seconds] : []));
  assert.deepEqual(seconds, [10, 20]);
  assert.deepEqual(bench.balancer.stats().backends[0]?.figures?.causes, { 'in-a-row': 1, probe: 1 });
  bench.skip(21_000);
  await probe(HELLO);
  assert.equal(circuit(), 'closed');
});

test('a backend that fails half of its requests is taken out, and never the last one', async (t) => {
  const flaky = await backend(t, ({ head }) =>
    Number(head.path.slice(1)) % 4 < 2 ? 'HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n' : HELLO,
  );
  const well = await backend(t);
  const bench = await balanceWith(t, {}, flaky.url, well.url);
  for (let sent = 0; sent < 60; sent += 1) await once(t, bench, get(`/${sent}`, CLOSE));
  assert.equal(bench.balancer.stats().backends[0]?.circuit, 'closed');
  bench.skip(11_000);
  await eventually(() => bench.balancer.stats().backends[0]?.circuit === 'open', 'it to be taken out');
  // The other one goes: a backend that fails half is better than none.
  await well.kill();
  const statuses: number[] = [];
  for (let sent = 0; sent < 8; sent += 1)
    statuses.push(statusOf(await once(t, bench, get(`/${sent}`, CLOSE))));
  assert.ok(statuses.includes(200));
  assert.ok(!statuses.includes(503));
});

test('where nobody is in service, a backend that refuses at once is asked all the same, and one that hangs is not', async (t) => {
  const port = await freePort();
  let reached = 0;
  const silent = createServer((socket) => {
    reached += 1;
    socket.on('error', () => {});
    t.after(() => socket.destroy());
  });
  silent.listen(0, '127.0.0.1');
  await event(silent, 'listening');
  t.after(() => silent.close());
  const hangs = (silent.address() as { port: number }).port;
  const never = 3_600_000;
  const health = {
    ...BALANCE_DEFAULTS.health,
    fall: 1,
    intervalMs: 10,
    recheckMinMs: never,
    recheckMs: never,
  };
  const check = { ...BALANCE_DEFAULTS.check, timeoutMs: 200 };
  const urls = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${hangs}`] as const;
  const bench = await balanceWith(t, { health, check }, ...urls);
  await eventually(() => bench.balancer.stats().backends.every(({ up }) => !up), 'both to be down');
  assert.equal(reached, 1);
  assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 503);
  const back = await backend(t, () => HELLO, port);
  for (let sent = 0; sent < 4; sent += 1) assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 200);
  assert.deepEqual([back.requests.length, reached], [4, 1]);
});

test('checks take a backend out whose answers are wrong or missing, and bring it back, without any request', async (t) => {
  let healthy = true;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      socket.end(`HTTP/1.1 ${healthy ? 204 : 404} x\r\nContent-Length: 0\r\n\r\n`);
    });
  });
  server.listen(0, '127.0.0.1');
  await event(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  const silent = createServer((socket) => void socket.on('error', () => {}));
  silent.listen(0, '127.0.0.1');
  await event(silent, 'listening');
  t.after(() => silent.close());
  const mute = (silent.address() as { port: number }).port;
  const health = { ...BALANCE_DEFAULTS.health, intervalMs: 50, recheckMs: 50, recheckMinMs: 20 };
  const check = { kind: 'http', method: 'HEAD', path: '/ready', status: [200, 299], timeoutMs: 200 } as const;
  const bench = await balanceWith(
    t,
    { health, check },
    `http://127.0.0.1:${port}`,
    `http://127.0.0.1:${mute}`,
  );
  const up = (): (boolean | undefined)[] => bench.balancer.stats().backends.map((each) => each.up);
  await eventually(() => up()[1] === false, 'the silent one to be out');
  assert.equal(up()[0], true);
  healthy = false;
  await eventually(() => up()[0] === false, 'the wrong status to be noticed');
  healthy = true;
  await eventually(() => up()[0] === true, 'it to be back');
  const reasons = bench.events.flatMap((each) => (each.type === 'backend.down' ? [each.reason] : []));
  assert.deepEqual(reasons, ['no answer in time', 'answered 404']);
  // Over TCP the silent one is there, and a port that nobody listens on is not.
  const tcp = { kind: 'tcp', timeoutMs: 200 } as const;
  const urls = [mute, await freePort()].map((each) => `http://127.0.0.1:${each}`);
  const plain = await balanceWith(t, { health, check: tcp }, ...urls);
  await eventually(() => plain.balancer.stats().backends[1]?.up === false, 'the closed port to be noticed');
  assert.equal(plain.balancer.stats().backends[0]?.up, true);
});

test('slow start gives a backend that came up little at first, and its whole share in the end', async (t) => {
  const port = await freePort();
  const steady = await backend(t);
  const bench = await balanceWith(t, { slowStartMs: 60_000 }, `http://127.0.0.1:${port}`, steady.url);
  await once(t, bench, get('/', CLOSE));
  const returned = await backend(t, () => HELLO, port);
  await eventually(() => bench.balancer.stats().backends[0]?.up === true, 'it to be up');
  const share = async (): Promise<number> => {
    const before = returned.requests.length;
    for (let sent = 0; sent < 40; sent += 1) await once(t, bench, get('/', CLOSE));
    return returned.requests.length - before;
  };
  assert.ok((await share()) <= 5);
  bench.skip(60_000);
  await eventually(() => bench.balancer.stats().backends[0]?.ramp === 1, 'its whole weight');
  assert.equal(await share(), 20);
});

test('repeats stop when their budget is used up, and what was never written is tried elsewhere all the same', async (t) => {
  const dying = await backend(t, () => null);
  const well = await backend(t);
  const outlier = { ...BALANCE_DEFAULTS.outlier, consecutive: 0 };
  const retry = { ratio: 0, perSecond: 0.3, windowMs: 10_000 };
  const bench = await balanceWith(t, { retry, outlier }, dying.url, well.url);
  const statuses: number[] = [];
  for (let sent = 0; sent < 20; sent += 1) statuses.push(statusOf(await once(t, bench, get('/', CLOSE))));
  assert.equal(statuses.filter((status) => status === 502).length, dying.requests.length - 3);
  await dying.kill();
  for (let sent = 0; sent < 4; sent += 1)
    assert.equal(statusOf(await once(t, bench, post('never written', CLOSE))), 200);
});
