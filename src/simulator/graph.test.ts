import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../core/random.ts';
import { areLinked, componentsOf, degreeOf, graphOf, statsOf } from './graph.ts';
import { withDegrees } from './graphs/degrees.ts';
import { graphFromJson } from './graphs/file.ts';
import { prefixOf } from './keys.ts';
import { buildNetwork } from './network.ts';
import { DEFAULT_NODES, GRAPHS } from './plan.ts';

function near(value: number, expected: number, share: number, what: string): void {
  assert.ok(Math.abs(value - expected) <= share * expected, `${what} ${value} is not near ${expected}`);
}

test('the graphs of Lv et al. 2002 have the sizes and degrees that the paper gives', () => {
  const stats = (name: 'random' | 'plrg' | 'gnutella' | 'grid') =>
    statsOf(buildNetwork(name, DEFAULT_NODES[name], 7).graph);
  const random = stats('random');
  near(random.mean, 4.09, 0.02, 'mean of random');
  assert.deepEqual([random.nodes, random.median, random.min, random.components], [9_836, 4, 1, 1]);
  const plrg = stats('plrg');
  near(plrg.mean, 4.46, 0.03, 'mean of plrg');
  near(plrg.max, 1_746, 0.05, 'most of plrg');
  assert.deepEqual([plrg.nodes, plrg.median, plrg.min, plrg.components], [9_230, 1, 1, 1]);
  const gnutella = stats('gnutella');
  near(gnutella.mean, 5.5, 0.02, 'mean of gnutella');
  assert.deepEqual([gnutella.nodes, gnutella.median, gnutella.max, gnutella.components], [4_736, 2, 136, 1]);
  const grid = stats('grid');
  assert.deepEqual([grid.nodes, grid.mean, grid.max, grid.components], [10_000, 3.96, 4, 1]);
});

test('every kind of graph has exactly as many nodes as asked for, all connected, without loops and repeats', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...GRAPHS),
      fc.integer({ min: 2, max: 600 }),
      fc.nat(),
      (name, nodes, seed) => {
        const { graph } = buildNetwork(name, nodes, seed);
        assert.equal(graph.nodes, nodes);
        assert.equal(componentsOf(graph).count, 1);
        for (let node = 0; node < nodes; node += 1) {
          const row = [...graph.neighbours.subarray(graph.offsets[node], graph.offsets[node + 1])];
          assert.deepEqual(
            row,
            [...new Set(row)].sort((a, b) => a - b),
          );
          assert.ok(!row.includes(node));
          for (const other of row) assert.ok(areLinked(graph, other, node));
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('the overlay has 6 to 64 neighbours a node, 12 in the mean, few of them in the same group', () => {
  const { graph, space } = buildNetwork('overlay', 4_000, 3);
  const { mean, min, max } = statsOf(graph);
  near(mean, 12, 0.01, 'mean');
  assert.ok(min >= 6 && max <= 64, `${min} to ${max}`);
  const bits = 5;
  const counts = { repeats: 0, own: 0 };
  for (let node = 0; node < graph.nodes; node += 1) {
    const own = prefixOf(space.keys[node] ?? 0, bits);
    const groups = [...graph.neighbours.subarray(graph.offsets[node], graph.offsets[node + 1])].map((other) =>
      prefixOf(space.keys[other] ?? 0, bits),
    );
    const foreign = groups.filter((group) => group !== own);
    counts.own += groups.length - foreign.length;
    counts.repeats += foreign.length - new Set(foreign).size;
  }
  near(counts.own / graph.nodes, 4, 0.05, 'links in the own group: two opened and two taken');
  assert.ok(counts.repeats / graph.nodes < 0.5, 'second links into one foreign group are rare');
});

test('a graph of given degrees keeps them, if they can be had at all', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 30, maxLength: 80 }),
      fc.nat(),
      (degrees, seed) => {
        const graph = withDegrees('x', Uint32Array.from(degrees), seededRandom(seed));
        const total = degrees.reduce((sum, degree) => sum + degree, 0);
        assert.ok(graph.neighbours.length >= total - 4);
        for (const [node, degree] of degrees.entries()) assert.ok(degreeOf(graph, node) <= degree);
      },
    ),
  );
});

test('loops and repeated edges are left out', () => {
  const from = Uint32Array.of(0, 1, 1, 2);
  const to = Uint32Array.of(1, 0, 1, 0);
  const graph = graphOf('x', 3, { from, to, count: 4 });
  assert.deepEqual([...graph.offsets], [0, 2, 3, 4]);
  assert.deepEqual([...graph.neighbours], [1, 2, 0, 0]);
});

test('a file gives nodes, keys, links and contacts of a real network', () => {
  const file = {
    nodes: [{ key: 5, label: 'a' }, { key: 'peer-b' }, { key: 0xffffffff }],
    edges: [
      [0, 1],
      [1, 2],
    ],
    contacts: [[2], [], [0]],
  };
  const graph = graphFromJson(JSON.stringify(file), 'g.json');
  assert.equal(graph.nodes, 3);
  assert.deepEqual([...graph.neighbours], [1, 0, 2, 1]);
  assert.equal(graph.file?.keys[2], 0xffffffff);
  assert.deepEqual(graph.file?.contacts, [[2], [], [0]]);
});

test('a file that is no graph is refused with the place that is wrong', () => {
  const wrong: readonly (readonly [string, RegExp])[] = [
    ['nonsense', /not a JSON object/],
    ['{}', /nodes is not a list/],
    ['{"nodes":[{"key":1}],"edges":[]}', /must have 2 to/],
    ['{"nodes":[{"key":1},{}],"edges":[]}', /nodes\[1\] has no key/],
    ['{"nodes":[{"key":1},{"key":2}],"edges":[[0,2]]}', /edges\[0\] names a node that is not there/],
    ['{"nodes":[{"key":1},{"key":2}],"edges":[7]}', /edges\[0\] is not a list/],
    ['{"nodes":[{"key":1},{"key":2}],"edges":[],"contacts":[[-1]]}', /contacts\[0\] names a node/],
  ];
  for (const [text, says] of wrong) assert.throws(() => graphFromJson(text, 'g.json'), says);
});
