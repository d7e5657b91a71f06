import assert from 'node:assert/strict';
import test from 'node:test';
import { LIBRARY } from '../core/config.ts';
import { inSteps } from './steps.ts';

/** Steps of a millisecond each. */
function* busy(count: number): Generator<undefined, number, undefined> {
  for (let at = 0; at < count; at += 1) {
    const until = performance.now() + 1;
    while (performance.now() < until);
    yield undefined;
  }
  return count;
}

test('work of many steps lets others have their turns, and ends with the signal', async () => {
  let turns = 0;
  const count = (): void => {
    turns += 1;
    timer = setImmediate(count);
  };
  let timer = setImmediate(count);
  const steps = 5 * LIBRARY.sliceMs;
  assert.equal(await inSteps(busy(steps), new AbortController().signal), steps);
  clearImmediate(timer);
  assert.ok(turns >= 3, `${turns} turns`);
  await assert.rejects(inSteps(busy(60_000), AbortSignal.abort(new Error('enough'))), /enough/);
});
