import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RetryBudget } from './budget.ts';
import { rampOf } from './slow-start.ts';
import { WaitQueue } from './wait-queue.ts';

test('retries never pass the ratio of requests and so many a second, from any moment to any other', () => {
  const options = { ratio: 0.2, perSecond: 5, windowMs: 2_000 };
  const step = fc.record({ requests: fc.nat(20), retries: fc.nat(20), wait: fc.nat(500) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const budget = new RetryBudget(options, 0);
      let [now, requests, retries] = [0, 0, 0];
      for (const next of steps) {
        now += next.wait;
        for (let at = 0; at < next.requests; at += 1) budget.request();
        requests += next.requests;
        for (let at = 0; at < next.retries; at += 1) if (budget.retry(now)) retries += 1;
        // The reserve is saved up for one window at most.
        assert.ok(retries <= 0.2 * requests + (5 * (now + 2_000)) / 1_000 + 1e-6);
        assert.ok(budget.left >= 0);
      }
    }),
  );
});

test('what requests earned fades, and a budget of nothing allows nothing', () => {
  const budget = new RetryBudget({ ratio: 0.5, perSecond: 0, windowMs: 1_000 }, 0);
  assert.equal(budget.retry(0), false);
  for (let at = 0; at < 100; at += 1) budget.request();
  assert.equal(budget.retry(0), true);
  assert.ok(budget.left > 48);
  budget.tick(10_000);
  assert.ok(budget.left < 0.01);
  assert.equal(budget.retry(10_000), false);
});

test('a queue is bounded in number and in time, the oldest first, and gives up early while it does not empty', () => {
  const queue = new WaitQueue<string>({ max: 3, timeoutMs: 1_000, busyTimeoutMs: 100, busyMs: 500 });
  assert.deepEqual([queue.push('a', 0), queue.push('b', 300), queue.push('c', 310)], [true, true, true]);
  assert.equal(queue.push('d', 310), false);
  assert.equal([...queue][0], 'a');
  assert.equal(queue.expired(500), undefined);
  // Not empty for more than 500 ms: now a tenth of the time must do.
  assert.deepEqual([queue.expired(501), queue.expired(501), queue.expired(501)], ['a', 'b', 'c']);
  assert.deepEqual([queue.expired(501), queue.size], [undefined, 0]);
  queue.push('e', 600);
  assert.equal(queue.expired(1_000), undefined);
  queue.delete('e');
  assert.deepEqual([[...queue][0], queue.expired(9_000)], [undefined, undefined]);
});

test('whoever waits is served in order or expires in order, each once, and none beyond the limits', () => {
  const step = fc.oneof(fc.constantFrom('push' as const, 'serve' as const, 'leave' as const), fc.nat(300));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const queue = new WaitQueue<number>({ max: 5, timeoutMs: 1_000, busyTimeoutMs: 200, busyMs: 400 });
      const since = new Map<number, number>();
      let [now, last, next] = [0, -1, 0];
      const out = (item: number): void => {
        assert.ok(since.delete(item) && item > last);
        last = item;
      };
      for (const one of steps) {
        if (typeof one === 'number') {
          now += one;
          for (let item = queue.expired(now); item !== undefined; item = queue.expired(now)) {
            assert.ok(now - (since.get(item) ?? now) > 200);
            out(item);
          }
          for (const at of since.values()) assert.ok(now - at <= 1_000);
        } else if (one === 'push') {
          assert.equal(queue.push(next, now), since.size < 5);
          if (since.size < 5) since.set(next, now);
          next += 1;
        } else {
          const item = [...queue][0];
          if (item === undefined) continue;
          queue.delete(item);
          out(item);
        }
        assert.equal(queue.size, since.size);
      }
    }),
  );
});

test('a slow start grows evenly from a tenth to the whole, and none is none', () => {
  assert.deepEqual(
    [0, 50, 250, 500, 999, 1_000, 9_000].map((now) => rampOf(0, now, 1_000)),
    [0.1, 0.1, 0.25, 0.5, 0.999, 1, 1],
  );
  assert.equal(rampOf(5, 5, 0), 1);
});
