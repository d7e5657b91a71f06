import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { PRINTS } from '../config.ts';
import { fakeCrypto } from './crypto.testkit.ts';
import { SyncNetwork, wordFor } from './directory.testkit.ts';
import { shares } from './size.ts';

const RUNS = Number(process.env['KELANA_RUNS'] ?? 40);

const crypto = fakeCrypto((...parts) =>
  hash(
    'sha256',
    parts.length === 1 ? (parts[0] ?? '') : Buffer.concat(parts.map((part) => Buffer.from(part))),
    'buffer',
  ),
);
const { keyOf } = crypto('');

const name = (at: number): string => `n${at}`;
const size = fc.oneof(
  { arbitrary: fc.integer({ min: 2, max: 9 }), weight: 14 },
  fc.integer({ min: 10, max: 40 }),
);

function mesh(network: SyncNetwork): void {
  for (const one of network.nodes.keys()) for (const two of network.nodes.keys()) network.link(one, two);
}

function candidates(network: SyncNetwork, at: string, owner: string): string[] | undefined {
  const version = network.nodes.get(owner)?.version ?? 0;
  const words = [wordFor(owner, version)];
  return network.nodes
    .get(at)
    ?.directory.view.candidates({ kind: 'words', words })
    ?.map(({ peer }) => peer);
}

test('with nothing lost, nodes that are all linked are synced to within two rounds, and others to within their proof', () => {
  fc.assert(
    fc.property(fc.nat(), size, fc.nat(20), fc.boolean(), (seed, nodes, extra, meshed) => {
      const network = new SyncNetwork({ seed, crypto, delay: [1, 50], ordered: true });
      for (let at = 0; at < nodes; at += 1) network.add(name(at));
      if (meshed && nodes <= 13) mesh(network);
      for (let at = 1; at < nodes; at += 1) network.link(name(at), name(Math.floor(network.random() * at)));
      for (let more = 0; more < extra; more += 1)
        network.link(name(Math.floor(network.random() * nodes)), name(Math.floor(network.random() * nodes)));
      network.run(4 * PRINTS.syncMs);
      const depths = depthsOf(network);
      const links = Math.max(...depths);
      // The slowest send a status every so often, at the next tick, over so many links; ages are rounded up on each.
      const every = Math.max(PRINTS.leastSyncMs, PRINTS.proofMs / (Math.min(...depths) + 1));
      const fine = (links + 1) * (Math.min(PRINTS.syncMs, every) + PRINTS.tickMs + 150);
      for (let round = 0; round < 5; round += 1) {
        network.run(PRINTS.syncMs / 2);
        for (const peer of network.nodes.keys()) {
          const age = network.now - network.syncedAt(peer);
          assert.ok(age <= fine, `${peer} of ${nodes}, ${links} links apart, is ${age} ms behind`);
          assert.equal(network.nodes.get(peer)?.directory.view.members(), nodes);
        }
      }
      assert.deepEqual([network.liars, network.mutes], [[], []]);
    }),
    { numRuns: RUNS },
  );
});

/** Links from each node to the one farthest from it. */
function depthsOf(network: SyncNetwork): number[] {
  const pairs = [...network.links.keys()].map((pair) => pair.split(' '));
  const around = new Map<string, string[]>();
  for (const [one = '', two = ''] of pairs) {
    around.set(one, [...(around.get(one) ?? []), two]);
    around.set(two, [...(around.get(two) ?? []), one]);
  }
  return [...network.nodes.keys()].map((from) => {
    const far = new Map([[from, 0]]);
    // A Map gives what is added while it is gone through.
    for (const [peer, links] of far)
      for (const other of around.get(peer) ?? []) if (!far.has(other)) far.set(other, links + 1);
    return Math.max(...far.values());
  });
}

test('two halves whose links are cut find each other again without a link', () => {
  const network = new SyncNetwork({ seed: 3, crypto, delay: [1, 20] });
  for (let at = 0; at < 6; at += 1) network.add(name(at));
  mesh(network);
  network.run(5_000);
  for (let one = 0; one < 3; one += 1)
    for (let two = 3; two < 6; two += 1) network.unlink(name(one), name(two));
  network.run(1_000);
  network.change('n0');
  network.run(2 * PRINTS.healMs);
  assert.deepEqual(candidates(network, 'n5', 'n0'), ['n0']);
});

test('who says that it leaves is gone at once, who dies silently after a while, and who comes back is there again', () => {
  const network = new SyncNetwork({ seed: 4, crypto, ordered: true });
  for (let at = 0; at < 4; at += 1) network.add(name(at));
  mesh(network);
  network.run(2_000);
  network.input('n0', { type: 'leave', wall: network.wall() });
  network.run(300);
  network.kill('n0');
  const members = (): number | undefined => network.nodes.get('n1')?.directory.view.members();
  assert.equal(members(), 3);
  network.kill('n3');
  network.run(PRINTS.expireMs - 60_000);
  assert.equal(members(), 3);
  network.run(200_000);
  assert.equal(members(), 2);
  assert.ok(network.now - network.syncedAt('n1') < 11_000);
  network.add('n0');
  network.link('n0', 'n1');
  network.run(2_000);
  assert.equal(members(), 3);
  assert.deepEqual(candidates(network, 'n2', 'n0'), ['n0']);
  assert.deepEqual(network.liars, []);
});

test('a node that sees a newer record of its own, of before its clock was set back, signs above it', () => {
  const network = new SyncNetwork({ seed: 5, crypto, ordered: true });
  network.add('n0');
  network.add('n1');
  network.link('n0', 'n1');
  network.run(1_000);
  for (let more = 0; more < 50; more += 1) network.input('n0', { type: 'tick', wall: network.wall() + 9e9 });
  network.change('n0');
  const library = { segments: [], partial: true, wall: network.wall() + 1e9 };
  network.input('n0', { type: 'library', ...library });
  network.run(1_000);
  network.kill('n0');
  network.add('n0');
  network.link('n0', 'n1');
  network.run(3_000);
  assert.deepEqual(candidates(network, 'n1', 'n0'), ['n0']);
  const seq = network.nodes.get('n1')?.directory.record('n0')?.seq ?? 0;
  assert.ok(seq > network.wall() + 1e9 - 10_000);
});

test('a network that grows beyond what its groups are for splits them, and nodes keep only their own', () => {
  const network = new SyncNetwork({ seed: 6, crypto, ordered: true, resizeAfterMs: 10_000, bits: () => 0 });
  for (let at = 0; at < 66; at += 1) network.add(name(at));
  for (let at = 1; at < 66; at += 1)
    for (let more = 0; more < 3; more += 1) network.link(name(at), name(Math.floor(network.random() * at)));
  network.run(18_000);
  for (const { directory, peer } of network.nodes.values()) {
    assert.equal(directory.view.bits(), 2);
    assert.ok(directory.records().every((header) => shares(keyOf(header.peer), keyOf(peer), 2)));
    const estimate = directory.view.estimate();
    assert.ok(estimate > 33 && estimate < 132, String(estimate));
  }
  assert.deepEqual(network.liars, []);
});
