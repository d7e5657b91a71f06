import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Connection, Stream } from '@libp2p/interface';
import { BITSWAP } from '../src/core/config.ts';
import type { EventBody } from '../src/core/events.ts';
import { cidOf, RAW } from '../src/core/transfer/cid.ts';
import { BITSWAP_PROTOCOL, BITSWAP_PROTOCOL_OLD, type BitswapWant } from '../src/core/wire/bitswap.ts';
import { openLibrary } from '../src/library/library.ts';
import { Bitswap } from '../src/overlay/bitswap/bitswap.ts';
import { startHost } from '../src/overlay/hosts.testkit.ts';
import { afterwards, MiB, sample, settledFile, temporaryFolder, until } from './support/basics.ts';
import { BitswapPeer, say, want } from './support/bitswap-peer.ts';
import { startTestnet } from './testnet.ts';

const leaf = (bytes: Uint8Array): Uint8Array => cidOf(RAW, createHash('sha256').update(bytes).digest()).bytes;

/** A host that serves a folder with these files by bitswap, and whom it calls liars. */
async function serving(t: TestContext, files: Readonly<Record<string, Uint8Array>>) {
  const folder = await temporaryFolder(t);
  const [shared, data] = [join(folder, 'shared'), join(folder, 'data')];
  for (const path of [shared, data]) await mkdir(path);
  for (const [name, content] of Object.entries(files)) await settledFile(join(shared, name), content);
  const library = await openLibrary({ roots: [shared], dataDir: data, rescanMs: 0 });
  afterwards(t, () => library.close());
  await library.ready;
  const host = await startHost(t);
  const liars = new Map<string, string>();
  const events: EventBody[] = [];
  const bitswap = await Bitswap.start({
    host,
    blocks: library.blocks(),
    emit: (event) => events.push(event),
    who: 'x',
    now: () => performance.now(),
    refuses: () => false,
    liar: (peer, why) => liars.set(peer, why),
  });
  afterwards(t, () => bitswap.stop());
  return { host, bitswap, library, liars, events, shared, address: String(host.getMultiaddrs()[0]) };
}

async function asking(
  t: TestContext,
  address: string,
): Promise<{ peer: BitswapPeer; connection: Connection }> {
  const peer = await BitswapPeer.start();
  afterwards(t, () => peer[Symbol.asyncDispose]());
  return { peer, connection: await peer.dial(address) };
}

function leavesOf(bytes: Uint8Array): readonly BitswapWant[] {
  return Array.from({ length: bytes.length / MiB }, (_, at) =>
    want(leaf(bytes.subarray(at * MiB, (at + 1) * MiB))),
  );
}

const LARGE = sample(2 * MiB, 1);
const SMALL = sample(500, 2);
const FIRST = LARGE.subarray(0, MiB);

test('blocks, HAVE and DONT_HAVE are told as bitswap 1.2 says, and what was sent is reported', async (t) => {
  const { address, events, liars } = await serving(t, { 'large.bin': LARGE, 'small.bin': SMALL });
  const { peer, connection } = await asking(t, address);
  await say(connection, {
    wants: [
      want(leaf(FIRST)),
      want(leaf(SMALL), { kind: 'have' }),
      want(leaf(LARGE.subarray(MiB)), { kind: 'have' }),
      want(leaf(sample(9, 9))),
      want(leaf(sample(8, 8)), { sendDontHave: false }),
    ],
  });
  await until('two blocks', () => peer.blocks.length === 2 && peer.presences.length === 2);
  const hashes = (blocks: readonly Uint8Array[]): unknown =>
    new Set(blocks.map((block) => String(leaf(block))));
  assert.deepEqual(hashes(peer.blocks), hashes([FIRST, SMALL]));
  assert.deepEqual(
    new Set(peer.presences.map(({ cid, have }) => `${String(cid)} ${have}`)),
    new Set([`${String(leaf(LARGE.subarray(MiB)))} true`, `${String(leaf(sample(9, 9)))} false`]),
  );
  await until('reports', () => events.filter(({ type }) => type === 'file.sent').length === 2);
  assert.equal(liars.size, 0);
});

test('a peer of bitswap 1.1 gets blocks, and no words that it does not know', async (t) => {
  const { address } = await serving(t, { 'small.bin': SMALL });
  const peer = await BitswapPeer.start(BITSWAP_PROTOCOL_OLD);
  afterwards(t, () => peer[Symbol.asyncDispose]());
  const wants = [want(leaf(sample(9, 9))), want(leaf(SMALL))];
  await say(await peer.dial(address), { wants }, BITSWAP_PROTOCOL_OLD);
  await until('a block', () => peer.blocks.length === 1);
  assert.deepEqual(peer.presences, []);
});

