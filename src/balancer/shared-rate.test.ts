import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/basics.ts';
import { RateTable, type Spent } from '../core/balance/rate.ts';
import { SharedRate } from './shared-rate.ts';

test('the first of a burst is told at once, what follows together a little later, and nothing twice', async () => {
  const table = new RateTable({ perSecond: 1, burst: 8 }, 10);
  const rate = new SharedRate(table, () => 0);
  const told: Spent[] = [];
  rate.share(8, (spent) => void told.push(spent));
  for (const source of ['a', 'a', 'b', 'a']) table.take(source, 0);
  assert.deepEqual(told, [[['a', 1]]]);
  await until('the rest to be told', () => told.length > 1);
  rate.tell();
  assert.deepEqual(told.slice(1), [
    [
      ['a', 2],
      ['b', 1],
    ],
  ]);
  rate.close();
});
