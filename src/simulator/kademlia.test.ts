import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../core/random.ts';
import { K, Kademlia, Lookup } from './kademlia.ts';
import { bitsFor, KeySpace, prefixOf, randomKeys } from './keys.ts';

const spaces = fc
  .tuple(fc.integer({ min: 2, max: 400 }), fc.nat())
  .map(([nodes, seed]) => new KeySpace(randomKeys(nodes, seededRandom(seed))));
const keys = fc.integer({ min: 0, max: 0xffffffff });

const distance = (space: KeySpace, node: number, target: number): number =>
  ((space.keys[node] ?? 0) ^ target) >>> 0;

test('a record is kept by the k nodes closest to its key', () => {
  fc.assert(
    fc.property(spaces, keys, (space, target) => {
      const all = [...space.keys.keys()].map((node) => distance(space, node, target)).sort((a, b) => a - b);
      const keepers = new Kademlia(space, 1).keepers(target).map((node) => distance(space, node, target));
      assert.deepEqual(keepers, all.slice(0, K));
    }),
  );
});

test('a look-up ends at a node that keeps the record, wherever it begins', () => {
  fc.assert(
    fc.property(spaces, keys, fc.nat(), (space, target, start) => {
      const origin = start % space.keys.length;
      const tables = new Kademlia(space, 1);
      const reach = { alive: () => true, sent: () => undefined, answered: () => undefined };
      const holders = Uint32Array.of(0);
      const lookup = new Lookup(tables, space, { origin, target, holders, random: () => 0, reach });
      let named: readonly number[] = [];
      for (let round = 0; named.length === 0; round += 1) {
        const { providers, done } = lookup.advance(round);
        named = providers;
        if (done) break;
      }
      // An origin that keeps the record itself may be the only one in a network of two.
      assert.deepEqual(named, [0]);
      assert.ok(lookup.answers <= lookup.requests);
    }),
  );
});

test('a look-up for what nobody has asks all keepers and names nobody', () => {
  const space = new KeySpace(randomKeys(2_000, seededRandom(4)));
  const reach = { alive: () => true, sent: () => undefined, answered: () => undefined };
  const options = { origin: 3, target: 77, holders: new Uint32Array(0), random: () => 0, reach };
  const lookup = new Lookup(new Kademlia(space, 1), space, options);
  let round = 0;
  for (let done = false; !done && round < 1_000; round += 1) done = lookup.advance(round).done;
  assert.ok(lookup.requests >= K && lookup.requests < 3 * K, String(lookup.requests));
});

test('groups are stretches of the key order, and nest', () => {
  fc.assert(
    fc.property(spaces, fc.integer({ min: 0, max: 8 }), (space, bits) => {
      let members = 0;
      for (let group = 0; group < 2 ** bits; group += 1) {
        const [start, end] = [space.start(group, bits), space.start(group + 1, bits)];
        assert.equal(start, space.start(2 * group, bits + 1));
        for (let place = start; place < end; place += 1) {
          assert.equal(prefixOf(space.keys[space.nodeAt(place)] ?? 0, bits), group);
          members += 1;
        }
      }
      assert.equal(members, space.keys.length);
    }),
  );
});

test('the number of groups is 2^round(log2(0.64·√N)), one below 64 nodes', () => {
  const bits = [2, 63, 64, 1_000, 10_000, 100_000, 1_000_000].map(bitsFor);
  assert.deepEqual(bits, [0, 0, 2, 4, 6, 8, 9]);
});
