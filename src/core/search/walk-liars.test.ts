import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../random.ts';
import { NAME, reachable, VirtualNetwork, type Graph, type Say } from './network.testkit.ts';
import type { SearchFrame } from './search.ts';

const RUNS = Number(process.env['KELANA_RUNS'] ?? 100);

type Visit = Extract<SearchFrame, { type: 'visit' }>;
type Return = Extract<SearchFrame, { type: 'return' }>;

/** Nodes on a tree with more links, one of them linked to many. */
const graphs = fc.record({
  nodes: fc.integer({ min: 4, max: 30 }),
  more: fc.integer({ min: 0, max: 30 }),
  seed: fc.nat(),
  liar: fc.nat(),
  holder: fc.nat(),
});

function graphOf(nodes: number, more: number, seed: number, liar: number): Graph {
  const random = seededRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const edges = new Map<string, readonly [number, number]>();
  const add = (a: number, b: number): void => {
    if (a !== b) edges.set(`${Math.min(a, b)}-${Math.max(a, b)}`, [a, b]);
  };
  for (let node = 1; node < nodes; node += 1) add(below(node), node);
  for (let at = 0; at < more; at += 1) add(below(nodes), below(nodes));
  for (let node = 0; node < nodes; node += 1) if (below(3) > 0) add(liar, node);
  return { nodes, edges: [...edges.values()] };
}

/**
 * Passes the token on to several at once, as it is or altered; says that nobody has the file, at once or when it has
 * heard of others; and pays the debts that it hears of.
 */
function walker(self: string, near: readonly string[], holder: string, seed: number) {
  const random = seededRandom(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const owed: { to: string; id: string }[] = [];
  let debt = 0;
  const nothing = (id: string): Return => {
    const counts = { asked: below(40), messages: 1, missingCount: 0 };
    return { type: 'return', id, seen: below(4) === 0, ...counts, missing: [], hits: [], trail: [], debt };
  };
  const altered = (frame: Visit): Visit =>
    [
      frame,
      frame,
      { ...frame, query: { kind: 'name', name: 'yang lain' } as const },
      { ...frame, without: [holder] },
      { ...frame, remainingMs: 1 },
      { ...frame, hops: 1 },
    ][below(6)] ?? frame;
  return (from: string, frame: SearchFrame, say: Say): void => {
    if (frame.type === 'visit') {
      const many = below(near.length + 1);
      for (let at = 0; at < many; at += 1) {
        const to = near[below(near.length)];
        if (to !== undefined && to !== self && (to !== from || below(4) === 0)) say(to, altered(frame));
      }
      if (below(2) === 0) say(from, nothing(frame.id));
      else owed.push({ to: from, id: frame.id });
    } else if (frame.type === 'return') {
      if (below(4) > 0) debt = (debt ^ frame.debt) >>> 0;
      const next = below(2) === 0 ? owed.shift() : undefined;
      if (next === undefined) return;
      say(next.to, nothing(next.id));
      debt = 0;
    }
  };
}

test('no false absent of a walk with one liar, where the holder is reached without it', () => {
  const verdicts = new Map<string, number>();
  fc.assert(
    fc.property(graphs, ({ nodes, more, seed, liar, holder }) => {
      const [wrong, right] = [1 + (liar % (nodes - 1)), 1 + (holder % (nodes - 1))];
      fc.pre(wrong !== right);
      const graph = graphOf(nodes, more, seed, wrong);
      fc.pre(reachable(graph, 0, new Set([String(wrong)])).has(right));
      const near = graph.edges.flatMap(([a, b]) =>
        a === wrong ? [String(b)] : b === wrong ? [String(a)] : [],
      );
      const lie = walker(String(wrong), near, String(right), seed + liar);
      const network = new VirtualNetwork(graph, new Set([right]), seed, {
        strategy: 'walk',
        liars: new Map([[wrong, lie]]),
      });
      network.start('0', 20_000);
      const { verdict } = network.run();
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      assert.notEqual(verdict, 'absent', 'a holder stands behind a false absent');
    }),
    { numRuns: RUNS * 4 },
  );
  assert.ok((verdicts.get('found') ?? 0) > RUNS, `found ${verdicts.get('found') ?? 0} of ${RUNS * 4}`);
});

test('a liar that marks the holder before the walk comes to it, and tells nothing, does not hide it', () => {
  const graph: Graph = {
    nodes: 4,
    edges: [
      [0, 1],
      [1, 2],
      [0, 3],
      [1, 3],
      [2, 3],
    ],
  };
  for (let seed = 0; seed < 40; seed += 1) {
    const lie = (from: string, frame: SearchFrame, say: Say): void => {
      if (frame.type !== 'visit') return;
      for (const to of ['0', '1', '2']) if (to !== from) say(to, { ...frame, hops: 1 });
      const counts = { asked: 3, messages: 1, missingCount: 0 };
      say(from, {
        type: 'return',
        id: frame.id,
        seen: false,
        ...counts,
        missing: [],
        hits: [],
        trail: [],
        debt: 0,
      });
    };
    const network = new VirtualNetwork(graph, new Set([2]), seed, { liars: new Map([[3, lie]]) });
    network.start('0', 20_000, { kind: 'name', name: NAME });
    assert.notEqual(network.run().verdict, 'absent');
  }
});

const BACK = { seen: false, asked: 1, messages: 1, missingCount: 0, missing: [], trail: [], debt: 0 };

test("an invented name for an honest holder's file is no hit, and the real one is found around who made it up", () => {
  const graph = graphOf(8, 6, 3, 4);
  const made = (name: string, peer: string) => {
    const hit = { name, size: 26, cid: 'bafy', peer, label: peer, addresses: [], hops: 1 };
    return (from: string, frame: SearchFrame, say: Say): void => {
      if (frame.type === 'visit') say(from, { ...BACK, type: 'return', id: frame.id, hits: [hit] });
    };
  };
  for (let seed = 0; seed < 20; seed += 1) {
    // Of another, of the origin itself, and of a peer that is not there.
    for (const peer of ['6', '0', 'x']) {
      const liars = new Map([[4, made('rahasia.pdf', peer)]]);
      const network = new VirtualNetwork(graph, new Set([6]), seed, { liars });
      network.start('0', 20_000, { kind: 'name', name: 'rahasia.pdf' });
      assert.equal(network.run().verdict, 'incomplete');
      assert.deepEqual([network.hits, network.liarsNamed], [[], []]);
    }
    const liars = new Map([[4, made(NAME, '5')]]);
    const network = new VirtualNetwork(graph, new Set([6]), seed, { liars });
    network.start('0', 20_000);
    network.run();
    assert.deepEqual(network.hits, ['6']);
  }
});
