import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { afterwards, sample, temporaryFolder, until } from './support/basics.ts';
import { get, link, linked, search, startTestNode, startTestnet, type Topology } from './testnet.ts';

const SHAPES: readonly Exclude<Topology, readonly unknown[]>[] = ['line', 'ring', 'star', 'random'];

for (const topology of SHAPES) {
  test(`on a ${topology} of 7 nodes a miss asks the 6 others once each, and a hit is found and fetched`, async () => {
    const bytes = sample(300_000, 7);
    await using net = await startTestnet(7, { topology, files: { 6: { 'jauh.bin': bytes } } });
    const miss = await search(net.node(0).overlay, 'tidak-ada.txt');
    assert.equal(miss.outcome.verdict, 'absent');
    assert.equal(miss.outcome.asked, 6);
    assert.equal(miss.outcome.messages, 2 * net.edges.length, 'two frames an edge');
    assert.equal(new Set(miss.steps).size, 6);
    assert.deepEqual(miss.outcome.missing, []);

    const { hits, outcome } = await search(net.node(0).overlay, 'jauh.bin');
    assert.equal(outcome.verdict, 'found');
    assert.deepEqual(
      hits.map((hit) => hit.peer),
      [net.node(6).overlay.peerId],
    );
    assert.ok(outcome.asked >= 1 && outcome.asked <= 6);

    const got = await get(net.node(0), 'jauh.bin');
    assert.ok(got.type === 'saved');
    assert.deepEqual(await readFile(got.path), bytes);
  });
}

test('every node of a ring gives the same definitive answers, also with all of them asking at once', async () => {
  await using net = await startTestnet(5, { topology: 'ring', files: { 2: { 'a.txt': 'a' } } });
  const answers = await Promise.all(
    net.nodes.flatMap(({ overlay }) => [search(overlay, 'a.txt'), search(overlay, 'b.txt')]),
  );
  for (const [at, { outcome }] of answers.entries()) {
    assert.equal(outcome.verdict, at % 2 === 0 ? 'found' : 'absent');
    if (at % 2 === 1) assert.equal(outcome.asked, 4);
  }
});

test('a node that has the file itself asks nobody, and a node alone says absent of 0 asked', async () => {
  await using net = await startTestnet(1, { files: { 0: { 'sub/punya.txt': 'x' } } });
  const own = await search(net.node(0).overlay, 'punya.txt');
  assert.equal(own.outcome.verdict, 'found');
  assert.equal(own.hits[0]?.hops, 0);
  const miss = await search(net.node(0).overlay, 'lain.txt');
  assert.deepEqual([miss.outcome.verdict, miss.outcome.asked], ['absent', 0]);
});

test('a node that dies while it has the token makes the answer incomplete and is named in it', async () => {
  let dying: Promise<void> | undefined;
  await using net = await startTestnet(4, {
    topology: 'line',
    watch: (at, event) => {
      if (at === 2 && event.type === 'search.received') dying ??= net.node(2).close();
    },
  });
  const label = net.node(2).overlay.label;
  const { outcome } = await search(net.node(0).overlay, 'tidak-ada.txt');
  await dying;
  assert.equal(outcome.verdict, 'incomplete');
  assert.deepEqual(outcome.missing, [label]);
  assert.equal(outcome.asked, 1);
  await until('the dead node is gone', () => net.node(1).overlay.neighbours().length === 1);
  const again = await search(net.node(0).overlay, 'tidak-ada.txt');
  assert.deepEqual([again.outcome.verdict, again.outcome.asked], ['absent', 1]);
});

test('a search around a dead node still finds what the living have', async () => {
  await using net = await startTestnet(5, { topology: 'ring', files: { 3: { 'masih.txt': 'ada' } } });
  await net.node(1).close();
  await until('the link is gone', () => net.node(0).overlay.neighbours().length === 1);
  const { outcome } = await search(net.node(0).overlay, 'masih.txt');
  assert.equal(outcome.verdict, 'found');
});

