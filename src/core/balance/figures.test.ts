import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sumFigures, Tally } from './figures.ts';

test('causes are counted by name up to a bound, and together past it, so that no client can make more of them', () => {
  const tally = new Tally();
  for (let at = 0; at < 1_000; at += 1) tally.because(`cause ${at}`);
  for (let again = 0; again < 3; again += 1) tally.because('cause 5');
  const causes = tally.plain().causes ?? {};
  assert.equal(Object.keys(causes).length, 129);
  assert.deepEqual([causes['cause 5'], causes['cause 127'], causes['cause 128']], [4, 1, undefined]);
  assert.equal(causes['OTHER'], 1_000 - 128);
  const sum = sumFigures([tally.plain(), tally.plain()]).causes ?? {};
  assert.deepEqual([sum['cause 5'], sum['OTHER']], [8, 2 * (1_000 - 128)]);
});
