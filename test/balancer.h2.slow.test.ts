import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { EDGE } from '../src/core/config.ts';
import { edgeBalancer, type EdgeBench } from './balancer.edge.kit.ts';
import { fields, frame, GET, rawH2, TYPE, type RawH2 } from './balancer.h2.raw.ts';
import { backend, eventually } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';
import { certificate } from './support/certificate.ts';

const SIZE = 1_000_000;
/** What RFC 9113 section 6.9.2 lets a server send before any WINDOW_UPDATE. */
const FIRST_WINDOW = 65_535;

interface Slow {
  readonly bench: EdgeBench;
  readonly raw: RawH2;
  /** Bytes of bodies that came. */
  readonly came: () => number;
  /** Lets so many bytes more come on this stream, and waits for them. */
  readonly read: (stream: number, bytes: number) => Promise<void>;
  /** So much later, once all connections were looked at. */
  readonly later: (ms: number) => Promise<void>;
}

/** A client that has read what it may without asking for more, of so many streams. */
async function slow(t: TestContext, streams: number): Promise<Slow> {
  const back = await backend(
    t,
    () => `HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n${'x'.repeat(SIZE)}`,
  );
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const health = { ...BALANCE_DEFAULTS.health, intervalMs: 0 };
  const bench = await edgeBalancer(t, { certificates: [made] }, [back.url], { health });
  const raw = await rawH2(t, bench.balancer.port, made.pem);
  const came = (): number =>
    raw.frames.reduce((sum, one) => sum + (one.type === TYPE.data ? one.payload.length : 0), 0);
  const grant = (stream: number, bytes: number): Buffer => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(bytes);
    return frame(TYPE.window, 0, stream, size);
  };
  raw.send(grant(0, FIRST_WINDOW * (streams - 1) + 1));
  for (let at = 0; at < streams; at += 1) raw.send(frame(TYPE.headers, 5, 1 + 2 * at, fields(...GET)));
  await eventually(() => came() === FIRST_WINDOW * streams, 'the first windows');
  return {
    bench,
    raw,
    came,
    read: async (stream, bytes) => {
      const before = came();
      raw.send(grant(0, bytes), grant(stream, bytes));
      await eventually(() => came() === before + bytes || raw.closed, 'the bytes');
    },
    later: async (ms) => {
      // It does no handshake, and so is ended by a look at all connections.
      const silent = connect(bench.balancer.port, '127.0.0.1');
      t.after(() => silent.destroy());
      const gone = once(silent, 'close');
      await eventually(() => bench.balancer.stats().connections === 2, 'the handshake');
      bench.skip(ms);
      await gone;
      await eventually(() => bench.balancer.stats().connections === 1, 'its end');
    },
  };
}

test('who reads steadily is not cut off, however little of a stream comes in --body-timeout', async (t) => {
  const { bench, raw, came, read, later } = await slow(t, 1);
  // 200 bytes a second: a piece takes longer than --body-timeout.
  for (let turn = 0; turn < 6; turn += 1) {
    await read(1, 5_000);
    await later(25_000);
  }
  assert.deepEqual([raw.got(TYPE.reset, 1), came()], [false, FIRST_WINDOW + 30_000]);
  // Nothing is read any longer.
  await later(31_000);
  await later(31_000);
  await eventually(() => raw.got(TYPE.reset, 1), 'the end of the stream');
  const told = bench.events.flatMap((event) => (event.type === 'balancer.request' ? [event.cut] : []));
  assert.deepEqual(told, [true]);
});

test('a stream that is not read beside one that is has ten times as long, and no more', async (t) => {
  const { raw, read, later } = await slow(t, 2);
  let waited = 0;
  while (!raw.got(TYPE.reset, 1) && waited < 600_000) {
    await read(3, 5_000);
    await later(29_000);
    waited += 29_000;
  }
  const most = EDGE.h2PieceTimes * BALANCE_DEFAULTS.timeouts.bodyMs;
  assert.ok(waited > most && waited < most + 90_000, `after ${waited} ms`);
  assert.equal(raw.got(TYPE.reset, 3), false);
  raw.socket.destroy();
});

test('an answer of our own is not cut off either while its client reads', async (t) => {
  const { raw, read, later } = await slow(t, 1);
  // No window for what comes next.
  raw.send(frame(TYPE.settings, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
  const trace = [[':method', 'TRACE'] as const, ...GET.slice(1), ['max-forwards', '0'] as const];
  raw.send(frame(TYPE.headers, 5, 3, fields(...trace, ['accept', 'x'.repeat(120)])));
  await eventually(() => raw.got(TYPE.headers, 3), 'the head of the answer');
  for (let turn = 0; turn < 3; turn += 1) {
    await read(3, 20);
    await later(25_000);
  }
  assert.equal(raw.got(TYPE.reset, 3), false);
  await later(31_000);
  await later(31_000);
  await eventually(() => raw.got(TYPE.reset, 3), 'the end of what is read no longer');
});
