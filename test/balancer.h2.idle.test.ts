import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { BALANCER } from '../src/core/config.ts';
import { edgeBalancer, tlsBalancer } from './balancer.edge.kit.ts';
import { fields, frame, GET, rawH2, TYPE } from './balancer.h2.raw.ts';
import { backend, eventually } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';
import { certificate } from './support/certificate.ts';

test('--idle-timeout also ends an HTTP/2 connection that has no stream', { timeout: 5_000 }, async (t) => {
  const { url } = await backend(t);
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, idleMs: 5_000 };
  const bench = await edgeBalancer(t, { certificates: [made] }, [url], { timeouts });
  const at = `https://127.0.0.1:${bench.balancer.port}`;
  const client = connect(at, { ca: made.pem, servername: 'kelana.test' });
  t.after(() => client.destroy());
  client.on('error', () => {});
  await once(client.request({ ':authority': 'kelana.test', ':path': '/' }).resume(), 'close');
  assert.ok(timeouts.idleMs + 1_000 < BALANCER.clientIdleMs);
  bench.skip(timeouts.idleMs + 1_000);
  await once(client, 'close');
});

test('a session that is over gives its place back, though its client reads nothing and what was written never leaves', async (t) => {
  const size = 16 * 1024 * 1024;
  const back = await backend(
    t,
    () => `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`,
  );
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  raw.socket.pause();
  const window = Buffer.alloc(4);
  window.writeUInt32BE(2 ** 30);
  raw.send(frame(TYPE.headers, 5, 1, fields(...GET)));
  raw.send(frame(TYPE.window, 0, 0, window), frame(TYPE.window, 0, 1, window));
  // Enough to fill both sockets, and more.
  await eventually(() => back.heads === 1, 'the request');
  await raw.flood(() => frame(TYPE.ping, 0, 0, Buffer.alloc(8)), 64 * 1024);
  await eventually(() => bench.events.some((event) => event.type === 'error'), 'the end of the session');
  assert.equal(bench.balancer.stats().connections, 1);
  bench.skip(BALANCER.lingerMs);
  await eventually(() => bench.balancer.stats().connections === 0, 'its place');
});
