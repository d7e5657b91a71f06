import assert from 'node:assert/strict';
import test from 'node:test';
import { timeSource } from './shared.ts';

test('the time of a reading of the clock is asked for now and then, and follows a clock of the machine that is set', () => {
  let wall = 1_700_000_000_000;
  let reading = 5_000.25;
  let asked = 0;
  const time = timeSource(
    () => {
      asked += 1;
      return wall;
    },
    () => reading,
  );
  const pass = (ms: number): void => {
    wall += ms;
    reading += ms;
  };
  assert.equal(time(reading), wall);
  pass(20);
  assert.equal(time(reading), wall);
  assert.equal(time(reading - 7), wall - 7);
  assert.equal(asked, 1);
  wall -= 3_600_000;
  pass(50);
  assert.equal(time(reading), wall);
  assert.equal(asked, 2);
  reading -= 1_000;
  assert.equal(time(reading), wall);
  assert.ok(Number.isInteger(time(reading + 0.4)));
});
