import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { TRANSFER } from '../../core/config.ts';
import { DueQueue, type Due } from './due.ts';

const cid = new Uint8Array(36);

function plain(due: Due | undefined): Due | undefined {
  if (due === undefined) return undefined;
  const { type, request, index } = due;
  return { type, request, cid: due.cid, index };
}

function all(queue: DueQueue): Due[] {
  const found: Due[] = [];
  for (let due = queue.take(); due !== undefined; due = queue.take()) found.push(plain(due) ?? due);
  return found;
}

test('whatever is asked for and cancelled, what is left is due in the order of the numbers', () => {
  const step = fc.oneof(
    fc.record({ ask: fc.integer({ min: 1, max: 9 }), gap: fc.integer({ min: 0, max: 3 }) }),
    fc.record({ cancel: fc.integer({ min: 0, max: 60 }), count: fc.integer({ min: 0, max: 20 }) }),
    fc.constant('take' as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new DueQueue();
      let model: Due[] = [];
      let next = 1;
      for (const one of steps) {
        if (one === 'take') assert.deepEqual(plain(queue.take()), model.shift());
        else if ('ask' in one) {
          const request = next + one.gap;
          queue.add('block', request, cid, 100 - request, one.ask);
          for (let at = 0; at < one.ask; at += 1)
            model.push({ type: 'block', request: request + at, cid, index: 100 - request + at });
          next = request + one.ask;
        } else {
          queue.cancel(one.cancel, one.count);
          model = model.filter(({ request }) => request < one.cancel || request >= one.cancel + one.count);
        }
        assert.equal(queue.size, model.length);
      }
      assert.deepEqual(all(queue), model);
    }),
  );
});

test('as many cancels as requests cost a holder next to nothing, whatever they hit', () => {
  const { maxAsked } = TRANSFER;
  const cost = (hit: (at: number) => number): number => {
    const queue = new DueQueue();
    for (let at = 0; at < maxAsked; at += 1) queue.add('block', at, cid, 0, 1);
    const begun = process.cpuUsage();
    for (let at = 0; at < maxAsked; at += 1) queue.cancel(hit(at), 1);
    const { user, system } = process.cpuUsage(begun);
    return (user + system) / 1000;
  };
  // A look at all that is due for each cancel took 150 ms and more.
  for (const hit of [() => 2 ** 32 - 1, (at: number) => at, (at: number) => maxAsked - 1 - at])
    assert.ok(Math.min(cost(hit), cost(hit), cost(hit)) < 50);
});

test('numbers that do not rise are a breach', () => {
  const queue = new DueQueue();
  queue.add('block', 5, cid, 0, 3);
  queue.cancel(0, 2 ** 32);
  assert.throws(() => queue.add('have', 7, cid, 0, 1), { code: 'PEER_PROTOCOL' });
  queue.add('have', 8, cid, 0, 1);
});
