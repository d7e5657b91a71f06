import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { edgeBalancer, tlsBalancer } from './balancer.edge.kit.ts';
import { fields, frame, GET, rawH2, TYPE, type RawH2 } from './balancer.h2.raw.ts';
import { backend, eventually, HELLO } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';
import { certificate } from './support/certificate.ts';

test('a client that always has a stream is sent elsewhere after a while, and an idle one with its next request', async (t) => {
  const back = await backend(t, ({ head }) => (head.path === '/held' ? undefined : HELLO));
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, responseMs: 600_000 };
  const bench = await edgeBalancer(t, { certificates: [made] }, [back.url], { timeouts });
  const begin = (): Promise<RawH2> => rawH2(t, bench.balancer.port, made.pem);
  const [busy, idle] = [await begin(), await begin()];
  busy.send(frame(TYPE.headers, 5, 1, fields(...GET.slice(0, 3), [':path', '/held'])));
  await eventually(() => back.heads === 1, 'a request that runs');
  void bench.balancer.drain();
  busy.send(frame(TYPE.headers, 5, 3, fields(...GET)));
  idle.send(frame(TYPE.headers, 5, 1, fields(...GET)));
  await eventually(() => busy.got(TYPE.data, 3) && idle.goaway === 0, 'both answers');
  assert.equal(busy.goaway, null);
  let skipped = 0;
  const later = (): boolean => {
    bench.skip(500);
    skipped += 500;
    return busy.goaway === 0;
  };
  await eventually(later, 'the word to the busy one');
  assert.ok(skipped >= 30_000 && !busy.got(TYPE.headers, 1), `after ${skipped} ms`);
  busy.socket.destroy();
});

test('a process that is replaced refuses no stream: its GOAWAY crosses nothing that a client may ask because of an answer', async (t) => {
  const held: Socket[] = [];
  const back = await backend(t, (_, socket) => void held.push(socket));
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  const ask = async (...streams: readonly number[]): Promise<void> => {
    const before = back.heads;
    raw.send(...streams.map((stream) => frame(TYPE.headers, 5, stream, fields(...GET))));
    await eventually(() => back.heads === before + streams.length, 'the requests');
  };
  const answer = async (): Promise<void> => {
    const datas = (): number => raw.frames.filter(({ type }) => type === TYPE.data).length;
    const before = datas();
    held.shift()?.write(HELLO);
    await eventually(() => datas() > before, 'an answer');
  };
  await ask(1, 3);
  void bench.balancer.drain();
  await answer();
  // The last stream ends, and what follows on the answer before it may be on its way.
  await answer();
  await ask(5);
  await answer();
  assert.equal(raw.goaway, null);
  // By now it would have come.
  bench.skip(1_100);
  await ask(7);
  await answer();
  await eventually(() => raw.goaway === 0, 'the GOAWAY');
  const said = raw.frames.find(({ type }) => type === TYPE.goaway);
  assert.equal(said?.payload.readUInt32BE(), 7);
});

test('who was idle at an upgrade is refused none of its first requests, however late they come', async (t) => {
  const back = await backend(t, () => undefined);
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  // Checks would not live through the leaps of the clock.
  const health = { ...BALANCE_DEFAULTS.health, intervalMs: 0 };
  const bench = await edgeBalancer(t, { certificates: [made] }, [back.url], { health });
  const raw = await rawH2(t, bench.balancer.port, made.pem);
  // Each of these is closed by a look at all connections: one has 10 s for its handshake, one 60 s without a request.
  const silent = connect(bench.balancer.port, '127.0.0.1');
  t.after(() => silent.destroy());
  const idle = await rawH2(t, bench.balancer.port, made.pem);
  const open = (): number => bench.balancer.stats().connections;
  await eventually(() => open() === 3, 'all three');
  void bench.balancer.drain();
  bench.skip(11_000);
  await eventually(() => open() === 2, 'a look while it is idle');
  bench.skip(40_000);
  raw.send(frame(TYPE.headers, 5, 1, fields(...GET)));
  await eventually(() => back.heads === 1, 'its first request');
  bench.skip(20_000);
  await eventually(() => open() === 1, 'a look while that runs');
  assert.deepEqual([raw.goaway, raw.closed, idle.closed], [null, false, true]);
  raw.send(frame(TYPE.headers, 5, 3, fields(...GET)));
  await eventually(() => back.heads === 2, 'its second request');
  raw.socket.destroy();
});

