import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { STRATEGIES } from '../core/ports.ts';
import { edgesOf } from './graph.ts';
import { graphFromJson } from './graphs/file.ts';
import { buildNetwork, networkOf } from './network.ts';
import { GRAPHS } from './plan.ts';
import { rowFor } from './testkit.ts';

const NONE = { kind: 'count', count: 0 } as const;
const ONE = { kind: 'count', count: 1 } as const;

test('a miss by walk is absent and costs exactly two messages an edge, on every kind of graph', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...GRAPHS),
      fc.integer({ min: 2, max: 150 }),
      fc.nat(1_000),
      async (graph, nodes, seed) => {
        const network = buildNetwork(graph, nodes, seed);
        const row = await rowFor({ graph, nodes, strategy: 'walk', copies: NONE, queries: 3 }, seed, network);
        assert.equal(row.absent, 3);
        assert.equal(row.messagesMean, 2 * edgesOf(network.graph));
        assert.equal(row.messagesP95, row.messagesMean);
      },
    ),
    { numRuns: 40 },
  );
});

test('walk, groups and auto find the one copy that there is, and prove it absent where there is none', async () => {
  for (const strategy of ['walk', 'groups', 'auto'] as const) {
    const found = await rowFor({ nodes: 600, strategy, copies: ONE, queries: 60 });
    assert.deepEqual([found.found, found.falseFound, found.neverEnded], [60, 0, 0], strategy);
    const none = await rowFor({ nodes: 600, strategy, copies: NONE, queries: 30 });
    assert.deepEqual([none.absent, none.neverEnded], [30, 0], strategy);
  }
});

test('the same seed gives the same row, another seed another', async () => {
  for (const strategy of STRATEGIES) {
    const parts = { nodes: 300, strategy, copies: ONE, queries: 15, churn: 0.1, loss: 0.01 };
    assert.deepEqual(await rowFor(parts, 5), await rowFor(parts, 5), strategy);
    assert.notDeepEqual(await rowFor(parts, 5), await rowFor(parts, 6), strategy);
  }
});

test('a query that takes no round, because its origin has the file, costs nothing', async () => {
  const row = await rowFor({
    nodes: 50,
    strategy: 'flood',
    copies: { kind: 'percent', percent: 100 },
    queries: 10,
  });
  assert.deepEqual(
    [row.found, row.messagesMean, row.hopsMean, row.roundsMean, row.bytesMean],
    [10, 0, 0, 0, 0],
  );
});

test('a graph from a file runs like any other', async () => {
  const nodes = Array.from({ length: 40 }, (_, key) => ({ key: key * 0x6000000 }));
  const edges = nodes.map((_, at) => [at, (at + 1) % 40]);
  const network = networkOf(graphFromJson(JSON.stringify({ nodes, edges }), 'ring.json'), 1);
  const row = await rowFor({ graph: 'ring.json', strategy: 'walk', copies: NONE, queries: 2 }, 1, network);
  assert.deepEqual([row.nodes, row.edges, row.absent, row.messagesMean], [40, 40, 2, 80]);
});
