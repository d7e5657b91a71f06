import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BALANCER } from '../config.ts';
import { Score } from './score.ts';

const near = (value: number, expected: number): void =>
  assert.ok(Math.abs(value - expected) < 1e-6, `${value}`);

/** One request sent at `at` and answered after `ms`. */
function answer(score: Score, at: number, ms: number): void {
  score.sent(at);
  score.answered(ms, at + ms);
}

test('a slow answer counts in full at once, and faster ones bring it down as time goes', () => {
  const score = new Score();
  answer(score, 0, 5);
  near(score.wait(5), 5);
  answer(score, 5, 500);
  near(score.wait(505), 500);
  let last = 500;
  for (let now = 600; now < 60_000; now += 100) {
    answer(score, now, 5);
    const wait = score.wait(now + 5);
    assert.ok(wait <= last);
    last = wait;
  }
  assert.ok(last > 4 && last < 10, `${last}`);
});

test('a burst of fast answers weighs no more than the time it took', () => {
  const score = new Score();
  answer(score, 0, 400);
  for (let sent = 0; sent < 1_000; sent += 1) answer(score, 400, 0);
  near(score.wait(400), 400);
});

test('failing fast never looks like being fast: failures count as waiting, ever more', () => {
  const [healthy, failing] = [new Score(), new Score()];
  for (let now = 0; now < 100; now += 10) {
    answer(healthy, now, 8);
    failing.sent(now);
    failing.failed(1, now + 1);
    assert.ok(failing.wait(now + 8) > healthy.wait(now + 8));
  }
  near(failing.wait(91), BALANCER.failureMaxMs);
  assert.ok(failing.strain(91) > 9);
  assert.equal(healthy.strain(91), 0);
  assert.equal(failing.strain(91 + 10 * BALANCER.strainHalfMs), 0);
});

test('one failure among many good answers is soon forgiven', () => {
  const score = new Score();
  answer(score, 0, 5);
  score.sent(10);
  score.failed(1, 11);
  near(score.wait(11), BALANCER.failureMinMs);
  for (let now = 20; now < 40_000; now += 20) answer(score, now, 5);
  assert.ok(score.wait(40_000) < 10);
});

test('a starved backend comes back into view, and while one request tries it the old figure holds', () => {
  const score = new Score();
  answer(score, 0, 2_000);
  const later = 2_000 + 8 * BALANCER.ewmaMs;
  assert.ok(score.wait(later) < 1);
  score.sent(later);
  near(score.wait(later), 2_000);
  score.answered(3, later + 3);
  assert.ok(score.wait(later + 3) < 5);
});

test('silence counts: what has not answered for a while is as slow as that, before any answer', () => {
  const score = new Score();
  answer(score, 0, 5);
  score.sent(100);
  score.sent(150);
  near(score.wait(1_100), 1_000);
  score.dropped(1_200);
  near(score.wait(1_300), 100);
  score.dropped(1_300);
  assert.ok(score.wait(1_300) < 5);
});

test('its figures are never negative nor more than what was seen, whatever comes in whatever order', () => {
  const inputs = fc.constantFrom('sent', 'answered', 'failed', 'dropped', 'fault', 'reset');
  const step = fc.tuple(inputs, fc.nat(5_000));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const score = new Score();
      let now = 0;
      for (const [what, ms] of steps) {
        now += ms;
        if (what === 'sent' || what === 'dropped' || what === 'reset') score[what](now);
        else if (what === 'answered' || what === 'failed' || what === 'fault') score[what](ms, now);
        const wait = score.wait(now);
        assert.ok(wait >= 0 && wait <= Math.max(now, BALANCER.failureMaxMs) + 1e-6);
        const strain = score.strain(now);
        assert.ok(strain >= 0 && strain <= BALANCER.strainMax);
      }
    }),
  );
});
