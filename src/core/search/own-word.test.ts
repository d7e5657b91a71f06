import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '../random.ts';
import { STRATEGIES } from '../ports.ts';
import { Origin } from './origin.ts';
import type { NodeView, SearchFrame, SearchInput, SearchOutput } from './search.ts';
import { createStrategy } from './strategies.ts';
import { createWalk } from './walk.ts';

const ID = 'a'.repeat(32);
const query = { kind: 'name', name: 'surat.txt' } as const;
const hit = (peer: string, name: string = query.name) => ({
  name,
  size: 1,
  cid: 'bafy',
  peer,
  label: peer,
  addresses: [],
  hops: 1,
});

/** A node whose only neighbour is `b`, of the other of two groups, or with more. */
function viewOf(...peers: readonly string[]): NodeView {
  const all = ['b', ...peers];
  return {
    peer: 'a',
    label: 'a',
    addresses: () => [],
    lookup: () => [],
    scanning: () => false,
    neighbours: () => all.map((peer) => ({ peer, label: peer })),
    neighbour: (peer) => (all.includes(peer) ? { peer, label: peer } : undefined),
    keyOf: (peer) => (peer === 'a' ? 0 : 2 ** 31),
    prints: {
      bits: () => 1,
      estimate: () => 2,
      members: () => 1,
      syncedAt: (now) => now,
      candidates: () => [],
      contacts: () => [],
    },
  };
}

type Found = (frame: SearchFrame, hits: ReturnType<typeof hit>[]) => SearchFrame;

const found: Found = (_frame, hits) => ({ type: 'found', id: ID, hops: 1, walker: 1, hits });

/** How a neighbour answers what each strategy sends it, with hits. */
const ANSWERS: Readonly<Record<'flood' | 'ring' | 'walkers' | 'groups' | 'walk', Found>> = {
  flood: found,
  ring: found,
  walkers: found,
  groups: (frame, hits) => {
    assert.ok(frame.type === 'token');
    const { number, half, bits, missing, failed } = frame;
    const sets = { missing: failed, covered: missing, failed };
    return { type: 'report', id: ID, number, half, bits, ...sets, hops: 1, asked: 1, candidates: [], hits };
  },
  walk: (_frame, hits) => {
    const counts = { asked: 1, messages: 1, missingCount: 0, missing: [] };
    return { type: 'return', id: ID, seen: false, ...counts, trail: [], debt: 0, hits };
  },
};

/** Whom the strategy has show what the neighbour `b` told of. */
function proved(strategy: keyof typeof ANSWERS, hits: ReturnType<typeof hit>[]): readonly string[] {
  const random = seededRandom(1);
  const node = createStrategy(strategy, viewOf());
  const sent = node
    .step({ type: 'start', id: ID, query, timeoutMs: 1_000 }, 0, random)
    .find((output) => output.type === 'send');
  assert.ok(sent?.type === 'send' && sent.to === 'b', `${strategy} asks its neighbour`);
  const out = node.step({ type: 'frame', from: 'b', frame: ANSWERS[strategy](sent.frame, hits) }, 0, random);
  return out.flatMap((output) => (output.type === 'prove' ? [`${output.hit.peer} ${output.hit.name}`] : []));
}

for (const strategy of Object.keys(ANSWERS) as (keyof typeof ANSWERS)[]) {
  test(`${strategy}: each peer speaks for itself only, and of what was asked for`, () => {
    assert.ok(STRATEGIES.includes(strategy));
    assert.deepEqual(proved(strategy, [hit('b')]), ['b surat.txt']);
    assert.deepEqual(proved(strategy, [hit('c'), hit('a')]), []);
    assert.deepEqual(proved(strategy, [hit('b', 'yang lain.txt')]), []);
  });
}

test('what was not asked for is not offered to anybody, whoever says it', () => {
  const origin = new Origin({ type: 'start', id: ID, query, timeoutMs: 1_000, want: 9 }, 'groups', 0);
  const out: SearchOutput[] = [];
  origin.offer([hit('b', 'yang lain.txt'), hit('c', 'surat.txt.exe'), hit('d')], out);
  assert.deepEqual(
    out.map((output) => (output.type === 'prove' ? output.hit.peer : output.type)),
    ['d'],
  );
});

/** What a node between `b` and `c` tells `b`, where `c` comes back with this. */
function passedOn(
  back: Partial<Extract<SearchFrame, { type: 'return' }>>,
  seed: number,
): Extract<SearchFrame, { type: 'return' }> {
  const random = seededRandom(seed);
  const walk = createWalk(viewOf('c'));
  const step = (input: SearchInput): readonly SearchOutput[] => walk.step(input, 0, random);
  const visit = { type: 'visit', id: ID, query, hops: 1, remainingMs: 1_000, without: [] } as const;
  step({ type: 'frame', from: 'b', frame: visit });
  const frame = ANSWERS.walk(visit, []);
  assert.ok(frame.type === 'return');
  const [sent] = step({ type: 'frame', from: 'c', frame: { ...frame, ...back } });
  assert.ok(sent?.type === 'send' && sent.to === 'b' && sent.frame.type === 'return');
  return sent.frame;
}

test('of a walk, who has hits or lacks somebody pays with a random number, so that nobody can keep that back unseen', () => {
  assert.equal(passedOn({}, 1).debt, 0);
  for (const back of [{ hits: [hit('c')] }, { missingCount: 1, missing: ['d'] }]) {
    const debts = [1, 2, 3].map((seed) => passedOn(back, seed).debt);
    assert.ok(!debts.includes(0) && new Set(debts).size === 3, debts.join(' '));
  }
});
