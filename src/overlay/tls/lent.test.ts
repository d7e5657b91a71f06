import assert from 'node:assert/strict';
import test from 'node:test';
import { giveBack, lend } from './lent.ts';

test('memory that was lent is free when all of it was taken, however it was cut, and other parts of it count nothing', () => {
  const memory = new Uint8Array(100);
  let taken = 0;
  lend(memory.subarray(10, 60), () => (taken += 1));
  giveBack(memory.subarray(0, 10));
  giveBack(memory.subarray(60, 100));
  giveBack(memory.subarray(50, 61));
  giveBack(new Uint8Array(50));
  giveBack(memory.subarray(10, 22));
  giveBack(memory.subarray(22, 22));
  giveBack(memory.subarray(22, 59));
  assert.equal(taken, 0);
  giveBack(memory.subarray(59, 60));
  assert.equal(taken, 1);
  giveBack(memory.subarray(10, 60));
  assert.equal(taken, 1);
  lend(memory, () => (taken += 1));
  giveBack(memory);
  assert.equal(taken, 2);
});