test('peers are added and removed at run time, and the next search goes by the new graph', async () => {
  await using net = await startTestnet(4, { topology: [[0, 1]], files: { 3: { 'baru.txt': 'b' } } });
  assert.equal((await search(net.node(0).overlay, 'baru.txt')).outcome.verdict, 'absent');
  await link(net.node(1), net.node(2));
  await link(net.node(2), net.node(3));
  const there = await search(net.node(0).overlay, 'baru.txt');
  assert.deepEqual([there.outcome.verdict, there.outcome.asked], ['found', 3]);
  assert.equal(await net.node(2).overlay.removePeer(net.node(3).address), true);
  await until('unlinked on both sides', () => net.node(3).overlay.neighbours().length === 0);
  const gone = await search(net.node(0).overlay, 'baru.txt');
  assert.deepEqual([gone.outcome.verdict, gone.outcome.asked], ['absent', 2]);
});

test('two nodes that dial each other at once end with one link, on which a search works both ways', async () => {
  await using net = await startTestnet(2, { topology: [], files: { 0: { 'a.txt': 'a' } } });
  const [a, b] = [net.node(0), net.node(1)];
  const signal = AbortSignal.timeout(10_000);
  await Promise.allSettled([a.overlay.addPeer(b.address, signal), b.overlay.addPeer(a.address, signal)]);
  await until('one link each', () => linked(a, b) && linked(b, a));
  assert.equal(a.overlay.neighbours().length, 1);
  assert.equal(b.overlay.neighbours().length, 1);
  assert.equal((await search(b.overlay, 'a.txt')).outcome.verdict, 'found');
  const miss = await search(a.overlay, 'z.txt');
  assert.deepEqual([miss.outcome.verdict, miss.outcome.asked], ['absent', 1]);
});

test('peers added at run time survive a restart, and removed ones are not taken back until they are added', async (t) => {
  const folder = await temporaryFolder(t);
  const a = await startTestNode({ folder: join(folder, 'a') });
  afterwards(t, () => a.close());
  let b = await startTestNode({ folder: join(folder, 'b') });
  afterwards(t, () => b.close());
  await link(b, a);
  const { peerId } = b.overlay;
  await b.close();
  await until('a lost b', () => a.overlay.neighbours().length === 0);
  b = await startTestNode({ folder: join(folder, 'b') });
  assert.equal(b.overlay.peerId, peerId, 'same identity');
  await until('linked again by itself', () => linked(a, b) && linked(b, a));

  // a removes b, which goes on dialling by its own list: a does not take it.
  assert.equal(await a.overlay.removePeer(peerId), true);
  await until('a has no neighbour', () => a.overlay.neighbours().length === 0);
  await until('b tried again and was turned down', () => b.overlay.peers()[0]?.error !== null);
  assert.equal(a.overlay.neighbours().length, 0);
  assert.equal(b.overlay.peers()[0]?.error?.code, 'PEER_UNREACHABLE');
  const links = b.events.filter((event) => event.type === 'neighbour.added').length;
  assert.ok(links <= 2, `b counted ${links} links: it must not dial on and on`);
  await a.overlay.addPeer(b.address, AbortSignal.timeout(10_000));
  await until('linked after it was added', () => linked(a, b) && linked(b, a));

  // b forgets a for good: not even a restart brings it back.
  await a.overlay.removePeer(b.address);
  await b.overlay.removePeer(a.address);
  assert.deepEqual(JSON.parse(await readFile(join(b.folder, 'data', 'peers.json'), 'utf8')), []);
});

test("an address of the node itself, as in the seeds' peer lists, is no neighbour", async () => {
  await using net = await startTestnet(2, { topology: 'line' });
  const [a] = net.nodes;
  assert.ok(a);
  assert.equal((await a.overlay.addPeer(a.address, AbortSignal.timeout(5_000))).state, 'self');
  assert.equal(a.overlay.neighbours().length, 1);
});
