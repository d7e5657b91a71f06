import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { parseQuery } from '../src/core/search/query.ts';
import { settledFile, until } from './support/basics.ts';
import { search, startTestnet, type Testnet } from './testnet.ts';

const AUTO = { strategy: 'auto' } as const;

/** All nodes know each other's prints. */
async function synced(net: Testnet, members = net.nodes.length): Promise<void> {
  await until('prints are everywhere', () =>
    net.nodes.every(
      ({ overlay }) => overlay.prints().members >= members && (overlay.prints().ageMs ?? Infinity) < 30_000,
    ),
  );
}

test('in one group a file is found in two messages, and a miss is proved without one', async () => {
  await using net = await startTestnet(5, { files: { 4: { 'Laporan Akhir.pdf': 'isi' } } });
  await synced(net);
  const found = await search(net.node(0).overlay, parseQuery('laporan akhir'), AUTO);
  assert.deepEqual([found.outcome.verdict, found.outcome.strategy], ['found', 'groups']);
  assert.deepEqual(
    found.hits.map((hit) => [hit.name, hit.peer]),
    [['Laporan Akhir.pdf', net.node(4).overlay.peerId]],
  );
  assert.equal(found.outcome.messages, 2);
  const miss = await search(net.node(0).overlay, parseQuery('laporan awal'), AUTO);
  const { verdict, ground, asked, messages } = miss.outcome;
  assert.deepEqual([verdict, ground, asked, messages], ['absent', 'all-prints', 4, 0]);
});

test('a file that comes or goes is known to all within a moment', async () => {
  await using net = await startTestnet(4, { files: { 3: { 'lama.txt': 'isi' } } });
  await synced(net);
  const holder = net.node(3);
  await settledFile(join(holder.shared, 'baru.txt'), 'baru');
  await rm(join(holder.shared, 'lama.txt'));
  await holder.library.rescan();
  const verdictOf = async (text: string): Promise<string> =>
    (await search(net.node(0).overlay, parseQuery(text), AUTO)).outcome.verdict;
  await until('the new one is found', async () => (await verdictOf('baru.txt')) === 'found');
  await until('the old one is gone', async () => (await verdictOf('lama.txt')) === 'absent');
});

test('the same file at three nodes is found at all three; a CID and a glob find it too', async () => {
  const same = { 'data/gambar kota.png': 'bita' };
  await using net = await startTestnet(4, { files: { 1: same, 2: { 'lain.png': 'bita' }, 3: same } });
  await synced(net);
  const peers = [1, 2, 3].map((at) => net.node(at).overlay.peerId).sort();
  const holders = async (text: string): Promise<readonly string[]> =>
    (await search(net.node(0).overlay, parseQuery(text), AUTO)).hits.map((hit) => hit.peer).sort();
  const cid = net.node(1).library.list()[0]?.cid ?? '';
  assert.deepEqual(await holders(cid), peers);
  assert.deepEqual(await holders('*.png'), peers);
  assert.deepEqual(
    await holders('kota'),
    [peers.filter((peer) => peer !== net.node(2).overlay.peerId)].flat(),
  );
  // No print holds a part of a word: every node is asked itself.
  assert.deepEqual(await holders('gam*'), await holders('kota'));
  const none = await search(net.node(0).overlay, parseQuery('zzz*'), AUTO);
  assert.deepEqual([none.outcome.verdict, none.outcome.messages], ['absent', 6]);
});

test('a node that stops takes its files with it', async () => {
  await using net = await startTestnet(3, { topology: 'ring', files: { 2: { 'pergi.txt': 'isi' } } });
  await synced(net);
  await net.node(2).close();
  await until('absent', async () => {
    const { outcome } = await search(net.node(0).overlay, 'pergi.txt', AUTO);
    return outcome.verdict === 'absent' && outcome.ground === 'all-prints';
  });
});

