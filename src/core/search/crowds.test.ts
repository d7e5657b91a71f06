import assert from 'node:assert/strict';
import test from 'node:test';
import type { Hit } from '../ports.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import { Confirms } from './confirms.ts';
import { Origin } from './origin.ts';
import type { Contact, NodeView, SearchOutput } from './search.ts';
import { Tokens } from './tokens.ts';
import { loneView } from './view.testkit.ts';

const query = { kind: 'name', name: 'x.txt' } as const;
const contact = (at: number): Contact => ({ peer: `p${at}`, label: `p${at}`, addresses: [] });
const hit = (peer: string, cid: string): Hit => ({
  name: 'x.txt',
  size: 1,
  cid,
  peer,
  label: peer,
  addresses: [],
  hops: 1,
});

function viewOf(candidates: readonly Contact[], refused = ''): NodeView {
  return loneView({ refuses: (peer) => peer === refused }, { candidates: () => candidates });
}

const begin = (want = 1): Origin =>
  new Origin({ type: 'start', id: 'a'.repeat(32), query, timeoutMs: 1_000, want }, 'groups', 0);

function verdictOf(origin: Origin): string | undefined {
  const out: SearchOutput[] = [];
  origin.end('all-prints', out);
  return out.flatMap((output) => (output.type === 'end' ? [output.outcome.verdict] : []))[0];
}

test('of more holders than can be asked those that are left out forbid absent', () => {
  const few = begin();
  const confirms = new Confirms(viewOf([]), few);
  for (let at = 0; at < 256; at += 1) confirms.add(contact(at), 0);
  assert.equal(verdictOf(few), 'absent');
  const many = begin();
  const more = new Confirms(viewOf([]), many);
  for (let at = 0; at < 257; at += 1) more.add(contact(at), 0);
  assert.equal(verdictOf(many), 'incomplete');
});

test('of more hits than can be proved those that are left out forbid absent', () => {
  const origin = begin();
  for (let at = 0; at < 257; at += 1) origin.offer([hit(`p${at}`, 'bafy')], []);
  assert.equal(verdictOf(origin), 'incomplete');
});

test('who was dropped for lies is not asked, whatever its prints claim, and is not missed', () => {
  const origin = begin();
  const confirms = new Confirms(viewOf([], 'p1'), origin);
  confirms.add(contact(1), 0);
  assert.equal(confirms.pending, 0);
  assert.equal(verdictOf(origin), 'absent');
});

test('a peer that failed one proof is not given another; others are', () => {
  const origin = begin();
  const out: SearchOutput[] = [];
  origin.offer(
    Array.from({ length: 16 }, (_, at) => hit('liar', `cid${at}`)),
    out,
  );
  origin.offer([hit('honest', 'bafy')], out);
  origin.proved({ type: 'proved', id: origin.id, peer: 'liar', cid: 'cid0', proof: 'unreachable' }, out);
  const proving = out.flatMap((output) => (output.type === 'prove' ? [output.hit.peer] : []));
  assert.deepEqual(proving, ['liar', 'honest']);
});

const SET = Uint8Array.of(1);
const NONE = Uint8Array.of(0);
const token: TokenFrame = {
  type: 'token',
  id: 'a'.repeat(32),
  query,
  hops: 1,
  remainingMs: 1_000,
  origin: contact(0),
  bits: 0,
  missing: SET,
  covered: NONE,
  failed: NONE,
  leash: 4,
  half: 0,
  tries: 0,
  asked: 0,
  number: 1,
  trace: false,
};

function reportOf(view: NodeView, from: string, frame: TokenFrame): ReportFrame {
  const out: SearchOutput[] = [];
  new Tokens(view, () => undefined).carry(from, frame, 0, () => 0, out);
  const report = out.flatMap((output) =>
    output.type === 'send' && output.frame.type === 'report' ? [output.frame] : [],
  )[0];
  assert.ok(report !== undefined);
  return report;
}

test('a member that cannot name all who may hold a match does not answer for its group', () => {
  const crowd = (count: number): NodeView =>
    viewOf(Array.from({ length: count }, (_, at) => contact(at + 1)));
  assert.deepEqual(reportOf(crowd(32), 'p0', token).covered, SET);
  const { covered, failed, candidates } = reportOf(crowd(33), 'p0', token);
  assert.deepEqual([covered, failed, candidates.length], [NONE, SET, 32]);
});

test('a token is one hop old only straight from its origin, whatever it says', () => {
  assert.equal(reportOf(viewOf([]), 'p0', token).hops, 1);
  assert.equal(reportOf(viewOf([]), 'p9', token).hops, 2);
});
