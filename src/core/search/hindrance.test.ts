import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '../random.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import * as bitset from './bitset.ts';
import { Confirms } from './confirms.ts';
import { NAME, VirtualNetwork, type Graph, type Options, type Say } from './network.testkit.ts';
import { Origin } from './origin.ts';
import type { Contact, SearchFrame, SearchOutput } from './search.ts';
import { halfOf } from './size.ts';
import { groupOf } from './tokens.ts';
import { loneView } from './view.testkit.ts';

const BITS = 3;
const NODES = 80;
const everyone = Array.from({ length: NODES }, (_, node) => node);

type Lie = (from: string, frame: SearchFrame, say: Say) => void;
const mute: Lie = () => undefined;

/** As nodes link themselves: to most of the groups, and twice their own. */
function linked(seed: number): { readonly graph: Graph; readonly keyOf: (node: number) => number } {
  const keys = new VirtualNetwork({ nodes: NODES, edges: [] }, new Set(), seed);
  const keyOf = (node: number): number => keys.keyOf(String(node));
  const random = seededRandom(seed);
  const edges = new Map<string, readonly [number, number]>();
  for (const a of everyone)
    for (let group = 0; group < 2 ** BITS; group += 1) {
      const members = everyone.filter((node) => node !== a && groupOf(keyOf(node), BITS) === group);
      const b = members[Math.floor(random() * members.length)];
      if (b !== undefined && random() < 0.75) edges.set(`${Math.min(a, b)} ${Math.max(a, b)}`, [a, b]);
    }
  return { graph: { nodes: NODES, edges: [...edges.values()] }, keyOf };
}

/** A neighbour of node 0 in another group, and others of its group. */
function cast(seed: number) {
  const { graph, keyOf } = linked(seed);
  const near = graph.edges.flatMap(([a, b]) => (a === 0 ? [b] : b === 0 ? [a] : []));
  const groupAt = (node: number): number => groupOf(keyOf(node), BITS);
  const liar = near.find((node) => groupAt(node) !== groupAt(0));
  assert.ok(liar !== undefined);
  const mates = everyone.filter((node) => node !== liar && groupAt(node) === groupAt(liar));
  return { graph, keyOf, liar, mates };
}

function run(graph: Graph, holders: readonly number[], seed: number, options: Options) {
  const audited = { strategy: 'groups', bits: BITS, settings: { audit: true }, ...options } as const;
  const network = new VirtualNetwork(graph, new Set(holders), seed, audited);
  network.start('0');
  return { network, outcome: network.run() };
}

const report = (token: TokenFrame, claims: Partial<ReportFrame>): ReportFrame => {
  const { id, bits, half, number, missing, covered, failed } = token;
  const rest = { missing, covered, failed, asked: 1, hops: 1, candidates: [], hits: [] };
  return { type: 'report', id, bits, half, number, ...rest, ...claims };
};

const claiming =
  (claims: (token: TokenFrame) => Partial<ReportFrame>): Lie =>
  (_from, frame, say) => {
    if (frame.type === 'token') say(frame.origin.peer, report(frame, claims(frame)));
  };

test('a neighbour that keeps tokens hides nothing of its group, and holds up no proof', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const { graph, liar, mates } = cast(seed);
    const liars = new Map([[liar, mute]]);
    const holder = mates[0];
    assert.ok(holder !== undefined);
    assert.equal(run(graph, [holder], seed, { liars }).outcome.verdict, 'found', `seed ${seed}`);
    assert.equal(run(graph, [], seed, { liars }).outcome.verdict, 'absent', `seed ${seed}`);
  }
});

test('where one half of a group keeps all tokens, the other is asked all the same', () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const { graph, keyOf, mates, liar } = cast(seed);
    const first = [liar, ...mates].filter((node) => halfOf(keyOf(node)) === 1);
    const holder = mates.find((node) => halfOf(keyOf(node)) === 2);
    if (holder === undefined) continue;
    const liars = new Map(first.map((node) => [node, mute]));
    assert.equal(run(graph, [holder], seed, { liars }).outcome.verdict, 'found', `seed ${seed}`);
    const { verdict, ground } = run(graph, [], seed, { liars }).outcome;
    assert.deepEqual([verdict, ground], ['incomplete', 'lost'], `seed ${seed}`);
  }
});

test('a miss counts every other node once, audited or not, whatever one of them says', () => {
  const boast = claiming(({ missing, bits }) => ({
    missing: bitset.emptySet(bits),
    covered: missing,
    asked: 2 ** 53 - 1,
  }));
  for (let seed = 1; seed <= 10; seed += 1) {
    const { graph, liar } = cast(seed);
    for (const audit of [true, false]) {
      const { outcome } = run(graph, [], seed, { settings: { audit } });
      assert.deepEqual([outcome.verdict, outcome.asked], ['absent', NODES - 1]);
    }
    const liars = new Map([[liar, boast]]);
    const audited = run(graph, [], seed, { liars }).outcome;
    assert.ok(audited.asked < 2 * NODES, `${audited.asked} said of ${NODES - 1}`);
    const { asked } = run(graph, [], seed, { liars, settings: { audit: false } }).outcome;
    assert.ok(asked < 10 * NODES, `${asked} said of ${NODES - 1}`);
  }
});

