import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { test } from 'node:test';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { BALANCER } from '../src/core/config.ts';
import { edgeBalancer } from './balancer.edge.kit.ts';
import { backend } from './balancer.kit.ts';
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
