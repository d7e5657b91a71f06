import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SEARCH } from '../config.ts';
import { reachable, VirtualNetwork, type Graph } from './network.testkit.ts';
import type { NodeView, SearchInput } from './search.ts';
import { createWalk } from './walk.ts';

/** Random graphs of 5 to 60 nodes; some are not connected, so that "reachable" means something. */
const graphs: fc.Arbitrary<Graph> = fc
  .record({
    nodes: fc.integer({ min: 5, max: 60 }),
    degree: fc.double({ min: 0.5, max: 6, noNaN: true }),
    seed: fc.nat(),
  })
  .chain(({ nodes, degree }) =>
    fc
      .uniqueArray(fc.tuple(fc.nat(nodes - 1), fc.nat(nodes - 1)), {
        maxLength: Math.ceil((nodes * degree) / 2),
        minLength: Math.min(nodes, Math.ceil((nodes * degree) / 4)),
        selector: ([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`,
      })
      .map((edges) => ({ nodes, edges: edges.filter(([a, b]) => a !== b) })),
  );

const runs = { numRuns: Math.max(200, Number(process.env['KELANA_RUNS'] ?? 0)) };

/** A node with these neighbours, no files and no prints. */
function viewOf(...peers: readonly string[]): NodeView {
  const neighbours = peers.map((peer) => ({ peer, label: peer === 'b' ? 'localhost:5002' : peer }));
  return {
    peer: 'a',
    label: 'a',
    addresses: () => [],
    lookup: () => [],
    scanning: () => false,
    neighbours: () => neighbours,
    neighbour: (peer) => neighbours.find((neighbour) => neighbour.peer === peer),
    keyOf: () => 0,
    prints: {
      bits: () => 0,
      estimate: () => 1,
      members: () => 1,
      syncedAt: () => -Infinity,
      candidates: () => null,
      contacts: () => [],
    },
  };
}

const begin = (id: string, more: Partial<Extract<SearchInput, { type: 'start' }>> = {}) =>
  ({ type: 'start', id, query: { kind: 'name', name: 'x' }, timeoutMs: 1000, ...more }) as const;

test('a miss asks each reachable node exactly once, with exactly two frames an edge, and says absent', () => {
  fc.assert(
    fc.property(graphs, fc.nat(), (graph, seed) => {
      const network = new VirtualNetwork(graph, new Set(), seed);
      network.start('0');
      const outcome = network.run();
      const nodes = reachable(graph, 0);
      const edges = graph.edges.filter(([a, b]) => nodes.has(a) && nodes.has(b)).length;
      assert.equal(outcome.verdict, 'absent');
      assert.equal(outcome.asked, nodes.size - 1);
      assert.deepEqual(
        network.asked.map(Number).sort((a, b) => a - b),
        [...nodes].filter((node) => node !== 0).sort((a, b) => a - b),
      );
      assert.equal(network.messages, 2 * edges);
      assert.equal(outcome.messages, network.messages);
      assert.equal(outcome.ground, 'all-nodes');
    }),
    runs,
  );
});

test('a file that a reachable node holds is found, at a real holder, within two frames an edge', () => {
  fc.assert(
    fc.property(graphs, fc.nat(), fc.nat(), (graph, seed, at) => {
      const holder = at % graph.nodes;
      const network = new VirtualNetwork(graph, new Set([holder]), seed);
      network.start('0');
      const outcome = network.run();
      assert.equal(outcome.verdict, reachable(graph, 0).has(holder) ? 'found' : 'absent');
      assert.deepEqual(network.hits, outcome.verdict === 'found' ? [String(holder)] : []);
      // A holder further off is then asked itself, which is a question and an answer more.
      const far = network.sent.filter(({ type }) => type === 'confirm').length;
      assert.ok(far <= 1 && network.messages <= 2 * graph.edges.length + 2 * far);
      assert.equal(new Set(network.asked).size, network.asked.length - far, 'the walk asks no node twice');
    }),
    runs,
  );
});

test('killing any nodes but the origin never makes a false absent and always ends', () => {
  fc.assert(
    fc.property(
      graphs,
      fc.nat(),
      fc.nat(),
      fc.array(fc.tuple(fc.nat(100), fc.nat()), { maxLength: 5 }),
      (graph, seed, at, kills) => {
        const holder = 1 + (at % (graph.nodes - 1));
        const network = new VirtualNetwork(graph, new Set([holder]), seed);
        network.start('0');
        for (const [wait, victim] of kills) {
          for (let step = 0; step < wait && network.deliver(); step += 1);
          const peer = String(1 + (victim % (graph.nodes - 1)));
          if (!network.dead.has(peer)) network.kill(peer);
        }
        const outcome = network.run();
        if (outcome.verdict === 'absent') {
          // Reachable throughout means reachable without any node that died.
          assert.ok(
            !reachable(graph, 0, network.dead).has(holder) || network.dead.has(String(holder)),
            'false absent',
          );
          assert.equal(outcome.missingCount, 0);
        }
        if (outcome.verdict === 'incomplete')
          assert.ok(outcome.missingCount > 0 && outcome.missing.length > 0);
        if (outcome.verdict === 'found') assert.deepEqual(network.hits, [String(holder)]);
      },
    ),
    runs,
  );
});

test('a branch that is lost with the token makes the answer incomplete and names the node', () => {
  const line: Graph = {
    nodes: 3,
    edges: [
      [0, 1],
      [1, 2],
    ],
  };
  const network = new VirtualNetwork(line, new Set([2]), 1);
  network.start('0');
  network.deliver();
  network.kill('1');
  const outcome = network.run();
  assert.equal(outcome.verdict, 'incomplete');
  assert.deepEqual(outcome.missing, ['node 1']);
});

test('the same seed gives the same walk', () => {
  fc.assert(
    fc.property(graphs, fc.nat(), (graph, seed) => {
      const trace = (): readonly string[] => {
        const network = new VirtualNetwork(graph, new Set([graph.nodes - 1]), seed);
        network.start('0');
        network.run();
        return network.asked;
      };
      assert.deepEqual(trace(), trace());
    }),
    { numRuns: Number(process.env['KELANA_RUNS'] ?? 100) },
  );
});

test('a token that never comes back ends at the deadline as incomplete', () => {
  const walk = createWalk(viewOf('b'));
  const random = () => 0;
  walk.step(begin('f'.repeat(32)), 0, random);
  assert.deepEqual(walk.step({ type: 'tick' }, 999, random), []);
  const end = walk.step({ type: 'tick' }, 1000, random).find((output) => output.type === 'end');
  assert.deepEqual(end?.outcome, {
    verdict: 'incomplete',
    ground: 'time',
    strategy: 'walk',
    asked: 0,
    messages: 1,
    missingCount: 1,
    missing: ['localhost:5002'],
  });
});

const BACK = {
  type: 'return',
  seen: false,
  asked: 1,
  messages: 1,
  missingCount: 0,
  missing: [],
  hits: [],
  trail: [],
  debt: 0,
} as const;

test('a return that nobody asked for changes nothing', () => {
  const walk = createWalk(viewOf('b', 'c'));
  const random = () => 0;
  const id = 'e'.repeat(32);
  const [sent] = walk.step(begin(id), 0, random);
  const other = sent?.type === 'send' && sent.to === 'b' ? 'c' : 'b';
  assert.deepEqual(walk.step({ type: 'frame', from: other, frame: { ...BACK, id } }, 0, random), []);
});

test('a flood of queries never pushes out a search of this node', () => {
  const walk = createWalk(viewOf('b'));
  const random = () => 0;
  const own = 'd'.repeat(32);
  walk.step(begin(own), 0, random);
  const query = { kind: 'name', name: 'x' } as const;
  for (let flood = 0; flood <= SEARCH.maxMarks; flood += 1) {
    const id = flood.toString(16).padStart(32, '0');
    const frame = { type: 'visit', id, query, hops: 1, remainingMs: 1000, without: [] } as const;
    walk.step({ type: 'frame', from: 'b', frame }, 0, random);
  }
  assert.ok(
    walk.step({ type: 'tick' }, 1000, random).some((output) => output.type === 'end' && output.id === own),
  );
});

test('a node cut off from every peer that it knows does not say absent', () => {
  const walk = createWalk(viewOf());
  const endOf = (id: string, unlinked: readonly string[]) =>
    walk.step(begin(id.repeat(32), { unlinked }), 0, () => 0).find((output) => output.type === 'end')
      ?.outcome;
  assert.deepEqual(endOf('1', ['localhost:5002'])?.missing, ['localhost:5002']);
  assert.equal(endOf('2', ['localhost:5002'])?.ground, 'alone');
  assert.equal(endOf('3', [])?.verdict, 'absent');
});

const HIT = { name: 'x', size: 1, cid: 'bafy', peer: 'b', label: 'b', addresses: [], hops: 0 };

test('a hit from over an edge is never taken for this very node, and counts once its holder proved it', () => {
  const walk = createWalk(viewOf('b'));
  const random = () => 0;
  const id = 'c'.repeat(32);
  walk.step(begin(id), 0, random);
  const home = walk.step({ type: 'frame', from: 'b', frame: { ...BACK, id, hits: [HIT] } }, 0, random);
  assert.deepEqual(
    home.map((output) => output.type),
    ['prove'],
  );
  const proved = { type: 'proved', id, peer: 'b', cid: 'bafy', proof: 'holds' } as const;
  const found = walk.step(proved, 0, random);
  assert.equal(found.find((output) => output.type === 'hit')?.hit.hops, 1);
  assert.equal(found.find((output) => output.type === 'end')?.outcome.verdict, 'found');
});

test('a hit whose holder cannot prove it begins the walk anew without that holder', () => {
  const walk = createWalk(viewOf('b'));
  const random = () => 0.5;
  const id = 'c'.repeat(32);
  walk.step(begin(id), 0, random);
  walk.step({ type: 'frame', from: 'b', frame: { ...BACK, id, hits: [HIT] } }, 0, random);
  const again = walk.step({ type: 'proved', id, peer: 'b', cid: 'bafy', proof: 'lies' }, 0, random);
  assert.equal(again[0]?.type, 'liar');
  const sent = again.find((output) => output.type === 'send');
  assert.ok(sent?.frame.type === 'visit' && sent.frame.id !== id);
  assert.deepEqual(sent.frame.without, ['b']);
  const back = { ...BACK, id: sent.frame.id, hits: [HIT] };
  const end = walk.step({ type: 'frame', from: 'b', frame: back }, 0, random);
  assert.equal(end.find((output) => output.type === 'end')?.outcome.verdict, 'absent');
});
