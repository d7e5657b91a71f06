import assert from 'node:assert/strict';
import { connect, type AddressInfo, type Socket } from 'node:net';
import test from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { OVERLAY } from '../../core/config.ts';
import { createHost } from '../host.ts';

/** Turns of the event loop until it holds; no clock, which the test has in its hand. */
async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; turns < 200_000 && !condition(); turns += 1)
    await new Promise((resolve) => setImmediate(resolve));
  assert.ok(condition());
}

test('of silent connections the oldest make way, and the others have only so long', async (t) => {
  const host = await createHost({
    key: await generateKeyPair('Ed25519'),
    host: '127.0.0.1',
    port: 0,
    flag: '',
  });
  const port = Number(/\/tcp\/(\d+)/.exec(String(host.getMultiaddrs()[0]))?.[1]);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const sockets: Socket[] = [];
  try {
    for (let at = 0; at < OVERLAY.maxPendingInbound + 2; at += 1) {
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      sockets.push(socket.resume());
      await until(() => (socket.address() as Partial<AddressInfo>).port !== undefined && !socket.connecting);
    }
    await until(() => sockets[0]?.destroyed === true && sockets[1]?.destroyed === true);
    assert.equal(sockets.filter(({ destroyed }) => destroyed).length, 2);
    t.mock.timers.tick(OVERLAY.upgradeTimeoutMs);
    await until(() => sockets.every(({ destroyed }) => destroyed));
  } finally {
    t.mock.timers.reset();
    for (const socket of sockets) socket.destroy();
    await host.stop();
  }
});
