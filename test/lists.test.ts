import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { LISTS } from '../src/core/config.ts';
import type { Holding, Provider } from '../src/core/ports.ts';
import { delimit, FrameSplitter } from '../src/core/wire/lengths.ts';
import { decodeListPage, encodeListAsk, encodeListPage } from '../src/core/wire/list.ts';
import { LIST_PROTOCOL, Lists } from '../src/overlay/lists/lists.ts';
import { Turns } from '../src/overlay/turns.ts';
import { until } from './support/basics.ts';
import { Hostile } from './support/hostile.ts';
import { startTestnet, type Testnet, type TestNode } from './testnet.ts';

const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';

async function list(
  from: TestNode,
  of: Provider,
  signal = AbortSignal.timeout(20_000),
): Promise<readonly Holding[]> {
  const found: Holding[] = [];
  for await (const page of from.overlay.list(of, signal)) found.push(...page.entries);
  return found;
}

const asProvider = ({ overlay }: TestNode): Provider => ({
  peer: overlay.peerId,
  label: overlay.label,
  addresses: overlay.addresses(),
});

async function testnet(
  t: TestContext,
  count: number,
  files: Readonly<Record<string, string>> = {},
): Promise<Testnet> {
  const net = await startTestnet(count, { topology: [], files: { 1: files } });
  t.after(() => net.close());
  return net;
}

test('a node lists what another shares, files and folders, without being its neighbour', async (t) => {
  const files = { 'b.txt': 'b', 'foto/a.jpg': 'a', 'foto/lama/z.jpg': 'z', 'é 語.txt': 'x' };
  const net = await testnet(t, 2, files);
  const [asker, holder] = [net.node(0), net.node(1)];
  const listed = await list(asker, asProvider(holder));
  assert.deepEqual(
    listed.map(({ name, kind }) => (kind === 'folder' ? `${name}/` : name)),
    ['b.txt', 'foto/', 'foto/a.jpg', 'foto/lama/', 'foto/lama/z.jpg', 'shared/', 'é 語.txt'],
  );
  const own = [...holder.library.list(), ...holder.library.folders()];
  for (const entry of listed)
    assert.deepEqual(
      entry,
      own.find(({ name, cid }) => name === entry.name && cid === entry.cid),
    );
  assert.deepEqual(
    (await list(holder, asProvider(asker))).map(({ name, files: count }) => [name, count]),
    [['shared', 0]],
  );
});

const entry = (name: string): Holding => ({ name, size: 1, cid: CID });

/** The service alone, between two hosts: what one shares, as the other is told. */
async function between(t: TestContext, shared: readonly Holding[], maxEntries?: number) {
  const start = async (list: readonly Holding[]) => {
    const host = await Hostile.start();
    t.after(() => host[Symbol.asyncDispose]());
    const now = (): number => performance.now();
    const lists = await Lists.start({
      host: host.host,
      source: { list: () => list, scanning: () => true },
      now,
      refuses: () => false,
      turns: new Turns({ now, limit: () => null }),
      ...(maxEntries === undefined ? {} : { maxEntries }),
    });
    t.after(() => lists.stop());
    return { host, lists };
  };
  const [{ lists: asker }, { host, lists: holder }] = [await start([]), await start(shared)];
  return { asker, holder, host, of: { peer: host.peerId, label: host.address, addresses: host.addresses } };
}

test('a list of several pages comes whole, and who stops reading it ends it', async (t) => {
  const names = Array.from({ length: 20_000 }, (_, at) => `${'panjang '.repeat(5)}${at}.txt`);
  const { asker, holder, of } = await between(t, names.map(entry));
  const read = async (signal: AbortSignal, page: () => void = () => undefined) => {
    const found: Holding[] = [];
    for await (const { entries, scanning } of asker.pages(of, signal)) {
      assert.ok(scanning);
      found.push(...entries);
      page();
    }
    return found;
  };
  const signal = AbortSignal.timeout(20_000);
  assert.deepEqual(await read(signal), names.toSorted().map(entry));
  await until('its stream ended', () => holder.open === 0);
  for await (const page of asker.pages(of, signal)) {
    assert.ok(page.more);
    break;
  }
  await until('its stream ended too', () => holder.open === 0);
  const stop = new AbortController();
  await assert.rejects(read(stop.signal, () => stop.abort()));
  assert.equal((await read(signal)).length, names.length);
});

test('nobody there, nobody known, and who gives no lists are told apart', async (t) => {
  const net = await testnet(t, 1);
  const stranger = await Hostile.start();
  t.after(() => stranger[Symbol.asyncDispose]());
  const of = { peer: stranger.peerId, label: stranger.address, addresses: stranger.addresses };
  await assert.rejects(list(net.node(0), of), { code: 'NOT_KELANA' });
  await stranger.host.stop();
  await until('the connection ended', () => list(net.node(0), of).then(() => false, isUnreachable));
  await assert.rejects(list(net.node(0), { ...of, addresses: [] }), { code: 'PEER_UNREACHABLE' });
});

const isUnreachable = (thrown: unknown): boolean => (thrown as { code?: string }).code === 'PEER_UNREACHABLE';

const pageOf = (entries: readonly Holding[], more = false): Uint8Array =>
  delimit(encodeListPage({ entries, more, scanning: false }));
const manyFrom = (from: number): readonly Holding[] =>
  Array.from({ length: LISTS.leastEntries }, (_, at) => entry(String(from + at).padStart(9, '0')));