test('a walk says no more than a few times as many nodes as there are, whatever one of them says', () => {
  const back = { seen: false, messages: 1, missingCount: 0, missing: [], hits: [], trail: [], debt: 0 };
  const boast: Lie = (from, frame, say) => {
    if (frame.type === 'visit') say(from, { type: 'return', id: frame.id, asked: 2 ** 31 - 1, ...back });
  };
  const edges = [1, 2, 3].map((node) => [node - 1, node] as const);
  const network = new VirtualNetwork({ nodes: 4, edges }, new Set(), 1, {
    strategy: 'auto',
    bits: 1,
    liars: new Map([[2, boast]]),
  });
  network.start('0', 60_000, { kind: 'glob', pattern: '*.x' });
  assert.ok(network.run().asked <= 16);
});

test('who answers a search is counted, also where nobody was synced', () => {
  const edges = [1, 2].map((node) => [node - 1, node] as const);
  const unsynced = new Set([0, 1, 2]);
  const options = { strategy: 'groups', bits: 0, settings: {}, unsynced } as const;
  const network = new VirtualNetwork({ nodes: 3, edges }, new Set([2]), 1, options);
  network.start('0');
  const { verdict, asked } = network.run();
  assert.deepEqual([verdict, asked], ['found', 1]);
});

test('a report with 32 holders that do not answer keeps no search waiting', () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const { graph, liar, mates } = cast(seed);
    const named = Array.from({ length: 32 }, (_, at) => contact(`deaf ${at}`));
    const holder = mates[0];
    assert.ok(holder !== undefined);
    const undone = claiming(() => ({ candidates: named }));
    const done = claiming(({ missing, bits }) => ({
      missing: bitset.emptySet(bits),
      covered: missing,
      candidates: named,
    }));
    for (const [want, lie] of [1, 20].flatMap((count) => [
      [count, undone] as const,
      [count, done] as const,
    ])) {
      const liars = new Map([[liar, lie]]);
      const { network, outcome } = run(graph, [holder], seed, { liars, want });
      assert.equal(outcome.verdict, 'found', `seed ${seed}`);
      // 32 one after another at 5 s each are 160 s, eight at once 20 s.
      assert.ok(network.now < (want === 1 ? 2_000 : 15_000), `${network.now} ms, seed ${seed}, ${want}`);
    }
  }
});

const query = { kind: 'name', name: NAME } as const;
const contact = (peer: string): Contact => ({ peer, label: peer, addresses: [] });

function confirms(want: number) {
  const view = loneView();
  const origin = new Origin(
    { type: 'start', id: 'a'.repeat(32), query, timeoutMs: 60_000, want },
    'groups',
    0,
  );
  const all = new Confirms(view, origin);
  const asked: string[] = [];
  const pump = (now: number): readonly string[] => {
    const out: SearchOutput[] = [];
    all.pump(now, out);
    const fresh = out.flatMap((output) => (output.type === 'send' ? [output.to] : []));
    asked.push(...fresh);
    return fresh;
  };
  return { all, origin, pump, asked };
}

test('whoever named holders takes turns with others who did', () => {
  const { all, pump } = confirms(4);
  for (let at = 0; at < 32; at += 1) all.add(contact(`liar${at}`), 0, 'liar');
  for (const at of [0, 1]) all.add(contact(`honest${at}`), 0, 'honest');
  assert.deepEqual(pump(0), ['liar0', 'honest0', 'liar1', 'honest1']);
});

test('beside a holder that is slow others are asked, and its source no longer keeps the search from going on', () => {
  const { all, pump, asked } = confirms(1);
  for (let at = 0; at < 32; at += 1) all.add(contact(`liar${at}`), 0, 'liar');
  assert.deepEqual(pump(0), ['liar0']);
  assert.equal(all.promising(499), 32);
  assert.deepEqual(pump(499), []);
  assert.equal(all.promising(500), 0);
  assert.deepEqual(pump(500), ['liar1', 'liar2']);
  for (let now = 750; now < 5_000; now += 250) pump(now);
  assert.ok(asked.length >= 16 && asked.length <= 24, `${asked.length} are open`);
  all.add(contact('honest'), 0, 'honest');
  assert.equal(all.promising(5_000), 1);
  assert.ok(pump(5_000).includes('honest'), 'there is room for another source');
});
