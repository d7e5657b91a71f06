import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '../random.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import * as bitset from './bitset.ts';
import { agree, within } from './claims.ts';
import { createGroups } from './groups.ts';
import type { NodeView, SearchInput, SearchOutput } from './search.ts';
import { groupOf, Tokens } from './tokens.ts';

const BITS = 2;
const ID = 'a'.repeat(32);
const query = { kind: 'name', name: 'x' } as const;
const NONE = bitset.emptySet(BITS);
const ALL = bitset.fullSet(BITS);
const random = seededRandom(1);

/** A key of the half 1 or 2 of a group. */
const key = (group: number, half: number): number => ((group << (32 - BITS)) >>> 0) + half - 1;
const contact = (peer: string) => ({ peer, label: peer, addresses: [] });

/** Peers are named by group and half: `2.1`, and `2.1b` beside it. */
const keyOf = (peer: string): number => key(Number(peer[0]), Number(peer[2]));

function viewOf(self: string, others: readonly string[], linked: readonly string[] = others): NodeView {
  return {
    peer: self,
    label: self,
    addresses: () => [],
    lookup: () => [],
    scanning: () => false,
    neighbours: () => linked.map(contact),
    neighbour: (peer) => (linked.includes(peer) ? contact(peer) : undefined),
    keyOf,
    prints: {
      bits: () => BITS,
      estimate: () => others.length + 1,
      members: () => 2,
      syncedAt: (now) => now,
      candidates: () => [],
      contacts: (prefix, bits) => others.filter((peer) => groupOf(keyOf(peer), bits) === prefix).map(contact),
    },
  };
}

const token: TokenFrame = {
  type: 'token',
  id: ID,
  query,
  hops: 1,
  remainingMs: 1_000,
  origin: contact('0.1'),
  bits: BITS,
  missing: ALL,
  covered: NONE,
  failed: NONE,
  leash: 4,
  half: 0,
  tries: 0,
  asked: 0,
  number: 7,
  trace: false,
};

const sends = (out: readonly SearchOutput[]) =>
  out.flatMap((output) => (output.type === 'send' ? [output] : []));

function carried(self: string, others: readonly string[], from: string, frame: TokenFrame): SearchOutput[] {
  const out: SearchOutput[] = [];
  new Tokens(viewOf(self, others), () => undefined).carry(from, frame, 0, random, out);
  return out;
}

test('a report of another half than the token, or of more groups, is none', () => {
  const given = { groups: Uint8Array.of(0b0011), half: 1 };
  const claim = { bits: BITS, half: 1, covered: Uint8Array.of(0b0001), failed: NONE };
  assert.deepEqual(agree(BITS, given, claim).covered, claim.covered);
  assert.equal(agree(BITS, given, { ...claim, half: 2 }).covered, null);
  assert.equal(agree(BITS, given, { ...claim, half: 0 }).covered, null);
  assert.equal(agree(BITS, given, { ...claim, covered: Uint8Array.of(0b0101) }).covered, null);
});

test('in the pass of one half a reporter of the other speaks for its own group only', () => {
  const counts = { bits: BITS, fine: BITS };
  assert.deepEqual(within(key(1, 2), ALL, 1, counts), Uint8Array.of(0b0010));
  assert.deepEqual(within(key(1, 1), ALL, 1, counts), ALL);
  assert.deepEqual(within(key(1, 2), ALL, 0, counts), ALL);
  const fine = bitset.fullSet(BITS + 1);
  assert.deepEqual(within(key(1, 2), fine, 1, { bits: BITS, fine: BITS + 1 }), Uint8Array.of(0b1100));
});

test('a token that a member of the other half hands on is not carried, and that member is named', () => {
  const half = { ...token, half: 1, hops: 2 };
  assert.deepEqual(carried('2.1', ['3.1'], '1.2', half), [
    { type: 'liar', peer: '1.2', why: 'handed on a token of the other half' },
  ]);
  assert.equal(sends(carried('2.1', ['3.1'], '1.1', half))[0]?.to, '3.1');
  assert.equal(sends(carried('2.1', ['3.1'], '0.1', half))[0]?.to, '3.1', 'its origin may be of any half');
});

test('a token of one half goes to members of that half, linked or not', () => {
  const half = { ...token, half: 2, missing: Uint8Array.of(0b1110) };
  const crowd = ['1.1', '2.1', '3.1', '1.1b', '2.1b', '3.1b', '1.2', '2.2', '3.2'];
  for (let round = 0; round < 40; round += 1)
    for (const linked of [crowd, []]) {
      const out: SearchOutput[] = [];
      new Tokens(viewOf('0.2', crowd, linked), () => undefined).move(half, null, 0, random, out);
      assert.match(sends(out)[0]?.to ?? '', /^\d\.2/u);
    }
});

