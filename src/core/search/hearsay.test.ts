import assert from 'node:assert/strict';
import test from 'node:test';
import { SEARCH } from '../config.ts';
import type { Hit } from '../ports.ts';
import { Hearsay } from './hearsay.ts';
import { Origin } from './origin.ts';
import type { SearchOutput } from './search.ts';
import { loneView } from './view.testkit.ts';

const query = { kind: 'name', name: 'surat.txt' } as const;

function hit(peer: string, hops = 3, name: string = query.name): Hit {
  return { name, size: 1, cid: 'bafy', peer, label: peer, addresses: [], hops };
}

const VIEW = loneView(
  { refuses: (peer) => peer === 'banned' },
  { syncedAt: () => -Infinity, candidates: () => null },
);

function begin() {
  const origin = new Origin({ type: 'start', id: 'a'.repeat(32), query, timeoutMs: 60_000 }, 'walk', 0);
  const hearsay = new Hearsay(VIEW, origin);
  const out: SearchOutput[] = [];
  const told = (): readonly string[] =>
    out.splice(0).map((output) => {
      if (output.type === 'send') return `${output.frame.type} ${output.to}`;
      return output.type === 'prove' ? `prove ${output.hit.peer} ${output.hit.hops}` : output.type;
    });
  const says = (peer: string, hits: readonly Hit[], scanning = false): void => {
    const frame = { type: 'found', id: origin.id, hops: 1, walker: 0, hits } as const;
    hearsay.answered(peer, { ...frame, ...(scanning ? { scanning: true as const } : {}) }, out);
  };
  return { origin, hearsay, out, told, says };
}

test('the holder itself is asked, and what it says is proved, as far away as the walk found it', () => {
  const { origin, hearsay, out, told, says } = begin();
  hearsay.offer([hit('holder')], 'relay', 0, out);
  hearsay.pump(0, out);
  assert.deepEqual([told(), hearsay.pending], [['confirm holder'], 1]);
  says('another', [hit('another')]);
  assert.deepEqual(told(), [], 'who was not asked is not heard');
  says('holder', [hit('holder', 1), hit('another', 1)]);
  assert.deepEqual([told(), hearsay.pending], [['prove holder 3'], 0]);
  assert.deepEqual([[...hearsay.misled], origin.missing], [[], []]);
});

test('where it denies that, a miss is not proved, and who says it later is not believed either', () => {
  const { origin, hearsay, out, told, says } = begin();
  hearsay.offer([hit('holder')], 'relay', 0, out);
  hearsay.pump(0, out);
  says('holder', [hit('holder', 1, 'yang lain.txt')]);
  hearsay.offer([hit('holder')], 'second', 0, out);
  hearsay.offer([hit('self')], 'third', 0, out);
  hearsay.pump(0, out);
  assert.deepEqual(told(), ['confirm holder']);
  assert.deepEqual(
    [[...hearsay.misled], origin.missing],
    [
      ['relay', 'second', 'third'],
      ['relay', 'second', 'third'],
    ],
  );
  assert.deepEqual([...origin.without], [], 'the holder is believed in all else');
});

test('a holder that still reads its files denies nothing', () => {
  const { origin, hearsay, out, says } = begin();
  hearsay.offer([hit('holder')], 'relay', 0, out);
  hearsay.pump(0, out);
  says('holder', [], true);
  assert.deepEqual([[...hearsay.misled], origin.missing], [[], ['holder']]);
});

test('one that gives no answer is missing and left out of the next walk; one that was dropped for lies is left out', () => {
  const { origin, hearsay, out, told } = begin();
  hearsay.offer([hit('banned'), hit('mute'), hit('away')], 'relay', 0, out);
  hearsay.pump(0, out);
  hearsay.expire(SEARCH.confirmTimeoutMs);
  hearsay.pump(SEARCH.confirmTimeoutMs, out);
  hearsay.lost('away');
  assert.deepEqual([told(), hearsay.pending], [['confirm mute', 'confirm away'], 0]);
  hearsay.restart();
  assert.deepEqual([...origin.without], ['banned', 'mute', 'away']);
  assert.deepEqual([[...hearsay.misled], origin.missing], [[], ['mute', 'away']]);
});
