import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Breaker, type Outcome } from './breaker.ts';
import { BALANCE_DEFAULTS } from './options.ts';
import { mayTakeOut, rateOutliers } from './outlier.ts';

const OPTIONS = {
  ...BALANCE_DEFAULTS.outlier,
  consecutive: 3,
  windowMs: 1_000,
  baseMs: 100,
  maxMs: 350,
};

test('failures in a row ask for it to open, good answers between them do not, and clients that left say nothing', () => {
  const breaker = new Breaker(OPTIONS);
  const end = (...outcomes: readonly Outcome[]): boolean[] =>
    outcomes.map((outcome) => breaker.ended(outcome, false, 0));
  assert.deepEqual(end('bad', 'bad', 'good', 'bad', 'left', 'bad'), Array.from({ length: 6 }).fill(false));
  assert.deepEqual(end('bad'), [true]);
  assert.equal(new Breaker({ ...OPTIONS, consecutive: 0 }).ended('bad', false, 0), false);
});

test('open, it lets nobody through until its time is over, then one at a time, and the probe decides', () => {
  const breaker = new Breaker(OPTIONS);
  assert.equal(breaker.open(0), 100);
  assert.equal(breaker.tick(99), false);
  assert.equal(breaker.admits, false);
  assert.equal(breaker.tick(100), true);
  assert.equal(breaker.admits, true);
  assert.equal(breaker.took(), true);
  assert.equal(breaker.admits, false);
  // What was sent before it opened changes nothing.
  breaker.ended('good', false, 101);
  assert.equal(breaker.state, 'half-open');
  breaker.ended('left', true, 102);
  assert.equal(breaker.admits, true);
  assert.equal(breaker.took(), true);
  breaker.ended('bad', true, 103);
  assert.deepEqual([breaker.state, breaker.outMs], ['open', 200]);
  breaker.tick(303);
  assert.equal(breaker.took(), true);
  breaker.ended('good', true, 304);
  assert.deepEqual([breaker.state, breaker.admits, breaker.took()], ['closed', true, false]);
});

test('it stays open longer each time, up to the most, and shorter again after calm windows', () => {
  const breaker = new Breaker(OPTIONS);
  let now = 0;
  const times: number[] = [];
  for (let at = 0; at < 5; at += 1) {
    times.push(breaker.open(now));
    now += 1_000;
    breaker.tick(now);
    breaker.took();
    breaker.ended('good', true, now);
  }
  assert.deepEqual(times, [100, 200, 300, 350, 350]);
  for (let at = 0; at < 4; at += 1) breaker.tick((now += 1_000));
  assert.equal(breaker.open(now), 200);
});

test('whatever comes, half-open never has two probes, and open admits none', () => {
  const step = fc.oneof(
    fc.constant('take' as const),
    fc.constantFrom<Outcome>('good', 'bad', 'left'),
    fc.nat(150),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const breaker = new Breaker(OPTIONS);
      const running: boolean[] = [];
      let now = 0;
      for (const next of steps) {
        if (typeof next === 'number') {
          now += next;
          breaker.tick(now);
        } else if (next === 'take') {
          if (breaker.admits) running.push(breaker.took());
        } else {
          const probe = running.shift();
          if (probe !== undefined && breaker.ended(next, probe, now)) breaker.open(now);
        }
        assert.equal(breaker.admits && breaker.state === 'open', false);
        if (breaker.state === 'half-open')
          assert.equal(running.filter(Boolean).length, breaker.admits ? 0 : 1);
      }
    }),
  );
});

test('however many fail, the share that may be out is never passed', () => {
  fc.assert(
    fc.property(fc.nat(50), fc.double({ min: 0, max: 1, noNaN: true }), (total, share) => {
      let out = 0;
      while (mayTakeOut(total, out, share)) out += 1;
      assert.ok(out <= total * share);
      if (share < 1 && total > 0) assert.ok(out < total);
    }),
  );
});

test('who fails far more than the others is told, the worst first; a fault that all share is nobody’s', () => {
  const options = { ...BALANCE_DEFAULTS.outlier, rate: 0.5, leastRequests: 20 };
  const tallies = (...pairs: readonly (readonly [number, number])[]) =>
    pairs.map(([good, bad]) => ({ good, bad }));
  assert.deepEqual(rateOutliers(tallies([90, 10], [10, 30], [100, 0]), options), [1]);
  assert.deepEqual(rateOutliers(tallies([10, 30], [100, 1], [0, 30], [100, 0]), options), [2, 0]);
  assert.deepEqual(rateOutliers(tallies([10, 30], [9, 31]), options), []);
  assert.deepEqual(rateOutliers(tallies([1, 9], [100, 0]), options), []);
  assert.deepEqual(rateOutliers(tallies([1, 90]), options), []);
  assert.deepEqual(rateOutliers(tallies([1, 90], [100, 0]), { ...options, rate: 0 }), []);
  fc.assert(
    fc.property(fc.array(fc.record({ good: fc.nat(100), bad: fc.nat(100) }), { maxLength: 8 }), (list) => {
      for (const at of rateOutliers(list, options)) {
        const { good = 0, bad = 0 } = list[at] ?? {};
        assert.ok(good + bad >= 20 && bad >= good);
      }
    }),
  );
});
