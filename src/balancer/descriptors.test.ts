import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BALANCER } from '../core/config.ts';
import type { EventBody } from '../core/events.ts';
import { fitting, tellFewer } from './descriptors.ts';

const own = BALANCER.ownDescriptors;

test('clients get half of what there is beside our own, one at least, and requests what is left of it', () => {
  const fit = (limit: number | null) => {
    const { connections, active, upstreams } = fitting({ connections: 50, active: 120 }, limit);
    return [connections, active, upstreams];
  };
  assert.deepEqual(fit(null), [50, 120, Infinity]);
  for (const limit of [0, own, own + 2]) assert.deepEqual(fit(limit), [1, 1, 1]);
  assert.deepEqual(fit(own + 7), [3, 4, 4]);
  assert.deepEqual(fit(own + 150), [50, 100, 100]);
  assert.deepEqual(fit(own + 170), [50, 120, 120]);
  assert.deepEqual(fit(own + 200), [50, 120, 150]);
});

test('that fewer fit is told where it is so, and only there', () => {
  const told: unknown[] = [];
  const emit = (event: EventBody): void => {
    if (event.type === 'error') told.push(event.detail);
  };
  const wanted = { connections: 50, active: 120 };
  tellFewer(emit, 'a', wanted, wanted, 1024);
  tellFewer(emit, 'a', wanted, { connections: 3, active: 4 }, null);
  assert.deepEqual(told, []);
  tellFewer(emit, 'a', wanted, { connections: 50, active: 100 }, own + 150);
  tellFewer(emit, 'a', { connections: 50, active: 4 }, { connections: 3, active: 4 }, own + 7);
  assert.deepEqual(
    told.map((text) => /\d+ connections and \d+ requests .*/.exec(String(text))?.[0]),
    [
      `50 connections and 100 requests at once, not 50 and 120; ulimit -n ${own + 170} makes room.`,
      `3 connections and 4 requests at once, not 50 and 4; ulimit -n ${own + 100} makes room.`,
    ],
  );
});
