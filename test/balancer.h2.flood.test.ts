import assert from 'node:assert/strict';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import { backend, eventually, type TestBackend } from './balancer.kit.ts';
import { edgeBalancer, tlsBalancer, type EdgeBench } from './balancer.edge.kit.ts';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { certificate } from './support/certificate.ts';
import { temporaryFolder } from './support/basics.ts';
import { fields, frame, GET, rawH2, TYPE, type RawH2 } from './balancer.h2.raw.ts';

const MiB = 1024 * 1024;

interface Setting {
  readonly back: TestBackend;
  readonly bench: EdgeBench;
  readonly raw: RawH2;
  /** Another client is served as ever. */
  others(): Promise<void>;
}

async function setting(t: TestContext, answers = true): Promise<Setting> {
  const back = await backend(t, answers ? undefined : () => undefined);
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  return {
    back,
    bench,
    raw,
    others: async () => {
      const other = await rawH2(t, bench.balancer.port, ca);
      const heads = back.heads;
      other.send(frame(TYPE.headers, 5, 1, fields(...GET)));
      if (answers) await eventually(() => other.got(TYPE.data, 1), 'the answer to another client');
      else await eventually(() => back.heads > heads, 'the request of another client');
    },
  };
}

const told = ({ bench }: Setting): string[] =>
  bench.events.flatMap((event) =>
    event.type === 'error' && event.code === 'HTTP2_FLOOD' ? [event.detail] : [],
  );

test('rapid reset (CVE-2023-44487): the connection is ended, and few requests reached a backend', async (t) => {
  const set = await setting(t, false);
  const { raw, back } = set;
  let stream = -1;
  const block = fields(...GET);
  await raw.flood(() => {
    stream += 2;
    return Buffer.concat([
      frame(TYPE.headers, 5, stream, block),
      frame(TYPE.reset, 0, stream, Buffer.from([0, 0, 0, 8])),
    ]);
  }, 5 * MiB);
  await raw.ends();
  assert.ok(back.heads <= 260, `${back.heads} requests reached the backend`);
  await eventually(() => set.bench.balancer.stats().active === 0, 'nothing left running');
  await set.others();
});

test('streams that we are made to reset (CVE-2025-8671) count as much', async (t) => {
  const set = await setting(t, false);
  const { raw } = set;
  let stream = -1;
  const block = fields(...GET);
  // A WINDOW_UPDATE of zero is a stream error: the server resets the stream, and the work for it is done.
  await raw.flood(() => {
    stream += 2;
    return Buffer.concat([
      frame(TYPE.headers, 5, stream, block),
      frame(TYPE.window, 0, stream, Buffer.alloc(4)),
    ]);
  }, 5 * MiB);
  await raw.ends();
  assert.ok(set.back.heads <= 260, `${set.back.heads} requests reached the backend`);
  await set.others();
});

test('a flood of CONTINUATION frames is cut off early', async (t) => {
  const set = await setting(t);
  const { raw } = set;
  raw.send(frame(TYPE.headers, 1, 1, fields(...GET)));
  const more = frame(TYPE.continuation, 0, 1, fields(['x-a', 'a'.repeat(120)]));
  const sent = await raw.flood(() => more, 16 * MiB);
  await raw.ends();
  assert.ok(sent < 4 * MiB, `${sent} bytes were taken`);
  assert.equal(set.back.heads, 0);
  await set.others();
});

const FLOODS: Readonly<Record<string, () => Buffer>> = {
  PING: () => frame(TYPE.ping, 0, 0, Buffer.alloc(8)),
  SETTINGS: () => frame(TYPE.settings, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])),
  PRIORITY: () => frame(TYPE.priority, 0, 7, Buffer.from([0, 0, 0, 0, 1])),
  'WINDOW_UPDATE of the connection': () => frame(TYPE.window, 0, 0, Buffer.from([0, 0, 0, 1])),
  'frames of a kind that is not known': () => frame(0xee, 0, 0, Buffer.alloc(100)),
};
for (const [what, make] of Object.entries(FLOODS))
  test(`a flood of ${what} ends the connection`, async (t) => {
    const set = await setting(t);
    const { raw } = set;
    const many = Buffer.concat(Array.from({ length: 100 }, make));
    const sent = await raw.flood(() => many, 40 * MiB);
    await raw.ends();
    assert.ok(sent < 40 * MiB, 'it was not ended');
    await set.others();
  });

