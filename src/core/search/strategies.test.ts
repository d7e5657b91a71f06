import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SEARCH } from '../config.ts';
import { STRATEGIES, type StrategyName } from '../ports.ts';
import * as bitset from './bitset.ts';
import { NAME, reachable, VirtualNetwork, type Graph, type Options } from './network.testkit.ts';
import { groupOf } from './tokens.ts';

/** Generated networks for each property: 100 in `npm test`, more where `KELANA_RUNS` asks for them. */
const RUNS = Number(process.env['KELANA_RUNS'] ?? 100);
const runs = { numRuns: RUNS };

/** Connected graphs: a random tree with more edges on top. */
const graphs: fc.Arbitrary<Graph> = fc
  .record({ nodes: fc.integer({ min: 2, max: 48 }), degree: fc.integer({ min: 0, max: 5 }), seed: fc.nat() })
  .map(({ nodes, degree, seed }) => {
    let state = seed;
    const below = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * n);
    };
    const edges = new Map<string, readonly [number, number]>();
    const add = (a: number, b: number): void => {
      if (a !== b) edges.set(`${Math.min(a, b)}-${Math.max(a, b)}`, [Math.min(a, b), Math.max(a, b)]);
    };
    for (let node = 1; node < nodes; node += 1) add(below(node), node);
    for (let at = 0; at < (nodes * degree) / 2; at += 1) add(below(nodes), below(nodes));
    return { nodes, edges: [...edges.values()] };
  });

const strategies = fc.constantFrom(...STRATEGIES);
const bits = fc.integer({ min: 0, max: 4 });
const PROVING: ReadonlySet<StrategyName> = new Set(['walk', 'groups', 'auto']);

const faults = fc.record({
  loss: fc.constantFrom(0, 0, 0.02, 0.1),
  duplicates: fc.constantFrom(0, 0, 0.1),
  reorder: fc.boolean(),
});

/** Every strategy keeps this contract, whatever happens to frames and nodes. */
test('found names a real holder; absent is said only where no node that stayed reachable holds the file', () => {
  fc.assert(
    fc.property(
      graphs,
      strategies,
      bits,
      faults,
      fc.nat(),
      fc.array(fc.nat(), { maxLength: 3 }),
      fc.array(fc.tuple(fc.nat(60), fc.nat()), { maxLength: 4 }),
      fc.boolean(),
      (graph, strategy, log2, fault, seed, holds, kills, audit) => {
        const holders = new Set(holds.map((at) => at % graph.nodes));
        const options: Options = { strategy, bits: log2, settings: { audit }, ...fault };
        const network = new VirtualNetwork(graph, holders, seed, options);
        network.start('0', 12_000);
        for (const [wait, victim] of kills) {
          for (let step = 0; step < wait && network.deliver(); step += 1);
          const peer = String(1 + (victim % Math.max(1, graph.nodes - 1)));
          if (Number(peer) < graph.nodes && !network.dead.has(peer)) network.kill(peer);
        }
        const outcome = network.run();
        for (const hit of network.hits) assert.ok(holders.has(Number(hit)), 'a real holder');
        assert.equal(outcome.verdict === 'found', network.hits.length > 0);
        const stayed = reachable(graph, 0, network.dead);
        const there = [...holders].some((at) => !network.dead.has(String(at)) && stayed.has(at));
        if (outcome.verdict === 'absent') assert.ok(!there, `false absent by ${outcome.strategy}`);
        if (
          outcome.verdict === 'incomplete' &&
          PROVING.has(outcome.strategy) &&
          outcome.ground !== 'no-proof'
        )
          assert.ok(outcome.missingCount > 0, `incomplete names what is missing (${outcome.ground})`);
        if (!PROVING.has(strategy)) assert.notEqual(outcome.verdict, 'absent');
      },
    ),
    { numRuns: RUNS * 4 },
  );
});

test('without faults the proving strategies find every file and prove every miss', () => {
  let unsynced = 0;
  fc.assert(
    fc.property(
      graphs,
      fc.constantFrom('walk', 'groups', 'auto' as const),
      bits,
      fc.nat(),
      fc.option(fc.nat(), { nil: null }),
      fc.boolean(),
      (graph, strategy, log2, seed, at, audit) => {
        const holders = at === null ? [] : [at % graph.nodes];
        // Enough nodes that every group has a member: an empty group has nobody to speak for it.
        const small = Math.min(log2, Math.floor(Math.log2(graph.nodes / 8)));
        const network = new VirtualNetwork(graph, new Set(holders), seed, {
          strategy,
          bits: Math.max(0, small),
          settings: { audit },
        });
        network.start('0');
        const outcome = network.run();
        if (outcome.strategy === 'groups' && outcome.verdict === 'incomplete') {
          assert.equal(outcome.ground, 'unsynced', 'a group without members');
          unsynced += 1;
          return;
        }
        assert.equal(outcome.verdict, at === null ? 'absent' : 'found');
        if (outcome.verdict === 'absent') assert.equal(outcome.asked >= graph.nodes - 1, true);
        assert.equal(outcome.missingCount, 0);
      },
    ),
    runs,
  );
  assert.ok(unsynced < RUNS / 4, `${unsynced} without an answer`);
});

