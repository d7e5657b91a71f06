import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
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

test('prints find every owner after losses, doubles and overtaking, and no owner by what it has no more', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 7 }), fc.constantFrom(0, 0.1), (seed, nodes, loss) => {
      const network = new SyncNetwork({ seed, crypto, loss, twice: 0.2, delay: [1, 120] });
      for (let at = 0; at < nodes; at += 1) network.add(name(at), at === 0 ? 300 : 0);
      for (let at = 1; at < nodes; at += 1) network.link(name(at), name(Math.floor(network.random() * at)));
      for (let round = 0; round < 12; round += 1) {
        network.run(network.random() * 800);
        network.change(name(Math.floor(network.random() * nodes)));
      }
      network.run(loss > 0 ? 30_000 : 12_000);
      for (const at of network.nodes.keys())
        for (const owner of network.nodes.keys())
          if (owner !== at) assert.deepEqual(candidates(network, at, owner), [owner]);
    }),
    { numRuns: RUNS },
  );
});

test('nodes that count with g and with 2g groups agree on what both keep', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 4, max: 9 }), fc.nat(2), (seed, nodes, least) => {
      const bits = (peer: string): number => least + (Number(peer.slice(1)) % 2);
      const network = new SyncNetwork({ seed, crypto, bits, delay: [1, 50] });
      for (let at = 0; at < nodes; at += 1) network.add(name(at));
      mesh(network);
      network.run(5_000);
      for (let at = 0; at < nodes; at += 1) network.change(name(at));
      network.run(20_000);
      for (const [at, { directory }] of network.nodes)
        for (const owner of network.nodes.keys()) {
          const kept = shares(keyOf(at), keyOf(owner), directory.view.bits());
          if (owner !== at) assert.deepEqual(candidates(network, at, owner), kept ? [owner] : []);
        }
      assert.deepEqual(network.liars, []);
    }),
    { numRuns: RUNS },
  );
});

test('a change of one file sends one segment, not the library', () => {
  const network = new SyncNetwork({ seed: 1, crypto, ordered: true });
  network.add('n0', 3_000);
  network.add('n1');
  network.link('n0', 'n1');
  network.run(20_000);
  const before = network.bytes;
  network.change('n0');
  network.run(2_000);
  assert.deepEqual(candidates(network, 'n1', 'n0'), ['n0']);
  assert.ok(network.bytes - before < before / 4, `${network.bytes - before} of ${before} bytes`);
});
