import assert from 'node:assert/strict';
import test from 'node:test';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { createLibp2p } from 'libp2p';
import { startHost } from '../hosts.testkit.ts';

test('a peer that speaks Noise alone is linked to, from either side', async (t) => {
  for (const dials of ['peer', 'host']) {
    const host = await startHost(t);
    const peer = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { ping: ping() },
    });
    t.after(() => peer.stop());
    const [from, to] = dials === 'peer' ? [peer, host] : [host, peer];
    const connection = await from.dial(to.getMultiaddrs());
    assert.equal(connection.encryption, '/noise');
    assert.ok((await from.services.ping.ping(to.peerId)) >= 0);
  }
});
