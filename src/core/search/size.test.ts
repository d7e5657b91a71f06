import assert from 'node:assert/strict';
import test from 'node:test';
import { seededRandom } from '../random.ts';
import { bitsFor, combine, density, median, prefixOf, resize, shares, startResizer } from './size.ts';

test('groups are 0.64 times the root of the network, and one below 64 nodes', () => {
  const sizes = [1, 63, 64, 1_000, 10_000, 100_000, 1_000_000, 1e12];
  assert.deepEqual(sizes.map(bitsFor), [0, 0, 2, 4, 6, 8, 9, 12]);
  assert.equal(bitsFor(Number.NaN), 0);
});

test('groups are prefixes, so that those of g and 2g nest', () => {
  assert.equal(prefixOf(0xffffffff, 0), 0);
  assert.equal(prefixOf(0xdeadbeef, 32), 0xdeadbeef);
  assert.equal(prefixOf(0xdeadbeef, 8), 0xde);
  assert.equal(prefixOf(0xdeadbeef, 9) >> 1, 0xde);
  assert.ok(shares(1, 0xffffffff, 0) && !shares(1, 0xffffffff, 1));
});

test('the density of the nearest keys tells the size of the network, give or take', () => {
  const random = seededRandom(7);
  for (const nodes of [100, 10_000]) {
    let sum = 0;
    for (let run = 0; run < 40; run += 1) {
      const own = Math.floor(random() * 2 ** 32);
      const keys = Array.from({ length: nodes - 1 }, () => Math.floor(random() * 2 ** 32));
      const near = keys.toSorted((one, other) => ((one ^ own) >>> 0) - ((other ^ own) >>> 0)).slice(0, 20);
      sum += Math.log(density(own, near) ?? 1);
    }
    const mean = Math.exp(sum / 40);
    assert.ok(mean > nodes * 0.85 && mean < nodes * 1.2, `${nodes}: ${mean}`);
  }
  assert.equal(density(1, []), null);
});

test('the estimate leans to what is surer', () => {
  assert.equal(combine(12, 0, null, 0), 12);
  assert.ok(combine(1, 6, 10_000, 20) > 7_000);
  const both = combine(150, 6, 5_000, 20);
  assert.ok(both > 8_500 && both < 9_600, String(both));
  assert.equal(combine(0, 0, 0.1, 20), 1);
});

test('the median is one of the values', () => {
  assert.equal(median([]), null);
  assert.equal(median([6, 0, 6, 7, 6]), 6);
});

test('groups change after the size was off twice for ten minutes, or four times for ten seconds, and not before', () => {
  let state = resize(startResizer(6), 10_000, 0);
  state = resize(state, 30_000, 1_000);
  state = resize(state, 30_000, 600_000);
  assert.equal(state.bits, 6);
  assert.equal(resize(state, 30_000, 601_000).bits, 7);
  // A single good look starts the time anew.
  assert.equal(resize(resize(state, 10_000, 600_500), 30_000, 601_000).bits, 6);
  let fast = resize(state, 60_000, 601_000 - 15_000);
  fast = resize(startResizer(6), 60_000, 0);
  assert.equal(resize(fast, 60_000, 9_000).bits, 6);
  assert.equal(resize(fast, 60_000, 10_000).bits, 7);
});

test('a small network stays one group until it has 64 nodes', () => {
  let state = startResizer(0);
  for (let now = 0; now <= 1_000_000; now += 100_000) state = resize(state, 63, now);
  assert.equal(state.bits, 0);
  for (let now = 1_000_000; now <= 2_000_000; now += 100_000) state = resize(state, 70, now);
  assert.equal(state.bits, 2);
});