test('a file that is shared no more, or changed, is not here', async (t) => {
  const { address, library, shared } = await serving(t, { 'large.bin': LARGE });
  const { peer, connection } = await asking(t, address);
  await settledFile(join(shared, 'large.bin'), sample(2 * MiB, 7));
  await say(connection, { wants: [want(leaf(FIRST))] });
  await until('told', () => peer.presences.length === 1);
  await library.rescan();
  await say(connection, { wants: [want(leaf(FIRST)), want(leaf(sample(2 * MiB, 7).subarray(0, MiB)))] });
  await until('told again', () => peer.presences.length === 2 && peer.blocks.length === 1);
  assert.ok(peer.presences.every(({ have }) => !have));
});

test('a node that was not asked to serve IPFS does not speak bitswap', async () => {
  await using net = await startTestnet(1, { files: { 0: { 'small.bin': SMALL } } });
  await using peer = await BitswapPeer.start();
  const connection = await peer.dial(net.node(0).overlay.addresses()[0] ?? '');
  await assert.rejects(connection.newStream(BITSWAP_PROTOCOL));
});

/** What is no bitswap, as it goes over the wire. */
const GARBAGE: Readonly<Record<string, Uint8Array>> = {
  'no protobuf': Uint8Array.of(4, 255, 255, 255, 255),
  'a message over the limit': Uint8Array.of(0x81, 0x80, 0x10),
  'a length without end': new Uint8Array(20).fill(0xff),
  'a want that is no CID': Uint8Array.of(7, 10, 5, 10, 3, 10, 1, 1),
};

test('garbage ends its stream and counts as a lie; others are served on', async (t) => {
  const { address, liars } = await serving(t, { 'small.bin': SMALL });
  for (const [what, bytes] of Object.entries(GARBAGE)) {
    const { peer, connection } = await asking(t, address);
    const stream = await say(connection, bytes);
    await until(what, () => stream.status !== 'open' && liars.has(peer.host.peerId.toString()));
  }
  const { peer, connection } = await asking(t, address);
  await say(connection, { wants: [want(leaf(SMALL))] });
  await until('served', () => peer.blocks.length === 1);
});

test('floods of wants and of bytes are cut off', async (t) => {
  const { address, bitswap, liars } = await serving(t, { 'small.bin': SMALL });
  const wants = Array.from({ length: 4_000 }, (_, at) =>
    want(leaf(sample(4, at)), { sendDontHave: at % 2 === 0 }),
  );
  const flood = async (message: Parameters<typeof say>[1]): Promise<void> => {
    const { peer, connection } = await asking(t, address);
    const id = peer.host.peerId.toString();
    for (let round = 0; round < 200 && !liars.has(id); round += 1) {
      const stream = await say(connection, message);
      await stream.close().catch(() => undefined);
    }
    await until('cut off', () => liars.has(id));
  };
  await flood({ wants });
  await flood({ blocks: [{ prefix: new Uint8Array(4), data: new Uint8Array(200_000) }] });
  assert.ok(bitswap.load.owed <= BITSWAP.maxQueued);
});

test('silent streams make way for others, and a peer that reads nothing holds up nobody', async (t) => {
  const large = sample(20 * MiB, 3);
  const { address } = await serving(t, { 'large.bin': large, 'small.bin': SMALL });
  const idle = await asking(t, address);
  const silent: Stream[] = [];
  for (let at = 0; at < BITSWAP.streamsPerPeer + 4; at += 1)
    silent.push(await say(idle.connection, Uint8Array.of(0x20, 1)));
  await until('the oldest end', () => silent.filter(({ status }) => status !== 'open').length >= 4);
  assert.ok(silent.filter(({ status }) => status === 'open').length >= 4);

  const deaf = await asking(t, address);
  await deaf.peer.host.unhandle(BITSWAP_PROTOCOL);
  await deaf.peer.host.handle(BITSWAP_PROTOCOL, (stream) => stream.pause());
  await say(deaf.connection, { wants: leavesOf(large) });
  const { peer, connection } = await asking(t, address);
  await say(connection, { wants: [want(leaf(SMALL))] });
  await until('served', () => peer.blocks.length === 1);
});

test('what a peer wanted is forgotten when it goes', async (t) => {
  const large = sample(20 * MiB, 4);
  const { address, bitswap } = await serving(t, { 'large.bin': large });
  const { peer, connection } = await asking(t, address);
  await peer.host.unhandle(BITSWAP_PROTOCOL);
  await peer.host.handle(BITSWAP_PROTOCOL, (stream) => stream.pause());
  await say(connection, { wants: leavesOf(large) });
  await until('owed', () => bitswap.load.owed > 0);
  await peer.host.stop();
  await until('forgotten', () => bitswap.load.peers === 0 && bitswap.load.owed === 0);
});
