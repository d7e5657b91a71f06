import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backend } from '../../test/balancer.kit.ts';
import { backendLink } from './dial.ts';
import { Pool } from './pool.ts';
import type { Upstream, UpstreamUser } from './upstream.ts';

test('of idle connections the one that rested last is used first, and the one that rested longest is closed first', async (t) => {
  const { port, url } = await backend(t);
  const pool = new Pool(backendLink('127.0.0.1', port, { url, weight: 1, maxConnections: 0 }));
  t.after(() => pool.close());
  const user: UpstreamUser = {
    connected: () => {},
    received: () => {},
    writable: () => {},
    closed: () => {},
  };
  const open = (): Promise<Upstream> =>
    new Promise((resolve) => {
      const upstream: Upstream = pool.connect({ ...user, connected: () => resolve(upstream) }, null);
    });
  const all = [await open(), await open(), await open()];
  for (const [at, one] of all.entries()) pool.put(one, at);
  pool.closeOldest();
  assert.equal(pool.size, 2);
  const [, second, third] = all;
  assert.deepEqual(
    [pool.take(user) === third, pool.take(user) === second, pool.take(user)],
    [true, true, null],
  );
  for (const one of all) one.destroy();
  pool.closeOldest();
});
