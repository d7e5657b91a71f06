import assert from 'node:assert/strict';
import { createServer as createHttp } from 'node:http';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { KelanaError } from '../src/core/errors.ts';
import { encodeFrame } from '../src/core/wire/frames.ts';
import { delimit } from '../src/core/wire/lengths.ts';
import { createHost } from '../src/overlay/host.ts';
import { LINK_VERSION } from '../src/overlay/link.ts';
import { sample, until, within } from './support/basics.ts';
import { Hostile } from './support/hostile.ts';
import { link, search, startTestnet, type Testnet } from './testnet.ts';

const ID = 'ab'.repeat(16);

/** Three honest nodes in a line still answer as they should. */
async function stillWell(net: Testnet): Promise<void> {
  const there = await search(net.node(0).overlay, 'a.txt');
  assert.equal(there.outcome.verdict, 'found');
  assert.equal((await search(net.node(0).overlay, 'tidak-ada')).outcome.verdict, 'absent');
}

const honest = (): Promise<Testnet> => startTestnet(3, { files: { 2: { 'a.txt': 'a' } } });

async function listening(t: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('garbage over TCP, half a handshake and a TLS client that is no libp2p do a node no harm', async () => {
  await using net = await honest();
  const { port } = net.node(1).overlay;
  const inputs: readonly (string | Uint8Array)[] = [
    sample(100_000, 3),
    new Uint8Array(5_000),
    'GET / HTTP/1.1\r\nHost: x\r\n\r\n',
    '\x13/multistream/1.0.0\n',
    '\x13/multistream/1.0.0\n\xff\xff\xff\xff\x0f',
    '\x13/multistream/1.0.0\n\x05/tls\n',
  ];
  for (const input of inputs) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    await within('sent', new Promise((done) => socket.write(input, () => done(null))));
    socket.destroySoon();
  }
  const secure = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  await within('TLS refused', new Promise((done) => secure.once('error', done).once('close', done)));
  await stillWell(net);
});

test('an address behind which no kelana node answers is told as such, and not as absent', async (t) => {
  await using net = await startTestnet(1);
  const { overlay } = net.node(0);
  const web = createHttp((_, response) => response.end('hello'));
  const ssh = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'));
  const shut = createServer((socket) => socket.destroy());
  for (const server of [web, ssh, shut]) {
    const address = await listening(t, server);
    await assert.rejects(overlay.addPeer(address, AbortSignal.timeout(8_000)), (thrown) => {
      assert.ok(thrown instanceof KelanaError);
      assert.equal(thrown.code, 'NOT_KELANA', thrown.message);
      assert.match(thrown.describe('id').says, new RegExp(address.replaceAll('.', '\\.')));
      return true;
    });
    await overlay.removePeer(address);
  }
  const other = await createHost({
    key: await generateKeyPair('Ed25519'),
    host: '127.0.0.1',
    port: 0,
    flag: '',
  });
  t.after(() => other.stop());
  const port = /\/tcp\/(\d+)/.exec(String(other.getMultiaddrs()[0]))?.[1] ?? '';
  await assert.rejects(overlay.addPeer(`127.0.0.1:${port}`, AbortSignal.timeout(8_000)), {
    code: 'NOT_KELANA',
  });
});

test('with 200 silent connections held open, honest dials still succeed', async (t) => {
  await using net = await startTestnet(1);
  const { port, peerId } = net.node(0).overlay;
  const silent = new Set<Socket>();
  let holding = true;
  // From an address of its own, as an attacker has, and opened again as soon as the node drops one.
  const hold = (): void => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.66' });
    silent.add(socket.on('error', () => undefined).resume());
    socket.on('close', () => silent.delete(socket) && holding && setTimeout(hold, 10));
  };
  t.after(() => {
    holding = false;
    for (const socket of silent) socket.destroy();
  });
  for (let at = 0; at < 200; at += 1) hold();
  await until('all are open', () => [...silent].filter((socket) => !socket.connecting).length >= 200);
  await using dialler = await Hostile.start();
  let succeeded = 0;
  for (let at = 0; at < 40; at += 1) {
    const opened = await dialler.dial(`127.0.0.1:${port}`).catch(() => null);
    if (opened?.heard[0]?.type === 'hello') succeeded += 1;
    await dialler.host.hangUp(dialler.host.getPeers()[0] ?? dialler.host.peerId);
  }
  assert.ok(silent.size >= 190, `${silent.size} are held`);
  assert.ok(succeeded >= 39, `${succeeded} of 40 dials of ${peerId} succeeded`);
});