const LIES: readonly (readonly [string, (asks: number) => Uint8Array | null, string])[] = [
  ['the same page for ever', () => pageOf(manyFrom(0), true), 'PEER_PROTOCOL'],
  ['pages of nothing for ever', () => pageOf([], true), 'PEER_PROTOCOL'],
  ['a name twice', () => pageOf([entry('a'), entry('a')]), 'PEER_PROTOCOL'],
  ['a name that acts on a terminal', () => pageOf([entry('a\u001b[2J')]), 'PEER_PROTOCOL'],
  ['a name out of its folder', () => pageOf([entry('../a')]), 'PEER_PROTOCOL'],
  ['bytes that are no UTF-8', () => delimit(Uint8Array.of(10, 4, 10, 2, 0xff, 0xfe)), 'PEER_PROTOCOL'],
  ['garbage', () => Uint8Array.of(3, 255, 255, 255), 'PEER_PROTOCOL'],
  ['a frame over the limit', () => Uint8Array.of(0xff, 0xff, 0x7f), 'PEER_PROTOCOL'],
  ['an endless length', () => Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff), 'PEER_PROTOCOL'],
  [
    'two pages at once',
    () => Buffer.concat([pageOf(manyFrom(0), true), pageOf(manyFrom(1_000), true)]),
    'PEER_PROTOCOL',
  ],
  ['nothing, and closes', () => null, 'PEER_UNREACHABLE'],
];

for (const [what, answer, code] of LIES)
  test(`a node that answers with ${what} is refused, and the node that asked goes on`, async (t) => {
    const { asker, of: honest } = await between(t, [entry('a.txt')]);
    const liar = await Hostile.start();
    t.after(() => liar[Symbol.asyncDispose]());
    let asks = 0;
    await liar.host.handle(LIST_PROTOCOL, (stream: Stream) => {
      stream.addEventListener('message', () => {
        const bytes = answer((asks += 1));
        if (bytes === null) stream.abort(new Error('closed'));
        else stream.send(bytes);
      });
    });
    const of = { peer: liar.peerId, label: liar.address, addresses: liar.addresses };
    const signal = AbortSignal.timeout(20_000);
    const got: Holding[] = [];
    const reading = (async () => {
      for await (const page of asker.pages(of, signal)) got.push(...page.entries);
    })();
    await assert.rejects(reading, { code });
    assert.ok(got.length <= LISTS.leastEntries);
    for await (const page of asker.pages(honest, signal)) assert.equal(page.entries.length, 1);
  });

test('a list that really has no end is given up', async (t) => {
  const maxEntries = 10 * LISTS.leastEntries;
  const { asker, host, of } = await between(t, [], maxEntries);
  await host.host.unhandle(LIST_PROTOCOL);
  let from = 0;
  await host.host.handle(LIST_PROTOCOL, (stream: Stream) => {
    stream.addEventListener('message', () => {
      stream.send(pageOf(manyFrom(from), true));
      from += LISTS.leastEntries;
    });
  });
  let count = 0;
  const reading = (async () => {
    for await (const page of asker.pages(of, AbortSignal.timeout(20_000))) count += page.entries.length;
  })();
  await assert.rejects(reading, { code: 'PEER_PROTOCOL' });
  assert.equal(count, maxEntries);
});

test('who asks in a way that nobody should is cut off, and others get their lists', async (t) => {
  const net = await testnet(t, 2, { 'a.txt': 'a' });
  const holder = net.node(1);
  const rude = await Hostile.start();
  t.after(() => rude[Symbol.asyncDispose]());
  const connection = await rude.host.dial(multiaddr(`/ip4/127.0.0.1/tcp/${holder.overlay.port}`));
  const ask = delimit(encodeListAsk({ after: null }));
  const says: readonly Uint8Array[] = [
    Uint8Array.of(2, 255, 255),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff),
    delimit(new Uint8Array(LISTS.maxAskBytes + 1)),
    Buffer.concat([ask, ask, ask]),
  ];
  for (const bytes of says) {
    const stream = await connection.newStream(LIST_PROTOCOL, { maxOutboundStreams: 8 });
    stream.send(bytes);
    await until('cut off', () => stream.status !== 'open');
  }
  // More streams than it may have.
  const streams: Stream[] = [];
  for (let at = 0; at <= LISTS.maxStreamsPerPeer; at += 1) {
    const stream = await connection.newStream(LIST_PROTOCOL, { maxOutboundStreams: 8 });
    if (stream.status === 'open') stream.send(ask);
    streams.push(stream);
  }
  await until('one too many', () => streams.some(({ status }) => status !== 'open'));
  assert.equal((await list(net.node(0), asProvider(holder))).length, 2);
  for (const stream of streams) stream.abort(new Error('enough'));
  const place = { name: 'a.txt', cid: holder.library.list()[0]?.cid ?? '' };
  const last = await connection.newStream(LIST_PROTOCOL, { maxOutboundStreams: 8 });
  const pages: number[] = [];
  const splitter = new FrameSplitter(LISTS.maxFrameBytes);
  last.addEventListener('message', ({ data }) => {
    for (const bytes of splitter.push(data.subarray()))
      pages.push(decodeListPage(bytes, place).entries.length);
  });
  last.send(delimit(encodeListAsk({ after: place })));
  await until('the rest', () => pages.length > 0);
  assert.deepEqual(pages, [1]);
});
