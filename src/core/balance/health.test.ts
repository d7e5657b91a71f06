import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initialHealth, stepHealth, type HealthInput, type HealthState } from './health.ts';

const OPTIONS = { recheckMinMs: 100, recheckMs: 500 };

class Run {
  state: HealthState = initialHealth(2);

  step(input: HealthInput, now: number): unknown {
    const { state, outputs } = stepHealth(this.state, input, now, OPTIONS);
    this.state = state;
    return outputs;
  }
}

test('one failure takes a backend out at once, and further ones say nothing new', () => {
  const run = new Run();
  assert.deepEqual(run.step({ type: 'failed', backend: 1, reason: 'ECONNREFUSED' }, 0), [
    { type: 'down', backend: 1, reason: 'ECONNREFUSED' },
  ]);
  assert.deepEqual(run.step({ type: 'failed', backend: 1, reason: 'ECONNREFUSED' }, 1), []);
  assert.deepEqual(
    run.state.backends.map(({ up }) => up),
    [true, false],
  );
});

test('a backend that is down is checked ever less often up to the limit, and one good check brings it back', () => {
  const run = new Run();
  run.step({ type: 'failed', backend: 0, reason: 'x' }, 0);
  const checks: number[] = [];
  for (let now = 0; now < 2_000; now += 10) {
    if ((run.step({ type: 'tick' }, now) as unknown[]).length === 0) continue;
    checks.push(now);
    // While a check runs, no second one is started.
    assert.deepEqual(run.step({ type: 'tick' }, now), []);
    assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: 'refused' }, now), []);
  }
  assert.deepEqual(checks, [100, 300, 700, 1200, 1700]);
  assert.deepEqual(run.step({ type: 'tick' }, 2_500), [{ type: 'check', backend: 0 }]);
  assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: null }, 2_510), [
    { type: 'up', backend: 0 },
  ]);
  assert.deepEqual(run.step({ type: 'tick' }, 9_000), []);
});

test('a suspicion is checked once, and only a bad check takes the backend out', () => {
  const run = new Run();
  assert.deepEqual(run.step({ type: 'suspected', backend: 0 }, 0), [{ type: 'check', backend: 0 }]);
  assert.deepEqual(run.step({ type: 'suspected', backend: 0 }, 1), []);
  assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: null }, 2), []);
  assert.deepEqual(run.step({ type: 'suspected', backend: 0 }, 3), [{ type: 'check', backend: 0 }]);
  assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: 'no answer' }, 4), [
    { type: 'down', backend: 0, reason: 'no answer' },
  ]);
});

test('an input for a backend that is not there changes nothing', () => {
  const run = new Run();
  const before = run.state;
  assert.deepEqual(run.step({ type: 'failed', backend: 7, reason: 'x' }, 0), []);
  assert.equal(run.state, before);
});