const HELLO = { type: 'hello', version: LINK_VERSION, label: 'x', port: 1, addresses: [], bits: 0 } as const;
const VISIT = {
  type: 'visit',
  id: ID,
  query: { kind: 'name', name: 'a.txt' },
  hops: 1,
  remainingMs: 5_000,
  without: [],
} as const;

/** What a neighbour may not send, each with whether hello came first. */
const BREACHES: readonly (readonly [string, Uint8Array, boolean])[] = [
  ['garbage', sample(2_000, 9), true],
  ['an empty frame', Uint8Array.of(0), true],
  ['a frame of an unknown kind', delimit(Uint8Array.of(0x7a, 0)), true],
  ['a length over the limit', Uint8Array.of(0xff, 0xff, 0xff, 0x7f), true],
  ['a length that never ends', Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff), true],
  ['a frame cut in the middle', delimit(encodeFrame(VISIT).subarray(0, 20)), true],
  ['a second hello', delimit(encodeFrame(HELLO)), true],
  ['a visit before hello', delimit(encodeFrame(VISIT)), false],
  ['a hello of version 0', delimit(encodeFrame({ ...HELLO, version: 0 })), false],
  ['a hello of an earlier version', delimit(encodeFrame({ ...HELLO, version: 1 })), false],
  ['a hello of a later version', delimit(encodeFrame({ ...HELLO, version: 3 })), false],
  ['a hello of the last version', delimit(encodeFrame({ ...HELLO, version: 4_294_967_295 })), false],
  ['a port that is none', delimit(encodeFrame({ ...HELLO, port: 70_000 })), false],
  ['a query id that is none', delimit(Uint8Array.of(0x12, 5, 0x0a, 3, 0x2e, 0x2e, 0x2f)), true],
  [
    'a query that is too long',
    delimit(encodeFrame({ ...VISIT, query: { kind: 'name', name: 'x'.repeat(2_000) } })),
    true,
  ],
];

test('a neighbour that breaks the protocol loses its link, and nobody else loses anything', async (t) => {
  await using net = await honest();
  await using hostile = await Hostile.start();
  for (const [what, bytes, hello] of BREACHES) {
    await t.test(what, async () => {
      const opened = await hostile.dial(net.node(1).address, hello);
      opened.say(bytes);
      await until('the link is closed', () => opened.closed());
      await until('only honest neighbours', () => net.node(1).overlay.neighbours().length === 2);
    });
  }
  await stillWell(net);
});

test('half a frame and then silence, and half a frame and then the end, hold up no search', async () => {
  await using net = await honest();
  await using hostile = await Hostile.start();
  const opened = await hostile.dial(net.node(1).address);
  opened.say(delimit(encodeFrame(VISIT)).subarray(0, 15));
  await link(net.node(0), net.node(2));
  const { outcome } = await search(net.node(2).overlay, 'tidak-ada', { timeoutMs: 1_000 });
  // It took the token and kept it: the answer says so instead of absent.
  assert.equal(outcome.verdict, 'incomplete');
  opened.stream.abort(new Error('gone'));
  await until('gone', () => net.node(1).overlay.neighbours().length === 2);
  await stillWell(net);
});

test('answers to questions that nobody asked are ignored', async () => {
  await using net = await honest();
  await using hostile = await Hostile.start();
  const opened = await hostile.dial(net.node(1).address);
  opened.say({
    type: 'return',
    id: ID,
    seen: false,
    asked: 9,
    messages: 9,
    missingCount: 0,
    missing: [],
    hits: [hostile.hit({})],
    trail: [],
    debt: 0,
  });
  opened.say({ type: 'cancel', id: ID });
  opened.say({ type: 'ping', nonce: 7 });
  await until('a pong', () => opened.heard.some((frame) => frame.type === 'pong'));
  assert.equal(opened.closed(), false);
});

test('a flood of queries from one neighbour leaves the others their answers', async () => {
  await using net = await honest();
  await using hostile = await Hostile.start({
    onFrame: (frame, say) => {
      if (frame.type === 'visit')
        say({
          type: 'return',
          id: frame.id,
          seen: true,
          asked: 0,
          messages: 1,
          missingCount: 0,
          missing: [],
          hits: [],
          trail: [],
          debt: 0,
        });
    },
  });
  const opened = await hostile.dial(net.node(1).address);
  for (let at = 0; at < 3_000; at += 1) {
    const id = at.toString(16).padStart(32, '0');
    opened.say({ ...VISIT, id, query: { kind: 'name', name: `banjir-${at}` }, remainingMs: 600_000 });
    if (at % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await stillWell(net);
});