test('with the DHT on, an exact name and a CID are found by it, and a miss proves nothing', async () => {
  await using net = await startTestnet(4, {
    topology: 'star',
    files: { 3: { 'contoh.txt': 'INI' } },
    overlay: { dht: true },
  });
  const dht = { strategy: 'dht', want: 1 } as const;
  await until('published', async () => {
    const { outcome, hits } = await search(net.node(1).overlay, 'contoh.txt', dht);
    return outcome.verdict === 'found' && hits[0]?.peer === net.node(3).overlay.peerId;
  });
  const cid = net.node(3).library.list()[0]?.cid ?? '';
  // Names and CIDs are published one after the other.
  await until('published by CID too', async () => {
    const { outcome } = await search(net.node(2).overlay, { kind: 'cid', cid }, dht);
    assert.equal(outcome.strategy, 'dht');
    return outcome.verdict === 'found';
  });
  const miss = await search(net.node(2).overlay, 'tidak-ada.txt', dht);
  assert.deepEqual([miss.outcome.verdict, miss.outcome.ground], ['incomplete', 'no-proof']);
});

test('flood, ring and walkers find a file on real nodes, and never say absent', async () => {
  await using net = await startTestnet(6, { topology: 'ring', files: { 3: { 'contoh.txt': 'INI' } } });
  for (const strategy of ['flood', 'ring', 'walkers'] as const) {
    const found = await search(net.node(0).overlay, 'contoh.txt', { strategy, want: 1 });
    assert.deepEqual([found.outcome.verdict, found.outcome.strategy], ['found', strategy]);
    assert.equal(found.hits[0]?.peer, net.node(3).overlay.peerId);
  }
  const { outcome } = await search(net.node(0).overlay, 'x.txt', { strategy: 'flood', timeoutMs: 2_000 });
  assert.equal(outcome.verdict, 'incomplete');
});

test('with two groups one member of each answers for all, and the search leaves its links', async () => {
  await using net = await startTestnet(12, {
    topology: 'line',
    files: { 11: { 'jauh sekali.txt': 'isi' } },
    overlay: { bits: 1, wantNeighbours: 5, resizeAfterMs: 3_600_000 },
  });
  const everybody = net.nodes.map(({ overlay }) => overlay);
  await until(
    'every group is synced',
    () =>
      everybody.every(
        (overlay) => (overlay.prints().ageMs ?? Infinity) < 30_000 && overlay.prints().members > 1,
      ),
    30_000,
  );
  await until(
    'found and proved from every node',
    async () => {
      for (const overlay of everybody.slice(0, 4)) {
        const found = await search(overlay, parseQuery('sekali jauh'), { strategy: 'groups' });
        if (found.outcome.verdict !== 'found') return false;
        const miss = await search(overlay, parseQuery('tidak ada'), { strategy: 'groups' });
        if (miss.outcome.verdict !== 'absent') return false;
        assert.ok(miss.outcome.messages > 0 && miss.outcome.messages <= 8, `${miss.outcome.messages}`);
        // Two passes, one in each half of every group.
        assert.ok(miss.outcome.asked >= 11, `${miss.outcome.asked}`);
      }
      return true;
    },
    30_000,
  );
});

test('a trace names each node as it is asked, by every strategy', async () => {
  await using net = await startTestnet(4, { files: { 3: { 'contoh.txt': 'INI' } } });
  const others = [1, 2, 3].map((at) => net.node(at).overlay.peerId).sort();
  for (const strategy of ['walk', 'flood'] as const) {
    const { steps } = await search(net.node(0).overlay, 'contoh.txt', { strategy, trace: true, want: 1 });
    assert.deepEqual([...steps].sort(), others, strategy);
  }
});

test('while a node reads its files for the first time, nobody says absent', async () => {
  await using net = await startTestnet(3, { topology: 'ring' });
  await synced(net);
  const slow = net.node(2);
  // A library that has not seen all its files says so; here it is held in that state.
  let reading = true;
  slow.library.scanning = () => reading;
  await settledFile(join(slow.shared, 'kecil.txt'), 'kecil');
  await slow.library.rescan();
  await until('unread', async () => {
    const { outcome } = await search(net.node(0).overlay, 'belum.txt', AUTO);
    return outcome.verdict === 'incomplete' && outcome.ground === 'scanning';
  });
  assert.equal((await search(net.node(0).overlay, 'kecil.txt', AUTO)).outcome.verdict, 'found');
  reading = false;
  await settledFile(join(slow.shared, 'lain.txt'), 'lain');
  await slow.library.rescan();
  await until('read', async () => {
    const { outcome } = await search(net.node(0).overlay, 'belum.txt', AUTO);
    return outcome.verdict === 'absent';
  });
});