test('a token that came from its origin is taken from nobody else, and may come altered from none', () => {
  const out: SearchOutput[] = [];
  const tokens = new Tokens(viewOf('2.1', ['3.1']), () => undefined);
  tokens.carry('0.1', { ...token, missing: Uint8Array.of(0b0100) }, 0, random, out);
  assert.deepEqual(
    sends(out).map(({ to, frame }) => [to, frame.type]),
    [['0.1', 'report']],
  );
  tokens.carry('3.1', { ...token, hops: 3, covered: ALL, missing: Uint8Array.of(0b0100) }, 1, random, out);
  assert.equal(out.length, 2, 'asked once, reported once');
});

/** A search at `0.1` that knows one peer of each half and group. */
function begun() {
  const others = [1, 2, 3].flatMap((group) => [`${group}.1`, `${group}.2`]);
  const groups = createGroups(viewOf('0.1', others));
  const step = (input: SearchInput, now = 0) => groups.step(input, now, random);
  const out = step({ type: 'start', id: ID, query, timeoutMs: 60_000 });
  const sent = sends(out).flatMap(({ to, frame }) => (frame.type === 'token' ? [{ to, frame }] : []));
  const first = sent[0];
  assert.ok(first !== undefined);
  const report = (from: string, more: Partial<ReportFrame>) => {
    const { id, bits, half, number, missing } = first.frame;
    const frame: ReportFrame = {
      type: 'report',
      id,
      bits,
      half,
      number,
      asked: 2,
      hops: 1,
      candidates: [],
      hits: [],
      missing: NONE,
      covered: missing,
      failed: NONE,
      ...more,
    };
    return step({ type: 'frame', from, frame });
  };
  return { step, first, report };
}

const named = (out: readonly SearchOutput[]) =>
  out.flatMap((output) => (output.type === 'liar' ? [output.peer] : []));

test('a report with a number that was never drawn says nothing', () => {
  const { first, report } = begun();
  assert.deepEqual(report(first.to, { number: first.frame.number + 1 }), []);
  const ends = report(first.to, {}).flatMap((output) => (output.type === 'end' ? [output.outcome] : []));
  assert.deepEqual([ends[0]?.verdict, ends[0]?.asked], ['absent', 3]);
});

test('who was handed a token and claims more than it asks for is named, whatever hops it says', () => {
  for (const hops of [1, 2, 9]) {
    const { first, report } = begun();
    assert.deepEqual(named(report(first.to, { covered: ALL, hops })), [first.to]);
  }
});

test('who was not handed the token by its origin is not held for what it reports', () => {
  const { first, report } = begun();
  const other = ['1.1', '2.1', '3.1'].find((peer) => peer !== first.to) ?? '';
  assert.deepEqual(named(report(other, { covered: ALL })), []);
});

test('who reports twice for one token is named; who only seems to, as others had it in hand, is not', () => {
  const { first, report } = begun();
  const failed = { covered: NONE, failed: first.frame.missing };
  assert.deepEqual(named(report(first.to, failed)), []);
  assert.deepEqual(named(report(first.to, failed)), [first.to]);
  const again = begun();
  const other = ['1.1', '2.1', '3.1'].find((peer) => peer !== again.first.to) ?? '';
  again.report(other, failed);
  assert.deepEqual(named(again.report(other, failed)), []);
});

test('a token that did not arrive goes on under another number, so that its first receiver cannot use it', () => {
  const { step, first, report } = begun();
  const moved = sends(step({ type: 'unsent', to: first.to, frame: first.frame }))[0];
  assert.ok(moved?.frame.type === 'token' && moved.to !== first.to);
  const { number } = moved.frame;
  assert.notEqual(number, first.frame.number);
  assert.deepEqual(report(first.to, {}), []);
  assert.deepEqual(named(report(moved.to, { number, covered: ALL })), [moved.to]);
});

test('groups of a token that never came home are asked alone, of others first, and straight of a member', () => {
  const { step, first } = begun();
  const sent = sends(step({ type: 'tick' }, 10_000)).flatMap(({ to, frame }) =>
    frame.type === 'token' ? [{ to, frame }] : [],
  );
  assert.ok(sent.length > 0);
  for (const { to, frame } of sent) {
    assert.deepEqual([bitset.members(frame.missing).length, frame.leash], [1, 1]);
    assert.ok(bitset.has(frame.missing, groupOf(keyOf(to), BITS)));
    assert.notEqual(to, first.to);
  }
});
