import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  initialHealth,
  stepHealth,
  type HealthInput,
  type HealthOptions,
  type HealthState,
} from './health.ts';

const OPTIONS: HealthOptions = {
  recheckMinMs: 100,
  recheckMs: 500,
  intervalMs: 0,
  jitter: 0,
  rise: 1,
  fall: 1,
};

class Run {
  state: HealthState = initialHealth();
  readonly #options: HealthOptions;

  constructor(options: Partial<HealthOptions> = {}, backends = 2) {
    this.#options = { ...OPTIONS, ...options };
    for (let backend = 0; backend < backends; backend += 1) this.step({ type: 'added', backend }, 0);
  }

  step(input: HealthInput, now: number, random = 0.5): unknown[] {
    const { state, outputs } = stepHealth(this.state, input, now, random, this.#options);
    this.state = state;
    return [...outputs];
  }

  get up(): (boolean | undefined)[] {
    return this.state.backends.map((health) => health?.up);
  }
}

const check = (backend: number) => [{ type: 'check', backend }];

test('one failure takes a backend out at once, and further ones say nothing new', () => {
  const run = new Run();
  assert.deepEqual(run.step({ type: 'failed', backend: 1, reason: 'ECONNREFUSED' }, 0), [
    { type: 'down', backend: 1, reason: 'ECONNREFUSED' },
  ]);
  assert.deepEqual(run.step({ type: 'failed', backend: 1, reason: 'ECONNREFUSED' }, 1), []);
  assert.deepEqual(run.up, [true, false]);
});

test('a backend that is down is checked ever less often up to the limit, and one good check brings it back', () => {
  const run = new Run();
  run.step({ type: 'failed', backend: 0, reason: 'x' }, 0);
  const checks: number[] = [];
  for (let now = 0; now < 2_000; now += 10) {
    if (run.step({ type: 'tick' }, now).length === 0) continue;
    checks.push(now);
    // While a check runs, no second one is started.
    assert.deepEqual(run.step({ type: 'tick' }, now), []);
    assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: 'refused' }, now), []);
  }
  assert.deepEqual(checks, [100, 300, 700, 1200, 1700]);
  assert.deepEqual(run.step({ type: 'tick' }, 2_500), check(0));
  assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: null }, 2_510), [
    { type: 'up', backend: 0 },
  ]);
  assert.deepEqual(run.step({ type: 'tick' }, 9_000), []);
});

test('a suspicion is checked once, and one bad check is enough then', () => {
  const run = new Run({ fall: 3 });
  assert.deepEqual(run.step({ type: 'suspected', backend: 0 }, 0), check(0));
  assert.deepEqual(run.step({ type: 'suspected', backend: 0 }, 1), []);
  assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: null }, 2), []);
  assert.deepEqual(run.step({ type: 'suspected', backend: 0 }, 3), check(0));
  assert.deepEqual(run.step({ type: 'checked', backend: 0, reason: 'no answer' }, 4), [
    { type: 'down', backend: 0, reason: 'no answer' },
  ]);
});

test('fall bad checks in a row take a backend out, and rise good ones in a row bring it back', () => {
  const run = new Run({ rise: 2, fall: 3, intervalMs: 1_000 }, 1);
  const results = (...reasons: readonly (string | null)[]): unknown[] =>
    reasons.flatMap((reason) => run.step({ type: 'checked', backend: 0, reason }, 0));
  assert.deepEqual(results('x', 'x', null, 'x', 'x'), []);
  assert.deepEqual(results('y'), [{ type: 'down', backend: 0, reason: 'y' }]);
  assert.deepEqual(results(null, 'x', null), []);
  assert.deepEqual(results(null), [{ type: 'up', backend: 0 }]);
});

test('regular checks come once an interval, within the jitter, the first within one interval', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 5 }), (dice) => {
      const run = new Run({ intervalMs: 1_000, jitter: 0.2 }, 0);
      run.step({ type: 'added', backend: 0 }, 0, dice[0]);
      let last = -1_000;
      let now = 0;
      for (const random of dice) {
        while (run.step({ type: 'tick' }, now).length === 0) now += 1;
        const waited = now - last;
        assert.ok(last < 0 ? waited <= 2_000 : waited >= 800 && waited <= 1_201, `${waited} ms`);
        last = now;
        run.step({ type: 'checked', backend: 0, reason: null }, now, random);
      }
    }),
    { numRuns: 20 },
  );
});

test('inputs for a slot that is free change nothing, and a slot taken anew starts anew', () => {
  const run = new Run();
  run.step({ type: 'failed', backend: 1, reason: 'x' }, 0);
  run.step({ type: 'removed', backend: 1 }, 1);
  const before = run.state;
  assert.deepEqual(run.step({ type: 'failed', backend: 1, reason: 'x' }, 2), []);
  assert.deepEqual(run.step({ type: 'checked', backend: 7, reason: null }, 2), []);
  assert.equal(run.state, before);
  assert.deepEqual(run.step({ type: 'tick' }, 9_000), []);
  run.step({ type: 'added', backend: 3 }, 10);
  assert.deepEqual(run.up, [true, undefined, undefined, true]);
});

test('whatever happens, up and down are told in turn, and checks never overlap', () => {
  const input = fc.oneof(
    fc.constant({ type: 'tick' } as const),
    fc.constant({ type: 'failed', backend: 0, reason: 'x' } as const),
    fc.constant({ type: 'suspected', backend: 0 } as const),
    fc.constantFrom(null, 'bad').map((reason) => ({ type: 'checked', backend: 0, reason }) as const),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(input, fc.nat(400))), fc.boolean(), (steps, regular) => {
      const run = new Run({ rise: 2, fall: 2, intervalMs: regular ? 300 : 0 }, 1);
      let now = 0;
      let running = false;
      let up = true;
      for (const [next, wait] of steps) {
        now += wait;
        if (next.type === 'checked') {
          if (!running) continue;
          running = false;
        }
        for (const output of run.step(next, now) as { type: string }[]) {
          if (output.type === 'check') {
            assert.equal(running, false);
            running = true;
          } else {
            assert.equal(output.type, up ? 'down' : 'up');
            up = !up;
          }
        }
        assert.equal(run.up[0], up);
      }
    }),
  );
});
