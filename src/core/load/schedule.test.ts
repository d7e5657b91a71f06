import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { begins, closedLoop, countsFrom, dueInAll, openLoop } from './schedule.ts';

test('an open loop spaces all requests evenly and deals them to the clients in turn', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 20 }),
      (clients, rate, requests) => {
        const schedule = openLoop(rate, clients);
        const due: number[] = [];
        for (let index = 0; index < requests; index += 1) {
          for (let client = 0; client < clients; client += 1)
            due.push(schedule.due(client, index) ?? Number.NaN);
        }
        for (const [at, time] of due.entries()) assert.ok(Math.abs(time - (at * 1000) / rate) < 1e-6);
      },
    ),
    { numRuns: 100 },
  );
});

test('in a given time exactly the due requests begin when nothing is late', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 3_000 }),
      (clients, rate, durationMs) => {
        const schedule = openLoop(rate, clients);
        let begun = 0;
        for (let client = 0; client < clients; client += 1) {
          for (
            let index = 0;
            begins({ requests: null, durationMs }, schedule, client, index, 0);
            index += 1
          ) {
            begun += 1;
          }
        }
        assert.equal(begun, dueInAll(rate, durationMs));
      },
    ),
    { numRuns: 100 },
  );
});

test('a closed loop begins its requests until their number or the time is reached', () => {
  assert.equal(closedLoop.due(3, 4), null);
  const counted = { requests: 2, durationMs: null };
  assert.deepEqual(
    [0, 1, 2].map((index) => begins(counted, closedLoop, 0, index, 1e9)),
    [true, true, false],
  );
  const timed = { requests: null, durationMs: 100 };
  assert.deepEqual(
    [0, 99.9, 100].map((now) => begins(timed, closedLoop, 0, 7, now)),
    [true, true, false],
  );
});

test('a late request counts from when it was due, an early one from when it was sent', () => {
  assert.equal(countsFrom(1000, 1500), 1000);
  assert.equal(countsFrom(1000, 999.5), 999.5);
  assert.equal(countsFrom(null, 1500), 1500);
});
