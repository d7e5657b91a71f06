import assert from 'node:assert/strict';
import test from 'node:test';
import { LIBRARY } from '../core/config.ts';
import { Care } from './reading.ts';

const quick = (): boolean => true;

/** Holds the thread for longer than a read from the cache may take. */
function slow(): boolean {
  const until = performance.now() + LIBRARY.slowReadMs + 1;
  while (performance.now() < until);
  return true;
}

/** Reads that do not happen at once, until one does. */
function left(care: Care): number {
  let count = 0;
  while (care.timed(quick) === null) count += 1;
  return count;
}

test('after a slow read the next ones go another way, twice as many after each', () => {
  const care = new Care(LIBRARY.slowReads);
  assert.equal(care.timed(quick), true);
  assert.equal(care.timed(slow), true, 'its own result counts');
  assert.equal(care.timed(quick), null);
  assert.equal(left(care), LIBRARY.slowReads - 1);
  // One more quick one, and it is as it was.
  assert.equal(left(care), 0);
  care.timed(slow);
  care.timed(slow);
  assert.equal(left(care), LIBRARY.slowReads - 1, 'nothing is read while it is careful');
  const many = new Care(1);
  for (let round = 0; round < 20; round += 1) {
    many.timed(slow);
    const waits = left(many);
    assert.ok(waits <= LIBRARY.slowReadsMax);
  }
});