test('the number of tokens never changes the verdict, and the same seed gives the same trace', () => {
  fc.assert(
    fc.property(
      graphs,
      bits,
      fc.nat(),
      fc.nat(),
      fc.boolean(),
      faults,
      (graph, log2, seed, at, miss, fault) => {
        const holders = miss ? new Set<number>() : new Set([at % graph.nodes]);
        const trace = (tokens: number, what: Options = {}): readonly unknown[] => {
          const options: Options = { strategy: 'groups', bits: log2, settings: { tokens }, ...what };
          const network = new VirtualNetwork(graph, holders, seed, options);
          network.start('0');
          const outcome = network.run();
          return [outcome, network.asked, network.hits];
        };
        const verdict = (tokens: number): unknown => (trace(tokens)[0] as { verdict: string }).verdict;
        assert.deepEqual(trace(3, fault), trace(3, fault));
        assert.equal(verdict(1), verdict(8));
        assert.equal(verdict(2), verdict(64));
      },
    ),
    runs,
  );
});

test('tokens have disjoint lists, which with what is covered make up all groups, across forks and losses', () => {
  fc.assert(
    fc.property(graphs, fc.integer({ min: 1, max: 5 }), faults, fc.nat(), (graph, log2, fault, seed) => {
      // A token that comes twice is two tokens with one list: only one of them is heard.
      const options: Options = { ...fault, strategy: 'groups', bits: log2, duplicates: 0 };
      const network = new VirtualNetwork(graph, new Set(), seed, options);
      network.start('0', 20_000);
      const own = groupOf(network.keyOf('0'), log2);
      const seen = new Set<number>();
      do {
        const lists = new Map<number, Uint8Array>();
        for (const frame of network.inFlight()) {
          if (frame.type !== 'token' && frame.type !== 'report') continue;
          const { missing, covered, failed, number } = frame;
          assert.ok(bitset.isEmpty(bitset.both(missing, covered)), 'what is covered is missing no more');
          lists.set(number, bitset.union(bitset.union(missing, covered), failed));
          if (frame.type === 'report') for (const group of bitset.members(covered)) seen.add(group);
        }
        const all = [...lists.values()];
        for (const [at, list] of all.entries())
          for (const other of all.slice(at + 1))
            assert.ok(bitset.isEmpty(bitset.both(list, other)), 'two tokens with one group');
      } while (network.outcome === null && network.deliver());
      const outcome = network.run();
      for (const frame of network.sent)
        if (frame.type === 'report') for (const group of bitset.members(frame.covered)) seen.add(group);
      seen.add(own);
      if (outcome.verdict === 'absent') assert.equal(seen.size, 2 ** log2, 'every group was covered');
    }),
    runs,
  );
});

test('nodes that count with g and with 2g groups agree', () => {
  let decided = 0;
  let all = 0;
  fc.assert(
    fc.property(
      graphs,
      fc.integer({ min: 0, max: 2 }),
      fc.nat(),
      fc.nat(),
      fc.boolean(),
      fc.option(faults, { nil: null }),
      (graph, log2, seed, at, miss, fault) => {
        const holder = at % graph.nodes;
        const network = new VirtualNetwork(graph, new Set(miss ? [] : [holder]), seed, {
          ...fault,
          strategy: 'groups',
          bitsOf: (node) => log2 + ((seed >> (node % 16)) & 1),
        });
        network.start('0');
        const outcome = network.run();
        if (fault === null) all += 1;
        if (fault === null && outcome.verdict !== 'incomplete') decided += 1;
        if (miss) assert.notEqual(outcome.verdict, 'found');
        else assert.notEqual(outcome.verdict, 'absent');
        if (outcome.verdict === 'found') assert.deepEqual(network.hits, [String(holder)]);
      },
    ),
    runs,
  );
  assert.ok(decided > all / 2, `${decided} of ${all} had an answer`);
});

