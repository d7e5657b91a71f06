import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { EDGE } from '../src/core/config.ts';
import { edgeBalancer, tlsBalancer, type EdgeBench } from './balancer.edge.kit.ts';
import { fields, frame, GET, rawH2, TYPE, type RawH2 } from './balancer.h2.raw.ts';
import { backend, eventually, HELLO, type TestBackend } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';
import { certificate } from './support/certificate.ts';

/** What becomes of an HTTP/2 connection of which streams were refused, cut or answered early. */

const UPLOAD = fields([':method', 'POST'], ...GET.slice(1));
/** Answered here, and without a body. */
const OPTIONS = fields([':method', 'OPTIONS'], ...GET.slice(1), ['max-forwards', '0']);

/** A balancer whose clock may leap: without checks of its backend, which would not live through that. */
async function leaping(
  t: TestContext,
  back: TestBackend,
): Promise<{ readonly bench: EdgeBench; readonly raw: RawH2 }> {
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const health = { ...BALANCE_DEFAULTS.health, intervalMs: 0 };
  // Nor is a client ended for what this is not about: to have no stream, or none that is answered.
  const long = { responseMs: 600_000, idleMs: 1_000_000_000 };
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, ...long };
  const bench = await edgeBalancer(t, { certificates: [made] }, [back.url], { health, timeouts });
  return { bench, raw: await rawH2(t, bench.balancer.port, made.pem) };
}

test('uploads that are refused, as others that were taken back still wait, are no flood', async (t) => {
  // It answers nobody: one request is at it, and the others wait for their turn.
  const back = await backend(t, () => undefined);
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const queue = { ...BALANCE_DEFAULTS.queue, timeoutMs: 60_000, busyTimeoutMs: 60_000 };
  const servers = [{ url: back.url, maxConnections: 1 }];
  const bench = await edgeBalancer(t, { certificates: [made] }, servers, { queue });
  const raw = await rawH2(t, bench.balancer.port, made.pem);
  // A handshake that does not end is ended by a look at all connections.
  const silent = connect(bench.balancer.port, '127.0.0.1');
  t.after(() => silent.destroy());
  const held = Array.from({ length: EDGE.h2Streams }, (_, at) => 1 + 2 * at);
  for (const stream of held)
    raw.send(frame(TYPE.headers, 4, stream, UPLOAD), frame(TYPE.data, 0, stream, Buffer.alloc(100, 'x')));
  const { balancer } = bench;
  await eventually(() => balancer.stats().queued === EDGE.h2Streams - 1, 'all but one to wait');
  // Without a fault: what came of them may still be read.
  raw.send(...held.map((stream) => frame(TYPE.reset, 0, stream, Buffer.alloc(4))));
  const count = EDGE.h2ConnectionWindowBytes / EDGE.h2WindowBytes;
  const more = Array.from({ length: count }, (_, at) => 1 + 2 * (EDGE.h2Streams + at));
  raw.send(...more.map((stream) => frame(TYPE.headers, 4, stream, UPLOAD)));
  // One place is free again: that of the request that the backend has.
  const refused = more.slice(1);
  await eventually(() => refused.every((stream) => raw.got(TYPE.reset, stream)), 'the refusals');
  bench.skip(11_000);
  await once(silent, 'close');
  // What the windows let it send before it heard of that.
  for (const stream of refused)
    for (let sent = 0; sent < EDGE.h2WindowBytes; sent += 16_384)
      raw.send(frame(TYPE.data, 0, stream, Buffer.alloc(16_384, 'x')));
  raw.send(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
  await eventually(() => raw.got(TYPE.ping, 0) || raw.closed, 'the answer to what came last');
  const other = connect(bench.balancer.port, '127.0.0.1');
  t.after(() => other.destroy());
  await eventually(() => balancer.stats().connections === 2, 'another connection');
  bench.skip(11_000);
  await once(other, 'close');
  assert.deepEqual([raw.closed, raw.goaway], [false, null]);
  raw.socket.destroy();
});

test('a stream that was answered before all of it came is gone at once, and others have its place', async (t) => {
  // No look at all connections comes and clears up.
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { bench, ca } = await tlsBalancer(t, {}, (await backend(t)).url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  const body = frame(TYPE.data, 0, 1, Buffer.alloc(1_000, 'x'));
  const ask = (stream: number): void => {
    body.writeUInt32BE(stream, 5);
    raw.send(frame(TYPE.headers, 4, stream, OPTIONS), Buffer.from(body));
  };
  const streams = Array.from({ length: EDGE.h2Streams }, (_, at) => 1 + 2 * at);
  for (const stream of streams) ask(stream);
  await eventually(() => streams.every((stream) => raw.got(TYPE.reset, stream)), 'all answers');
  for (let stream = 1 + 2 * EDGE.h2Streams, turns = 0; turns < 20; stream += 2, turns += 1) {
    ask(stream);
    await eventually(() => raw.got(TYPE.reset, stream), 'an answer');
    if (raw.got(TYPE.headers, stream)) return;
  }
  assert.fail('all places are taken by streams that were answered');
});

test('a request that follows on an answer makes up for it: the next answer may bring the GOAWAY', async (t) => {
  const held: Socket[] = [];
  const back = await backend(t, (_, socket) => void held.push(socket));
  const { bench, raw } = await leaping(t, back);
  const ask = async (stream: number): Promise<void> => {
    raw.send(frame(TYPE.headers, 5, stream, fields(...GET)));
    await eventually(() => held.length === 1, 'the request');
  };
  const answer = async (stream: number): Promise<void> => {
    held.shift()?.write(HELLO);
    await eventually(() => raw.got(TYPE.data, stream), 'the answer');
  };
  await ask(1);
  await answer(1);
  void bench.balancer.drain();
  await ask(3);
  await answer(3);
  await eventually(() => raw.goaway === 0, 'the GOAWAY');
});

test('what was written for a stream that is gone, and does not leave, keeps its connection no longer than a body may', async (t) => {
  const size = 16 * 1024 * 1024;
  const sockets: Socket[] = [];
  const back = await backend(t, (_, socket) => {
    sockets.push(socket);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`;
  });
  const { bench, raw } = await leaping(t, back);
  const window = Buffer.alloc(4);
  window.writeUInt32BE(2 ** 30);
  raw.socket.pause();
  raw.send(frame(TYPE.headers, 5, 1, fields(...GET)));
  raw.send(frame(TYPE.window, 0, 0, window), frame(TYPE.window, 0, 1, window));
  // All is full when nothing moves for some looks.
  let [before, same] = [-1, 0];
  const stuck = (): boolean => {
    const left = sockets[0]?.writableLength ?? -1;
    same = left > 0 && left === before ? same + 1 : 0;
    before = left;
    return same > 20;
  };
  await eventually(() => stuck(), 'a client that takes no more');
  raw.send(frame(TYPE.reset, 0, 1, Buffer.from([0, 0, 0, 8])));
  await eventually(() => bench.balancer.stats().active === 0, 'the end of the stream');
  const later = (): boolean => {
    bench.skip(BALANCE_DEFAULTS.timeouts.bodyMs);
    return bench.balancer.stats().connections === 0;
  };
  await eventually(later, 'the end of the connection');
});
