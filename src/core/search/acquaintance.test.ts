import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import { PRINTS } from '../config.ts';
import { seededRandom } from '../random.ts';
import type { RecordHeader } from '../wire/sync.ts';
import { Confirms } from './confirms.ts';
import { fakeCrypto } from './crypto.testkit.ts';
import { createDirectory, type DirectoryInput } from './directory.ts';
import { Origin } from './origin.ts';
import { encodePrints } from './prints.ts';
import { toSign } from './record.ts';
import { loneView } from './view.testkit.ts';

const crypto = fakeCrypto((...parts) =>
  hash('sha256', Buffer.concat(parts.map((part) => Buffer.from(part))), 'buffer'),
);

function record(peer: string, partial = false): RecordHeader {
  const addresses = ['/ip4/127.0.0.1/tcp/1'];
  const statement = { peer, seq: 1, partial, gone: false, label: peer, addresses, segments: [] };
  return { ...statement, signature: crypto(peer).sign(toSign(statement)) };
}

/** A node with links to `friend` and `evil`, among peers that may be there or not. */
function node(there: (peer: string) => boolean) {
  const random = seededRandom(1);
  const own = crypto('self');
  const directory = createDirectory({
    self: { peer: 'self', label: () => 'self', addresses: () => [] },
    ...own,
    resizeAfterMs: 60_000,
    bits: 0,
  });
  let now = 0;
  const dialled: string[] = [];
  const step = (input: DirectoryInput): void => {
    for (const output of directory.step(input, now, random)) {
      if (output.type !== 'send' || output.addresses === undefined) continue;
      dialled.push(output.to);
      if (!there(output.to)) step({ type: 'contact-failed', peer: output.to });
      else if (output.frame.type === 'status')
        step({ type: 'frame', from: output.to, frame: { ...output.frame, ask: false } });
    }
  };
  step({ type: 'library', ...encodePrints([]), wall: 1e12 });
  for (const peer of ['friend', 'evil']) step({ type: 'link-up', peer, label: peer, addresses: [], bits: 0 });
  const give = (from: string, ...headers: readonly RecordHeader[]): void => {
    for (const header of headers) {
      now += 10;
      step({
        type: 'frame',
        from,
        frame: { type: 'headers', headers: [{ header, age: 0 }], renewed: [] },
      });
    }
  };
  const run = (ms: number): void => {
    for (const end = now + ms; now < end;) {
      now += PRINTS.tickMs;
      step({ type: 'tick', wall: 1e12 + now });
    }
  };
  give('friend', record('friend'));
  return { view: directory.view, give, run, dialled, now: () => now };
}

const names = (what: string, count: number): RecordHeader[] =>
  Array.from({ length: count }, (_, at) => record(`${what} ${at}`));

test('records of 600 peers that nobody can reach change neither the members told nor the groups', () => {
  const { view, give, run, dialled } = node(() => false);
  give('evil', ...names('nobody', 600));
  assert.ok(view.members() <= 2 + PRINTS.believedUntried, `${view.members()} at once`);
  run(10_000);
  assert.deepEqual([view.members(), view.bits(), Math.round(view.estimate())], [2, 0, 2]);
  run(120_000);
  assert.deepEqual([view.members(), view.bits()], [2, 0]);
  assert.ok(dialled.length < 40, `${dialled.length} dials in two minutes`);
});

test('members that answer count, those brought with them too, and what another made up beside them does not', () => {
  const { view, give, run, dialled } = node((peer) => peer.startsWith('member'));
  give('friend', ...names('member', 150));
  run(10_000);
  assert.equal(view.members(), 152);
  give('evil', ...names('nobody', 300));
  run(10_000);
  assert.equal(view.members(), 152);
  assert.ok(dialled.length < 40, `${dialled.length} dials`);
});

test('a source that brought real members first gains nothing by it', () => {
  const { view, give, run } = node((peer) => peer.startsWith('member'));
  give('evil', ...names('member', 10));
  run(10_000);
  give('evil', ...names('nobody', 600));
  run(10_000);
  assert.ok(view.members() <= 12, `${view.members()} members`);
});

test('one peer cannot fill the table', () => {
  const { view, give } = node(() => false);
  give('evil', ...names('nobody', PRINTS.maxOfOne + 100));
  give('friend', ...names('member', 20));
  const all = view.contacts(0, 0).map(({ peer }) => peer);
  assert.equal(all.filter((peer) => peer.startsWith('nobody')).length, PRINTS.maxOfOne);
  assert.equal(all.filter((peer) => peer.startsWith('member')).length, 20);
});

test('who was never met and cannot be reached is not asked again and again, but forbids absent', () => {
  const { view, give, run, dialled, now } = node(() => false);
  give('evil', record('nobody', true));
  run(2_000);
  assert.ok(dialled.includes('nobody'));
  const query = { kind: 'name', name: 'x.txt' } as const;
  const origin = new Origin({ type: 'start', id: 'a'.repeat(32), query, timeoutMs: 1_000 }, 'groups', now());
  const confirms = new Confirms(loneView({ prints: view }), origin);
  for (const candidate of view.candidates(query) ?? []) confirms.add(candidate, now());
  assert.deepEqual([confirms.pending, origin.missing], [0, ['nobody']]);
});
