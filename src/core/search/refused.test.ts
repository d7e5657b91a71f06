import assert from 'node:assert/strict';
import test from 'node:test';
import { SEARCH } from '../config.ts';
import { withRefused } from './refused.ts';
import type { Outcome } from './search.ts';

const ABSENT: Outcome = {
  verdict: 'absent',
  ground: 'all-prints',
  strategy: 'groups',
  asked: 3,
  messages: 1,
  missing: [],
  missingCount: 0,
};

test('a miss is no proof while a holder of files is refused, which is named', () => {
  const { verdict, ground, missing, missingCount } = withRefused(ABSENT, ['a:1']);
  assert.deepEqual([verdict, ground, missing, missingCount], ['incomplete', 'refused', ['a:1'], 1]);
  assert.equal(withRefused(ABSENT, []), ABSENT);
});

test('what was found stays found, and what was missing before stays the reason', () => {
  const found = { ...ABSENT, verdict: 'found', ground: 'found' } as const;
  assert.equal(withRefused(found, ['a:1']), found);
  const missing = Array.from({ length: SEARCH.maxMissing }, (_, at) => `b:${at}`);
  const lost = { ...ABSENT, verdict: 'incomplete', ground: 'lost', missing, missingCount: 40 } as const;
  assert.deepEqual(withRefused(lost, ['a:1']), { ...lost, missingCount: 41 });
});