test('uploads that cross the GOAWAY are no flood: what runs beside them ends well', async (t) => {
  const held: Socket[] = [];
  const back = await backend(t, (_, socket) => void held.push(socket));
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const health = { ...BALANCE_DEFAULTS.health, intervalMs: 0 };
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, responseMs: 600_000 };
  const bench = await edgeBalancer(t, { certificates: [made] }, [back.url], { health, timeouts });
  const raw = await rawH2(t, bench.balancer.port, made.pem);
  // It is closed by a look at all connections, once it has been idle for a minute.
  const idle = await rawH2(t, bench.balancer.port, made.pem);
  raw.send(frame(TYPE.headers, 5, 1, fields(...GET)));
  await eventually(() => held.length === 1 && idle.got(TYPE.settings, 0), 'a request that runs');
  void bench.balancer.drain();
  const later = (): boolean => {
    bench.skip(500);
    return raw.goaway === 0;
  };
  await eventually(later, 'the GOAWAY');
  // All that the windows of our SETTINGS let it have sent before it read that: 8 streams of 128 KiB.
  const post = fields([':method', 'POST'], ...GET.slice(1), ['cookie', 'x'.repeat(120)]);
  for (let stream = 3; stream < 19; stream += 2) {
    raw.send(frame(TYPE.headers, 4, stream, post));
    for (let sent = 0; sent < 8; sent += 1) raw.send(frame(TYPE.data, 0, stream, Buffer.alloc(16_384, 'x')));
  }
  raw.send(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
  await eventually(() => raw.got(TYPE.ping, 0) || raw.closed, 'the answer to what came last');
  bench.skip(90_000);
  await eventually(() => idle.closed, 'a look at all');
  held[0]?.write(HELLO);
  await eventually(() => raw.got(TYPE.data, 1) || raw.closed, 'the answer');
  await eventually(() => bench.balancer.stats().active === 0, 'its end');
  const told = bench.events.flatMap((event): (string | number)[] =>
    event.type === 'balancer.request' ? [event.status] : event.type === 'error' ? [event.code] : [],
  );
  assert.deepEqual([raw.got(TYPE.data, 1), told], [true, [200]]);
  assert.equal(back.heads, 1, 'nothing of them was acted on');
});

test('a stream that comes in one piece with the one whose answer brings the GOAWAY is refused, not acted on', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  await eventually(() => raw.got(TYPE.settings, 0), 'its settings');
  void bench.balancer.drain();
  const options = [[':method', 'OPTIONS'] as const, ...GET.slice(1), ['max-forwards', '0'] as const];
  raw.send(
    Buffer.concat([frame(TYPE.headers, 5, 1, fields(...options)), frame(TYPE.headers, 5, 3, fields(...GET))]),
  );
  await raw.ends();
  const said = raw.frames.find(({ type }) => type === TYPE.goaway);
  assert.equal(said?.payload.readUInt32BE(), 1);
  assert.deepEqual([raw.got(TYPE.headers, 1), raw.got(TYPE.headers, 3), back.heads], [true, false, 0]);
});

test('an answer of our own without a body comes before the rest of the request is refused', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  const options = [[':method', 'OPTIONS'] as const, ...GET.slice(1), ['max-forwards', '0'] as const];
  // The stream stays open on the client's side.
  raw.send(frame(TYPE.headers, 4, 1, fields(...options)));
  await eventually(() => raw.got(TYPE.reset, 1), 'the end of the stream');
  assert.deepEqual(
    raw.frames.filter(({ stream }) => stream === 1).map(({ type, flags }) => [type, flags]),
    [
      [TYPE.headers, 5],
      [TYPE.reset, 0],
    ],
  );
});

test('such an answer is not taken back where others before it have not left', async (t) => {
  const size = 16 * 1024 * 1024;
  const sockets: Socket[] = [];
  const back = await backend(t, (_, socket) => {
    sockets.push(socket);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`;
  });
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  const window = Buffer.alloc(4);
  window.writeUInt32BE(2 ** 30);
  raw.socket.pause();
  raw.send(frame(TYPE.headers, 5, 1, fields(...GET)));
  raw.send(frame(TYPE.window, 0, 0, window), frame(TYPE.window, 0, 1, window));
  // All is full when nothing moves from one look to the next.
  let before = -1;
  const stuck = (): boolean => {
    const left = sockets[0]?.writableLength ?? -1;
    const same = left > 0 && left === before && bench.balancer.stats().active === 1;
    before = left;
    return same;
  };
  await eventually(() => stuck(), 'a client that takes no more');
  const options = [[':method', 'OPTIONS'] as const, ...GET.slice(1), ['max-forwards', '0'] as const];
  raw.send(frame(TYPE.headers, 4, 3, fields(...options)));
  await eventually(() => bench.balancer.stats().requests > 0, 'the answer of our own');
  raw.socket.resume();
  await eventually(() => raw.got(TYPE.reset, 3), 'the end of the stream');
  assert.ok(raw.got(TYPE.headers, 3), 'its answer came first');
  raw.socket.destroy();
});