test('a flood of empty DATA frames ends the connection', async (t) => {
  const set = await setting(t, false);
  const { raw, back } = set;
  raw.send(frame(TYPE.headers, 4, 1, fields([':method', 'POST'], ...GET.slice(1))));
  await eventually(() => back.heads === 1, 'the request');
  const many = Buffer.concat(Array.from({ length: 100 }, () => frame(TYPE.data, 0, 1)));
  const sent = await raw.flood(() => many, 40 * MiB);
  await raw.ends();
  assert.ok(sent < 40 * MiB, 'it was not ended');
  await set.others();
});

test('more streams at once than are allowed are refused, and the others go on', async (t) => {
  const set = await setting(t, false);
  const { raw, back } = set;
  const block = fields(...GET);
  raw.send(...Array.from({ length: 120 }, (_, at) => frame(TYPE.headers, 5, 1 + 2 * at, block)));
  await eventually(() => raw.frames.filter(({ type }) => type === TYPE.reset).length === 20, 'the refusals');
  const codes = raw.frames
    .filter(({ type }) => type === TYPE.reset)
    .map(({ payload }) => payload.readUInt32BE());
  assert.deepEqual([...new Set(codes)], [constants.NGHTTP2_REFUSED_STREAM]);
  await eventually(() => back.heads === 100, 'the others');
  assert.equal(raw.closed, false);
});

test('a header list that is too large is refused', async (t) => {
  const set = await setting(t);
  const { raw, back } = set;
  const many = Array.from({ length: 120 }, (_, at) => [`x-${at}`, 'y'] as const);
  raw.send(frame(TYPE.headers, 5, 1, fields(...GET, ...many)));
  await eventually(() => raw.closed || raw.got(TYPE.reset, 1) || raw.got(TYPE.headers, 1), 'the refusal');
  assert.equal(back.heads, 0);
  await set.others();
});

test('what is no HTTP/2 ends the connection at once', async (t) => {
  const set = await setting(t);
  set.raw.send(Buffer.from('GET / HTTP/1.1\r\n\r\n'.repeat(10)));
  await set.raw.ends();
  await set.others();
});

test('bodies that wait for a server are no flood', async (t) => {
  // It answers nobody: one request is at it, and the others wait for their turn.
  const back = await backend(t, () => undefined);
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const queue = { ...BALANCE_DEFAULTS.queue, timeoutMs: 60_000, busyTimeoutMs: 60_000 };
  const servers = [{ url: back.url, maxConnections: 1 }];
  const bench = await edgeBalancer(t, { certificates: [made] }, servers, { queue });
  const raw = await rawH2(t, bench.balancer.port, made.pem);
  // A handshake that does not end is ended by a look at all connections.
  const looked = async (): Promise<void> => {
    const silent = connect(bench.balancer.port, '127.0.0.1');
    t.after(() => silent.destroy());
    const gone = once(silent, 'close');
    await eventually(() => bench.balancer.stats().connections === 2, 'the handshake');
    bench.skip(11_000);
    await gone;
  };
  const post = fields([':method', 'POST'], ...GET.slice(1));
  const streams = Array.from({ length: 40 }, (_, at) => 1 + 2 * at);
  raw.send(...streams.map((stream) => frame(TYPE.headers, 4, stream, post)));
  const waiting = (): number => bench.balancer.stats().queued;
  await eventually(() => waiting() === 39, 'all but one to wait');
  await looked();
  // In all twice what a connection's window and the burst of what is useless come to.
  for (let sent = 0; sent < 4; sent += 1)
    for (const stream of streams) raw.send(frame(TYPE.data, 0, stream, Buffer.alloc(16_000)));
  raw.send(frame(TYPE.reset, 0, streams.at(-1) ?? 0, Buffer.from([0, 0, 0, 8])));
  await eventually(() => waiting() === 38 || raw.closed, 'what came after all of that');
  await looked();
  assert.deepEqual([raw.closed, raw.goaway, waiting()], [false, null, 38]);
  raw.socket.destroy();
});

test('ordinary use is far from the limits: hundreds of requests, cancels and pings one after another', async (t) => {
  const set = await setting(t);
  const { raw } = set;
  const block = fields(...GET);
  for (let turn = 0; turn < 250; turn += 1) {
    const stream = 1 + 2 * turn;
    raw.send(frame(TYPE.headers, 5, stream, block));
    if (turn % 10 === 0) raw.send(frame(TYPE.reset, 0, stream, Buffer.from([0, 0, 0, 8])));
    else if (turn % 10 === 5) raw.send(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
    if (turn % 10 !== 0)
      await eventually(
        () => raw.frames.at(-1)?.stream === stream || raw.got(TYPE.data, stream),
        'the answer',
      );
  }
  assert.deepEqual([raw.closed, told(set)], [false, []]);
});
