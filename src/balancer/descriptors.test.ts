import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BALANCER } from '../core/config.ts';
import type { EventBody } from '../core/events.ts';
import { fitting, tellFewer } from './descriptors.ts';

test('as many clients fit as need two descriptors each beside our own, one at least', () => {
  const own = BALANCER.ownDescriptors;
  assert.deepEqual(
    [null, 0, own, own + 2, own + 7, own + 200].map((limit) => fitting(50, limit)),
    [50, 1, 1, 1, 3, 50],
  );
});

test('that fewer fit is told where it is so, and only there', () => {
  const told: unknown[] = [];
  const emit = (event: EventBody): void => {
    if (event.type === 'error') told.push(event.code);
  };
  tellFewer(emit, 'a', 50, 50, 1024);
  tellFewer(emit, 'a', 50, 3, null);
  assert.deepEqual(told, []);
  tellFewer(emit, 'a', 50, 3, 100);
  assert.deepEqual(told, ['FEW_DESCRIPTORS']);
});
