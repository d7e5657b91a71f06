import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LOG } from '../core/config.ts';
import type { KelanaEvent } from '../core/events.ts';
import { createHub, type Sink } from './hub.ts';
import { EventQueue, sizeOf } from './queue.ts';

const LIMITS = { maxQueued: 10, maxQueuedBytes: 5_000, maxBatch: 4, maxBatchBytes: 1_000 };
const event = (text: string, at = 0): KelanaEvent => ({ type: 'message.sent', who: 'a', to: 'b', text, at });

test('whatever is pushed and written, each event is written once in order or counted as lost, within the bounds', () => {
  const step = fc.oneof(
    fc.record({ push: fc.nat({ max: 1_200 }) }),
    fc.record({ written: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new EventQueue('test', LIMITS);
      const written: KelanaEvent[] = [];
      let pushed = 0;
      const flush = (share: number): void => {
        const batch = queue.batch();
        assert.ok(batch.events.length <= LIMITS.maxBatch + 1);
        const count = Math.ceil(batch.events.length * share);
        written.push(...batch.events.slice(0, count));
        queue.done(batch, count);
      };
      for (const one of steps) {
        if ('push' in one) queue.push(event('x'.repeat(one.push), (pushed += 1)));
        else flush(one.written);
        assert.ok(queue.length <= LIMITS.maxQueued && queue.bytes <= LIMITS.maxQueuedBytes);
      }
      while (!queue.empty) flush(1);
      const sent = written.filter((one) => one.type === 'message.sent').map((one) => one.at);
      const lost = written.reduce((sum, one) => sum + (one.type === 'log.dropped' ? one.count : 0), 0);
      assert.deepEqual(
        sent,
        [...new Set(sent)].sort((a, b) => a - b),
      );
      assert.equal(sent.length + lost, pushed);
      assert.equal(queue.bytes, 0);
    }),
    { numRuns: 300 },
  );
});

test('a report of loss names the part whose event was lost', () => {
  const queue = new EventQueue('file', { ...LIMITS, maxQueued: 1 });
  queue.push(event('kept'));
  queue.push(event('lost', 7));
  assert.deepEqual(queue.batch().events[0], { type: 'log.dropped', who: 'a', sink: 'file', count: 1, at: 7 });
});

test('the hub stamps events, outlives a sink that throws, and is silent once stopped', async () => {
  const seen: KelanaEvent[] = [];
  const sink = (add: (one: KelanaEvent) => void): Sink => ({
    name: 'test',
    start: () => Promise.resolve(),
    add,
    stop: () => Promise.resolve(),
  });
  const broken = sink(() => {
    throw new Error('broken');
  });
  const hub = createHub({ now: () => 42, sinks: [broken, sink((one) => seen.push(one))] });
  await hub.start();
  hub.emit({ type: 'backend.up', who: 'a', backend: 'b' });
  await hub.stop();
  hub.emit({ type: 'backend.up', who: 'a', backend: 'c' });
  assert.deepEqual(seen, [{ type: 'backend.up', who: 'a', backend: 'b', at: 42 }]);
});

const request = (target: string): KelanaEvent => ({
  type: 'balancer.request',
  who: 'lb:8000',
  client: 'c:1',
  backend: 's:1',
  method: 'GET',
  target,
  status: 200,
  seconds: 0.001,
  bytes: 9,
  retries: 0,
  at: 1,
});

test('a request is as large as its text says, as any other event', () => {
  const told = request('/a?b');
  const text = Object.values(told).reduce<number>(
    (sum, value) => sum + (typeof value === 'string' ? value.length : 0),
    0,
  );
  assert.equal(sizeOf(told), 128 + 2 * text);
});

test('an event that waits to be handed on keeps no process alive', async () => {
  const sink: Sink = {
    name: 'test',
    start: () => Promise.resolve(),
    add: () => undefined,
    stop: () => Promise.resolve(),
  };
  const hub = createHub({ now: () => 42, sinks: [sink] });
  const timers = (): number => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length;
  const before = timers();
  hub.emit({ type: 'backend.up', who: 'a', backend: 'b' });
  assert.equal(timers(), before);
  await hub.stop();
});

test('the hub hands events on together, in order, with the time they have, and at its end what is left', async () => {
  const seen: KelanaEvent[] = [];
  const newest = (): KelanaEvent | undefined => seen.at(-1);
  const sink: Sink = {
    name: 'test',
    start: () => Promise.resolve(),
    add: (event, size) => {
      assert.equal(size, sizeOf(event));
      seen.push(event);
    },
    stop: () => Promise.resolve(),
  };
  const hub = createHub({ now: () => 42, sinks: [sink] });
  const told = Array.from({ length: LOG.gather }, (_, n) => ({ ...request(`/${n}`), at: n }));
  for (const one of told.slice(1)) hub.emit(one);
  assert.deepEqual(seen, []);
  hub.emit(told[0] ?? request('/'));
  assert.deepEqual(seen, [...told.slice(1), told[0]]);
  hub.emit({ type: 'backend.up', who: 'a', backend: 'b' });
  const end = performance.now() + 5_000;
  while (seen.length === told.length && performance.now() < end) await new Promise(setImmediate);
  assert.deepEqual(newest(), { type: 'backend.up', who: 'a', backend: 'b', at: 42 });
  hub.emit(request('/last'));
  await hub.stop();
  assert.equal(newest()?.at, 1);
  assert.equal(seen.length, told.length + 2);
});
