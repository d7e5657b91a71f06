import assert from 'node:assert/strict';
import test from 'node:test';
import { SWARM } from '../core/config.ts';
import { Pace } from './pace.ts';
import type { Small } from './smalls.ts';

const batch = (index: number): readonly Small[] => [
  { index, listed: index, cid: `cid ${index}`, size: 10, without: null },
];

test('a batch is taken back when the idle one would have brought it eight times, and later the next time', () => {
  const [slow, idle] = [new Pace(), new Pace()];
  const brought = batch(0);
  idle.asked(brought, 0);
  idle.done(brought, 1_000, true);
  slow.asked(batch(1), 0);
  const bound = SWARM.lagFactor * 1_000;
  assert.equal(slow.lags(idle, bound), false);
  assert.equal(slow.lags(idle, bound + 1), true);
  assert.equal(slow.lags(idle, 2 * bound), false);
  assert.equal(slow.lags(idle, 2 * bound + 1), true);
});

test('one that owes nothing does not lag, and a new batch has its own time', () => {
  const [slow, idle] = [new Pace(), new Pace()];
  assert.equal(slow.lags(idle, 1e9), false);
  const first = batch(1);
  slow.asked(first, 0);
  slow.done(first, 10, true);
  const second = batch(2);
  slow.asked(second, 5_000);
  assert.equal(slow.oldest, second);
  assert.equal(slow.lags(idle, 5_000 + SWARM.lagMs), false);
  assert.equal(slow.lags(idle, 5_001 + SWARM.lagMs), true);
});

test('whole files keep one from being silent, and time without a batch is no silence', () => {
  const pace = new Pace();
  assert.equal(pace.silent(1e9), false);
  const at = 1e6;
  pace.asked(batch(1), at);
  assert.equal(pace.silent(at + SWARM.silentMs), false);
  pace.came(at + SWARM.silentMs);
  assert.equal(pace.silent(at + 2 * SWARM.silentMs), false);
  assert.equal(pace.silent(at + 2 * SWARM.silentMs + 1), true);
  assert.equal(pace.silent(at + 2 * SWARM.silentMs + 2), false);
});
