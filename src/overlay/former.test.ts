import assert from 'node:assert/strict';
import test from 'node:test';
import { SEARCH } from '../core/config.ts';
import { Former } from './former.ts';

test('neighbours that were lost are named for an hour, the latest of them', () => {
  let now = 0;
  const former = new Former(() => now);
  former.lost({ peer: 'a', label: 'node a' });
  now = 1_000;
  former.lost({ peer: 'b', label: 'node b' });
  assert.deepEqual(
    former.labels(() => false),
    ['node a', 'node b'],
  );
  now = SEARCH.formerMs;
  assert.deepEqual(
    former.labels(() => false),
    ['node b'],
  );
  assert.deepEqual(
    former.labels((peer) => peer === 'b'),
    [],
  );
  for (let at = 0; at < 2 * SEARCH.maxFormer; at += 1) former.lost({ peer: `c${at}`, label: `node c${at}` });
  assert.equal(former.labels(() => false).length, SEARCH.maxFormer);
});
