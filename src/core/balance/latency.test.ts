import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { boundOf, countOf, Latency, latencySince, quantile } from './latency.ts';

const times = fc.array(fc.double({ min: 0, max: 200_000, noNaN: true }), { minLength: 1, maxLength: 200 });
const from = (list: readonly number[]): Latency => {
  const latency = new Latency();
  for (const ms of list) latency.record(ms);
  return latency;
};

test('a percentile is never below the true one, and at most 19 % and the first bound above it', () => {
  fc.assert(
    fc.property(times, fc.constantFrom(0, 0.5, 0.9, 0.99, 0.999, 1), (list, share) => {
      const sorted = list.toSorted((a, b) => a - b);
      const truth = sorted[Math.max(1, Math.ceil(share * list.length)) - 1] ?? NaN;
      const told = quantile(from(list).plain(), share) ?? NaN;
      assert.ok(told >= truth * (1 - 1e-9), `${told} < ${truth}`);
      assert.ok(told <= Math.max(boundOf(0), truth * 1.19), `${told} for ${truth}`);
    }),
  );
});

test('sums of two processes are what one would have counted, and a difference undoes a sum', () => {
  fc.assert(
    fc.property(times, times, (first, second) => {
      const one = from(first).plain();
      const both = new Latency(one);
      both.add(from(second).plain());
      assert.deepEqual(both.plain().counts, from([...first, ...second]).plain().counts);
      const since = new Latency(latencySince(both.plain(), one)).plain();
      assert.deepEqual(since.counts, from(second).plain().counts);
      assert.equal(countOf(since), second.length);
    }),
  );
});

test('nothing recorded has no percentile; what is longer than every bound is counted all the same', () => {
  assert.equal(quantile(new Latency().plain(), 0.5), null);
  assert.equal(quantile(from([1e9]).plain(), 0.5), Infinity);
  assert.equal(countOf(from([1e9, 0, -1]).plain()), 3);
});

test('a process that began anew gives what it has, not negative counts', () => {
  assert.deepEqual(latencySince(from([1]).plain(), from([1, 1, 500]).plain()), from([1]).plain());
});