test('an unsynced member is never taken for a whole group', () => {
  fc.assert(
    fc.property(graphs, bits, fc.nat(), fc.array(fc.nat(), { maxLength: 40 }), (graph, log2, seed, list) => {
      const unsynced = new Set(list.map((at) => at % graph.nodes));
      const network = new VirtualNetwork(graph, new Set(), seed, {
        strategy: 'groups',
        bits: log2,
        unsynced,
      });
      network.start('0');
      const outcome = network.run();
      if (unsynced.size === graph.nodes) assert.equal(outcome.verdict, 'incomplete');
      if (outcome.verdict === 'absent') assert.equal(outcome.ground, 'all-prints');
      else assert.equal(outcome.ground, 'unsynced');
    }),
    runs,
  );
});

test('no token goes further than its leash, and none is sent once a hit is about to be proved', () => {
  let several = 0;
  fc.assert(
    fc.property(graphs, fc.nat(), fc.nat(), fc.boolean(), (graph, seed, at, reorder) => {
      const holders = new Set([at % graph.nodes]);
      const network = new VirtualNetwork(graph, holders, seed, { strategy: 'groups', bits: 4, reorder });
      network.start('0');
      network.run();
      while (network.deliver());
      const hops = new Map<number, number>();
      const known = new Set<number>();
      let confirmed = false;
      for (const frame of network.sent) {
        confirmed ||= frame.type === 'confirm';
        if (frame.type !== 'token' && frame.type !== 'report') continue;
        const { number } = frame;
        hops.set(number, (hops.get(number) ?? 0) + 1);
        assert.ok(!confirmed || known.has(number), 'a token was sent when enough was found');
        known.add(number);
      }
      // A hop to each group that it may ask, and the way home.
      for (const count of hops.values())
        assert.ok(count <= SEARCH.leash + 1, `${count} messages of one token`);
      if (hops.size > 1) several += 1;
    }),
    runs,
  );
  assert.ok(several > RUNS / 10, `${several} searches with several tokens`);
});

test('one hop and one answer find what a member of the own group holds', () => {
  const graph: Graph = {
    nodes: 3,
    edges: [
      [0, 1],
      [1, 2],
    ],
  };
  const network = new VirtualNetwork(graph, new Set([2]), 1, { strategy: 'auto' });
  network.start('0');
  const outcome = network.run();
  assert.deepEqual([outcome.verdict, outcome.strategy, outcome.messages], ['found', 'groups', 2]);
  assert.deepEqual(network.hits, ['2']);
});

test('in one group of all a miss costs no message', () => {
  const graph: Graph = {
    nodes: 5,
    edges: [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
    ],
  };
  const network = new VirtualNetwork(graph, new Set(), 1, { strategy: 'auto' });
  network.start('0');
  const outcome = network.run();
  assert.deepEqual([outcome.verdict, outcome.ground, outcome.asked], ['absent', 'all-prints', 4]);
  assert.equal(network.messages, 0);
});

test('a glob that no print answers is asked of every node where all are known, and walked elsewhere', () => {
  const graph: Graph = {
    nodes: 4,
    edges: [
      [0, 1],
      [1, 2],
      [2, 3],
    ],
  };
  for (const [log2, strategy] of [
    [0, 'groups'],
    [1, 'walk'],
  ] as const) {
    const network = new VirtualNetwork(graph, new Set(), 1, { strategy: 'auto', bits: log2 });
    network.start('0', 60_000, { kind: 'glob', pattern: 'con*' });
    const outcome = network.run();
    assert.deepEqual([outcome.verdict, outcome.strategy, network.messages], ['absent', strategy, 6]);
  }
});

test(`every holder of ${NAME} is named when all are wanted`, () => {
  const graph: Graph = {
    nodes: 6,
    edges: [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 4],
      [4, 5],
    ],
  };
  const network = new VirtualNetwork(graph, new Set([1, 3, 5]), 1, { strategy: 'auto', want: 20 });
  network.start('0');
  assert.equal(network.run().verdict, 'found');
  assert.deepEqual(network.hits.sort(), ['1', '3', '5']);
});

test('a node that is still reading its files makes no absent, whichever strategy asks', () => {
  fc.assert(
    fc.property(
      graphs,
      fc.constantFrom('walk', 'groups', 'auto' as const),
      fc.integer({ min: 0, max: 2 }),
      fc.nat(),
      (graph, strategy, log2, seed) => {
        const reading = seed % graph.nodes;
        const options = { strategy, bits: log2, scanning: new Set([reading]) };
        const network = new VirtualNetwork(graph, new Set(), seed, options);
        network.start('0');
        const outcome = network.run();
        assert.equal(outcome.verdict, 'incomplete');
        assert.deepEqual(network.hits, []);
      },
    ),
    runs,
  );
});
