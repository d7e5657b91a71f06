import assert from 'node:assert/strict';
import { once as event } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
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
  statusOf,
  type Bench,
} from './balancer.kit.ts';

/** Whom a request may reach where nobody is in service. */

/** One bad check decides, and what is down is not looked at again in the time of a test. */
const health = {
  ...BALANCE_DEFAULTS.health,
  fall: 1,
  intervalMs: 10,
  recheckMinMs: 3_600_000,
  recheckMs: 3_600_000,
};

/** A balancer whose only backend has refused a connection; what it is afterwards is up to the test. */
async function refused(t: TestContext, options = ''): Promise<{ bench: Bench; port: number }> {
  const port = await freePort();
  const bench = await balanceWith(t, { health }, `http://127.0.0.1:${port}${options}`);
  await eventually(() => bench.balancer.stats().backends[0]?.up === false, 'it to be down');
  return { bench, port };
}

test('a server that answers its checks with 503 is in maintenance: it gets no request at all', async (t) => {
  let asked = 0;
  const server = createServer(({ url }, response) => {
    const check = url === '/healthz';
    if (!check) asked += 1;
    response.writeHead(check ? 503 : 200).end();
  });
  server.listen(0, '127.0.0.1');
  await event(server, 'listening');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const bench = await balanceWith(t, { health }, `http://127.0.0.1:${port}`);
  await eventually(() => bench.balancer.stats().backends[0]?.up === false, 'it to be out of service');
  for (let sent = 0; sent < 3; sent += 1) {
    const answer = await once(t, bench, get('/', CLOSE));
    assert.equal(statusOf(answer), 503);
    assert.match(answer, /NO_SERVER/);
  }
  assert.equal(asked, 0);
});

test('a server that is back is asked between its first good check and the one that brings it back', async (t) => {
  const port = await freePort();
  const seldom = { ...health, rise: 1_000_000, recheckMinMs: 10, recheckMs: 10 };
  const bench = await balanceWith(t, { health: seldom }, `http://127.0.0.1:${port}`);
  await eventually(() => bench.balancer.stats().backends[0]?.up === false, 'it to be down');
  const back = await backend(t, () => HELLO, port);
  await eventually(() => back.heads > 2, 'good checks');
  assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 200);
  assert.equal(bench.balancer.stats().backends[0]?.up, false);
});

test('a server that refused and is being drained gets no request, although it is back', async (t) => {
  const { bench, port } = await refused(t);
  const back = await backend(t, () => HELLO, port);
  bench.balancer.backends.drain(`127.0.0.1:${port}`, true);
  assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 503);
  assert.equal(back.heads, 0);
  bench.balancer.backends.drain(`127.0.0.1:${port}`, false);
  assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 200);
});

test('a server that refused and is back gets no more than its max', async (t) => {
  const { bench, port } = await refused(t, ',max=1');
  const held: (() => void)[] = [];
  const back = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)), port);
  const first = client(t, bench).send(get('/first', CLOSE));
  await eventually(() => held.length === 1, 'the first to be under way');
  assert.equal(statusOf(await once(t, bench, get('/second', CLOSE))), 503);
  assert.equal(back.heads, 1);
  held[0]?.();
  assert.equal(statusOf(await first.closes()), 200);
});
