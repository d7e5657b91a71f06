import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../random.ts';
import { prefixOf } from './size.ts';
import { chooseLinks, netsOf, type Choice, type LinkView } from './topology.ts';

const base = { key: 0, bits: 0, neighbours: [], contacts: [], most: 64, want: 12, least: 6 };
const contact = (at: number, address = '/ip4/10.0.0.1/tcp/5001', key = (at * 2654435761) >>> 0) => ({
  peer: `p${at}`,
  label: `node ${at}`,
  addresses: [address],
  key,
});
const link = (at: number, rest: Partial<LinkView> = {}): LinkView => ({
  peer: `p${at}`,
  key: (at * 2654435761) >>> 0,
  direction: 'inbound',
  keep: false,
  sinceMs: at,
  ...rest,
});
const run = (choice: Partial<Choice>, seed = 1) => chooseLinks({ ...base, ...choice }, seededRandom(seed));
const many = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

test('in a network of up to twelve others all link to all', () => {
  const { dial } = run({ contacts: many(12).map((at) => contact(at)) });
  assert.equal(dial.length, 12);
});

test('of many it dials twelve, two of the own group and the others of distinct groups', () => {
  const contacts = many(4_000).map((at) => contact(at));
  const { dial } = run({ bits: 6, contacts });
  const groups = dial.map(({ peer }) => prefixOf(contacts.find((one) => one.peer === peer)?.key ?? 0, 6));
  assert.equal(dial.length, 12);
  assert.equal(groups.filter((group) => group === 0).length, 2);
  assert.equal(new Set(groups).size, 11);
});

test('a node full of inbound links still dials half as many as it wants, and two into its own group', () => {
  const neighbours = many(12).map((at) => link(at, { key: 5 }));
  const { dial } = run({ bits: 4, neighbours, contacts: many(400).map((at) => contact(100 + at)) });
  assert.equal(dial.length, 6);
});

test('no public /24 or /48 gets more than two of its outbound links while others are to be had', () => {
  const contacts = [
    ...many(500).map((at) => contact(at, `/ip4/203.0.113.${at % 250}/tcp/1`)),
    ...many(20).map((at) => contact(1_000 + at, `/ip4/198.${at}.100.7/tcp/1`)),
    ...many(500).map((at) => contact(2_000 + at, `/ip6/2001:db8:1::${at.toString(16)}/tcp/1`)),
  ];
  const { dial } = run({ contacts });
  const nets = dial.flatMap(({ addresses }) => netsOf(addresses));
  for (const net of nets) assert.ok(nets.filter((other) => other === net).length <= 2, net);
  assert.equal(dial.length, 12);
});

test('where only one network is known, too few links are worse than its share', () => {
  const contacts = many(20).map((at) => contact(at, `/ip4/203.0.113.${at}/tcp/1`));
  assert.equal(run({ contacts }).dial.length, 6);
});

test('private addresses are not told apart, public ones by /24 and /48', () => {
  assert.deepEqual(
    netsOf(['/ip4/192.168.1.4/tcp/1', '/ip4/127.0.0.1/tcp/1', '/ip6/fe80::1/tcp/1', '/dns4/a/tcp/1']),
    [],
  );
  assert.deepEqual(netsOf(['/ip4/8.8.4.4/tcp/1', '/ip6/2001:db8::1/tcp/1']), ['8.8.4', '2001:db8:0']);
  assert.deepEqual(netsOf(['/ip6/2001:0db8:0000:1::1/tcp/1']), ['2001:db8:0']);
});

test('only above twice what it wants it drops, of crowded groups, never what was configured or the last of a group', () => {
  const neighbours = many(30).map((at) =>
    link(at, { key: at <= 20 ? 0xffffffff : at << 24, keep: at % 5 === 0 }),
  );
  const { drop } = run({ bits: 8, neighbours });
  assert.equal(drop.length, 6);
  for (const peer of drop) {
    const at = Number(peer.slice(1));
    assert.ok(at <= 20 && at % 5 !== 0, peer);
  }
  assert.deepEqual(run({ bits: 8, neighbours: neighbours.slice(0, 24) }).drop, []);
});

test('never more links than allowed, none twice, none to a neighbour', () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(70), fc.nat(100), fc.nat(8), (seed, linked, known, bits) => {
      const neighbours = many(linked).map((at) =>
        link(at, { direction: at % 3 === 0 ? 'outbound' : 'inbound' }),
      );
      const contacts = many(known).map((at) => contact(at + 40));
      const { dial, drop } = run({ neighbours, contacts, bits }, seed);
      assert.ok(dial.length === 0 || linked + dial.length <= 64);
      assert.equal(new Set(dial.map(({ peer }) => peer)).size, dial.length);
      assert.ok(dial.every(({ peer }) => neighbours.every((one) => one.peer !== peer)));
      assert.ok(drop.every((peer) => neighbours.some((one) => one.peer === peer)));
    }),
    { numRuns: 200 },
  );
});
