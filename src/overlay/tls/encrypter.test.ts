import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { connect as connectTcp } from 'node:net';
import test, { type TestContext } from 'node:test';
import { yamux } from '@chainsafe/libp2p-yamux';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { ConnectionEncrypter, Libp2p, Stream } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { until } from '../hosts.testkit.ts';
import { createCertificate, peerOf } from './certificate.ts';
import { nativeTls, type EncrypterComponents } from './encrypter.ts';

const ECHO = '/test/echo/1.0.0';
const fallback = (): Promise<ConnectionEncrypter> => Promise.reject(new Error('no socket'));

type Kind = 'ours' | 'theirs';
const ENCRYPTERS: Record<Kind, (components: EncrypterComponents) => ConnectionEncrypter<unknown>> = {
  ours: nativeTls({ fallback }),
  theirs: (components) => tls()(components),
};

async function start(t: TestContext, kind: Kind, key: 'Ed25519' | 'secp256k1' = 'Ed25519'): Promise<Libp2p> {
  const host = await createLibp2p({
    privateKey: await generateKeyPair(key),
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [ENCRYPTERS[kind]],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
  t.after(() => host.stop());
  await host.handle(ECHO, (stream: Stream) => {
    stream.addEventListener('message', (event) => {
      stream.send(event.data);
    });
  });
  return host;
}

/** Sends `total` bytes to a peer that gives them back, and counts what comes. */
async function echo(from: Libp2p, to: Libp2p, total: number): Promise<void> {
  const connection = await from.dial(to.getMultiaddrs());
  assert.equal(connection.encryption, '/tls/1.0.0');
  assert.equal(connection.remotePeer.toString(), to.peerId.toString());
  const stream = await connection.newStream(ECHO);
  let at = 0;
  let wrong = 0;
  stream.addEventListener('message', (event) => {
    for (const byte of event.data instanceof Uint8Array ? event.data : event.data.subarray()) {
      if (byte !== at % 251) wrong += 1;
      at += 1;
    }
  });
  const bytes = new Uint8Array(total).map((_, index) => index % 251);
  for (let from = 0; from < total; from += 50_000)
    if (!stream.send(bytes.subarray(from, from + 50_000))) await stream.onDrain();
  await until('all came back', () => at >= total);
  assert.deepEqual([at, wrong], [total, 0]);
}

for (const [dialer, listener] of [
  ['ours', 'ours'],
  ['ours', 'theirs'],
  ['theirs', 'ours'],
] as const)
  test(`the encrypter speaks TLS as libp2p does, ${dialer} to ${listener}`, async (t) => {
    const [a, b] = [await start(t, dialer), await start(t, listener)];
    await echo(a, b, 3_000_000);
    assert.equal(b.getConnections()[0]?.remotePeer.toString(), a.peerId.toString());
  });

test('a peer with a secp256k1 key is known by it', async (t) => {
  const [a, b] = [await start(t, 'ours', 'secp256k1'), await start(t, 'ours')];
  await echo(a, b, 10);
  await echo(b, a, 10);
});

test('a dialled peer that proves to be another is refused', async (t) => {
  const [a, b, c] = [await start(t, 'ours'), await start(t, 'ours'), await start(t, 'ours')];
  const address = b.getMultiaddrs()[0]?.toString().replace(b.peerId.toString(), c.peerId.toString()) ?? '';
  await assert.rejects(a.dial(multiaddr(address)), /expected .* got|peer/i);
  assert.equal(a.getConnections().length, 0);
  await echo(a, b, 10);
});

test('an end is told on both sides, and a connection can be closed while bytes are under way', async (t) => {
  const [a, b] = [await start(t, 'ours'), await start(t, 'ours')];
  const connection = await a.dial(b.getMultiaddrs());
  const stream = await connection.newStream(ECHO);
  stream.send(new Uint8Array(200_000));
  await connection.close();
  assert.notEqual(connection.status, 'open');
  await until('the other side knows', () => b.getConnections().length === 0);
  await a.dial(b.getMultiaddrs());
  a.getConnections()[0]?.abort(new Error('test'));
  await until('the other side knows', () => b.getConnections().length === 0);
});

test('garbage in place of a handshake ends the connection and nothing else', async (t) => {
  const [a, b] = [await start(t, 'ours'), await start(t, 'ours')];
  const port = Number(b.getMultiaddrs()[0]?.toString().split('/')[4]);
  for (const garbage of ['\u0013/multistream/1.0.0\n\u000b/tls/1.0.0\n', '']) {
    const socket = connectTcp(port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.write(garbage);
    socket.end('\u0016\u0003\u0001nonsense that is no handshake');
    await until('closed', () => socket.destroyed);
  }
  await echo(a, b, 10);
});

const NOW = Date.UTC(2026, 5, 1);

test('a certificate proves the key that made it, for its time, and no other', async () => {
  for (const type of ['Ed25519', 'secp256k1', 'RSA'] as const) {
    const key = await generateKeyPair(type);
    const { cert } = await createCertificate(key, NOW);
    const { raw } = new X509Certificate(cert);
    assert.equal((await peerOf(raw, NOW)).toString(), peerIdFromPrivateKey(key).toString());
    await assert.rejects(peerOf(raw, NOW - 2 * 3_600_000), /not valid yet/);
    await assert.rejects(peerOf(raw, NOW + 101 * 366 * 86_400_000), /expired/);
  }
});

test('a certificate with any byte changed proves nothing', async () => {
  const key = await generateKeyPair('Ed25519');
  const { raw } = new X509Certificate((await createCertificate(key, NOW)).cert);
  const peer = peerIdFromPrivateKey(key).toString();
  for (let at = 0; at < raw.length; at += 1) {
    const changed = Uint8Array.from(raw);
    changed[at] = (changed[at] ?? 0) ^ 1;
    // Encodings differ that say the same; another peer than the true one must never come of it.
    const said = await peerOf(changed, NOW).then(String, () => 'refused');
    assert.ok(said === 'refused' || said === peer, `byte ${at}: ${said}`);
    await assert.rejects(peerOf(raw.subarray(0, at), NOW));
  }
});
