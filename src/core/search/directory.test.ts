import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../random.ts';
import { fakeCrypto } from './crypto.testkit.ts';
import { falseClaim, SyncNetwork } from './directory.testkit.ts';

/** `npm test` runs 40 networks of each kind, as each takes its time; the nightly command 1,000 and more. */
const RUNS = Number(process.env['KELANA_RUNS'] ?? 40);
/** Changes to each network; longer ones are for the night. */
const ROUNDS = RUNS > 40 ? 24 : 14;

const crypto = fakeCrypto((...parts) =>
  hash(
    'sha256',
    parts.length === 1 ? (parts[0] ?? '') : Buffer.concat(parts.map((part) => Buffer.from(part))),
    'buffer',
  ),
);

const name = (at: number): string => `n${at}`;

/** Most networks are small, so that a hundred take seconds; some have up to forty nodes. */
const size = fc.oneof(
  { arbitrary: fc.integer({ min: 2, max: 9 }), weight: 14 },
  fc.integer({ min: 10, max: 40 }),
);
const networks = fc.record({
  seed: fc.nat(),
  nodes: size,
  extra: fc.nat(12),
  loss: fc.constantFrom(0, 0.05, 0.3),
  twice: fc.constantFrom(0, 0.2),
  slow: fc.constantFrom(2, 50, 900),
});

/** A random connected graph. */
function connect(network: SyncNetwork, nodes: number, extra: number): void {
  for (let at = 0; at < nodes; at += 1) network.add(name(at));
  for (let at = 1; at < nodes; at += 1) network.link(name(at), name(Math.floor(network.random() * at)));
  for (let more = 0; more < extra; more += 1)
    network.link(name(Math.floor(network.random() * nodes)), name(Math.floor(network.random() * nodes)));
}

test('what a node says it is synced to, it holds, whatever is lost, doubled, overtaken, killed, joined or changed', () => {
  let claims = 0;
  fc.assert(
    fc.property(networks, ({ seed, nodes, extra, loss, twice, slow }) => {
      const network = new SyncNetwork({ seed, crypto, loss, twice, delay: [1, slow] });
      const choose = seededRandom(seed + 1);
      connect(network, nodes, extra);
      let born = nodes;
      for (let round = 0; round < ROUNDS; round += 1) {
        network.run(choose() * 1_500);
        const peers = [...network.nodes.keys()];
        const some = (): string => peers[Math.floor(choose() * peers.length)] ?? '';
        const dice = choose();
        if (dice < 0.3) network.change(some());
        else if (dice < 0.4 && peers.length > 2) network.kill(some());
        else if (dice < 0.5) {
          network.add(name(born));
          network.link(name(born), some());
          born += 1;
        } else if (dice < 0.7) network.link(some(), some());
        else if (dice < 0.8) network.unlink(some(), some());
        for (const peer of network.nodes.keys()) assert.equal(falseClaim(network, peer), null);
        claims += peers.filter((peer) => network.syncedAt(peer) > network.now - 30_000).length;
      }
      assert.deepEqual(network.liars, []);
    }),
    { numRuns: RUNS },
  );
  assert.ok(claims > RUNS * 15, `only ${claims} claims were made, which proves little`);
});

test('along honest links a liar that says it agrees, and that all is near and fresh, makes nobody claim too much', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 3, max: 8 }), fc.constantFrom(0, 0.3), (seed, nodes, loss) => {
      const network = new SyncNetwork({ seed, crypto, loss, delay: [1, 300] });
      const liar = name(nodes - 1);
      network.liarAt = (at, from, frame) => {
        if (at !== liar) return false;
        if (frame.type !== 'status') return true;
        const near = frame.near.map(() => 1);
        const { nonce, bits, digest } = frame;
        const flattery = {
          nonce: 1 + (nonce % 7),
          echo: nonce,
          hold: 1_000,
          ages: [0, 0, 0],
          closed: true,
          near,
        };
        network.send(
          liar,
          from,
          { type: 'status', ...flattery, bits, digest, ask: false, heads: null },
          false,
        );
        return true;
      };
      connect(network, nodes, 0);
      for (let one = 0; one < nodes; one += 1)
        for (let two = 0; two < one; two += 1) network.link(name(one), name(two));
      for (let round = 0; round < ROUNDS; round += 1) {
        network.run(network.random() * 1_500);
        network.change(name(Math.floor(network.random() * (nodes - 1))));
        for (let at = 0; at < nodes - 1; at += 1)
          assert.equal(falseClaim(network, name(at), new Set([liar])), null);
      }
    }),
    { numRuns: RUNS },
  );
});
