import assert from 'node:assert/strict';
import test from 'node:test';
import { sortSteps } from './sort-steps.ts';

test('any number of items is sorted, and equal ones keep their order', () => {
  for (const count of [0, 1, 2, 4_096, 4_097, 12_289, 30_000]) {
    const items = Array.from({ length: count }, (_, at) => ({ key: (at * 7_919) % 1_009, at }));
    const steps = sortSteps(items, (one, other) => one.key - other.key);
    let [step, turns] = [steps.next(), 0];
    for (; step.done !== true; step = steps.next()) turns += 1;
    assert.deepEqual(
      step.value,
      items.toSorted((one, other) => one.key - other.key || one.at - other.at),
    );
    assert.ok(turns >= Math.floor(count / 4_096), 'others get turns');
  }
});
