import assert from 'node:assert/strict';
import test from 'node:test';
import type { Stream } from '@libp2p/interface';
import { startHost, until } from './hosts.testkit.ts';
import { closeIdle } from './idle.ts';

test('connections without a stream are closed, the rest and those within the bound stay for their time', async (t) => {
  const [hub, ...hosts] = [
    await startHost(t),
    await startHost(t),
    await startHost(t),
    await startHost(t),
    await startHost(t),
  ];
  assert.ok(hub !== undefined);
  const streams: Stream[] = [];
  await hub.handle('/keep/1', () => undefined);
  for (const [at, host] of hosts.entries()) {
    const connection = await host.dial(hub.getMultiaddrs());
    if (at === 0) streams.push(await connection.newStream('/keep/1'));
  }
  const open = (): number => hub.getConnections().length;
  await until('all are connected', () => open() === 4);
  const bounded = closeIdle({ sweepMs: 50, idleMs: 60_000, most: 2 })({ connectionManager: hub });
  await bounded.start?.();
  await until('one more than is kept is closed', () => open() === 3);
  await bounded.stop?.();
  const timed = closeIdle({ sweepMs: 50, idleMs: 300, most: 100 })({ connectionManager: hub });
  await timed.start?.();
  await until('all idle ones are closed', () => open() === 1);
  await timed.stop?.();
  assert.equal(streams[0]?.status, 'open');
});
