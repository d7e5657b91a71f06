import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { requestsOf, Tally } from '../core/balance/figures.ts';
import { BALANCER } from '../core/config.ts';
import type { BackendStats } from './backend.ts';
import { NO_PAST, pastWith } from './past.ts';
import type { WorkerStats } from './worker.ts';

function worker(counts: Readonly<Record<string, number>>): WorkerStats {
  const tallied = (requests: number) => {
    const tally = new Tally();
    for (let at = 0; at < requests; at += 1) tally.ended(200, at, 10, 0);
    return tally.plain();
  };
  const backends = Object.entries(counts).map(([label, requests]): BackendStats => ({
    url: `http://${label}`,
    label,
    up: true,
    draining: false,
    circuit: 'closed',
    weight: 1,
    ramp: 1,
    maxConnections: 0,
    active: 0,
    requests,
    failures: 1,
    idle: 0,
    waitMs: 0,
    figures: tallied(requests),
  }));
  const requests = Object.values(counts).reduce((sum, one) => sum + one, 0);
  return { pid: 1, requests, active: 0, queued: 0, shed: 1, connections: 0, own: tallied(1), backends };
}

test('what processes counted is summed up, however they ended', () => {
  const counts = fc.dictionary(fc.constantFrom('a:80', 'b:80', 'c:80'), fc.nat({ max: 20 }));
  fc.assert(
    fc.property(fc.array(counts, { maxLength: 6 }), fc.nat({ max: 6 }), (all, cut) => {
      const workers = all.map(worker);
      const past = pastWith(pastWith(NO_PAST, workers.slice(0, cut)), workers.slice(cut));
      assert.equal(past.shed, workers.length);
      assert.equal(requestsOf(past.own), workers.length);
      for (const name of ['a:80', 'b:80', 'c:80']) {
        const sum = all.reduce((total, one) => total + (one[name] ?? 0), 0);
        assert.equal(past.backends.get(name)?.requests ?? 0, sum);
        const figures = past.backends.get(name)?.figures;
        assert.equal(figures === undefined ? 0 : requestsOf(figures), sum);
      }
    }),
  );
});

test('backends that come and go do not add up without end', () => {
  let past = NO_PAST;
  for (let at = 0; at < 3 * BALANCER.maxBackends; at += 1)
    past = pastWith(past, [worker({ [`n${at}:80`]: 1 })]);
  assert.equal(past.backends.size, 2 * BALANCER.maxBackends);
  assert.ok(past.backends.has(`n${3 * BALANCER.maxBackends - 1}:80`));
});

test('of too many backends those go that no process knew for the longest time', () => {
  const most = 2 * BALANCER.maxBackends;
  const others = Object.fromEntries(Array.from({ length: most - 2 }, (_, at) => [`n${at}:80`, 1]));
  const all = [{ 'a:80': 1, 'b:80': 1 }, others, { 'a:80': 1 }, { 'c:80': 1 }];
  const { backends } = pastWith(NO_PAST, all.map(worker));
  assert.equal(backends.size, most);
  assert.deepEqual(
    ['a:80', 'b:80', 'c:80'].map((name) => backends.get(name)?.requests),
    [2, undefined, 1],
  );
});
