import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Bucket, HoldTable, RateTable } from './rate.ts';

test('a source may use its burst at once, and then its rate', () => {
  const table = new RateTable({ perSecond: 10, burst: 3 }, 100);
  assert.deepEqual(
    [1, 2, 3].map(() => table.take('a', 1000)),
    [0, 0, 0],
  );
  assert.equal(table.take('a', 1000), 100);
  assert.equal(table.take('a', 1050), 50, 'being refused costs nothing');
  assert.equal(table.take('a', 1100), 0);
  assert.equal(table.take('a', 1100), 100);
  assert.equal(table.take('b', 1100), 0, 'others have their own');
});

test('in any time no source gets more than its rate and its burst, and one that keeps to its rate is never refused', () => {
  const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 20 }),
      gaps,
      (perSecond, burst, waits) => {
        const bucket = new Bucket();
        const allowed: number[] = [];
        let now = 0;
        for (const wait of waits) {
          now += wait;
          if (bucket.take({ perSecond, burst }, now) === 0) allowed.push(now);
        }
        for (const [from, start] of allowed.entries())
          for (let to = from; to < allowed.length; to += 1) {
            const most = burst + (((allowed[to] ?? 0) - start) * perSecond) / 1000 + 1e-3;
            assert.ok(to - from + 1 <= most);
          }
        const steady = new Bucket();
        for (let turn = 0; turn < 100; turn += 1)
          assert.equal(steady.take({ perSecond, burst }, (turn * 1000) / perSecond), 0);
      },
    ),
  );
});

test('a hundred thousand sources cost no more than the table holds', () => {
  const table = new RateTable({ perSecond: 10, burst: 1 }, 1000);
  for (let source = 0; source < 100_000; source += 1) table.take(String(source), 0);
  assert.ok(table.size <= 1000, String(table.size));
});

test('a source that keeps asking stays known while strangers come and go', () => {
  const table = new RateTable({ perSecond: 1, burst: 1 }, 100);
  assert.equal(table.take('busy', 0), 0);
  for (let turn = 0; turn < 5000; turn += 1) {
    table.take(`stranger ${turn}`, 0);
    if (turn % 40 === 0) assert.ok(table.take('busy', 0) > 0);
  }
});

test('what a source holds at once is bounded, and nothing is kept of who holds nothing', () => {
  const table = new HoldTable(2);
  assert.deepEqual(
    [table.take('a'), table.take('a'), table.take('a'), table.take('b')],
    [true, true, false, true],
  );
  table.release('a');
  assert.equal(table.take('a'), true);
  for (const source of ['a', 'a', 'b']) table.release(source);
  assert.equal(table.size, 0);
});

test('tables that tell each other keep one limit together, however much was let through before they heard', () => {
  const limit = { perSecond: 1, burst: 4 };
  const [here, there] = [new RateTable(limit, 10), new RateTable(limit, 10)];
  here.share(2, 1, () => undefined);
  for (let turn = 0; turn < 3; turn += 1) assert.equal(here.take('a', 0), 0);
  for (const source of ['b', 'c']) here.take(source, 0);
  const told = here.untold();
  assert.deepEqual(told, [
    ['a', 3],
    ['b', 1],
  ]);
  assert.deepEqual(here.untold(), []);
  there.spend(told, 0);
  assert.deepEqual([there.take('a', 0), there.take('a', 0)], [0, 1000]);
  there.spend([['a', 1_000_000]], 0);
  // Twice the burst is owed at most: eight seconds for all of it, of which four must have gone.
  assert.deepEqual([there.take('a', 4_999) > 0, there.take('a', 5_000)], [true, 0]);
});

test('a source that has taken its part of a burst is told of soon, once until then, and one that asks now and then is not', () => {
  let due = 0;
  const table = new RateTable({ perSecond: 1, burst: 10 }, 10);
  table.share(1, 4, () => {
    due += 1;
  });
  const dues = (source: string, times: number): readonly number[] =>
    Array.from({ length: times }, () => {
      table.take(source, 0);
      return due;
    });
  // A quarter of ten, and a half that is rounded up.
  assert.deepEqual(dues('a', 5), [0, 0, 1, 1, 1]);
  table.untold();
  assert.deepEqual(dues('a', 7), [1, 1, 2, 2, 2, 2, 2], 'the last two were refused');
  assert.deepEqual(dues('b', 5), [2, 2, 2, 2, 2], 'there was no place for another source');
  assert.deepEqual(table.untold(), [['a', 5]]);
});
