import assert from 'node:assert/strict';
import test from 'node:test';
import { Learning } from './learning.ts';

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

test('two who never give the manifest keep nobody from it, and a third is not asked before', async (t) => {
  const stop = new AbortController();
  t.after(() => stop.abort());
  let known: Promise<void> | null = null;
  const learning = new Learning(() => known, 5);
  const asked: string[] = [];
  const mute = (name: string) => (): Promise<void> => {
    asked.push(name);
    return new Promise((_, reject) =>
      stop.signal.addEventListener('abort', () => reject(new Error('stopped'))),
    );
  };
  const waiting = ['one', 'two'].map((name) => learning.learn(mute(name), stop.signal));
  for (const one of waiting) one.catch(() => undefined);
  let waits = 0;
  const counting = setInterval(() => (waits += 1), 5);
  await learning.learn(() => {
    asked.push('good');
    known = Promise.resolve();
    return known;
  }, stop.signal);
  clearInterval(counting);
  assert.deepEqual(asked, ['one', 'two', 'good']);
  assert.ok(waits >= 5, `${waits} waits`);
});

test('of many who wait one more is asked, and only later another', async (t) => {
  const stop = new AbortController();
  t.after(() => stop.abort());
  const learning = new Learning(() => null, 2);
  let asked = 0;
  const mute = (): Promise<void> => {
    asked += 1;
    return new Promise((_, reject) =>
      stop.signal.addEventListener('abort', () => reject(new Error('stopped'))),
    );
  };
  const seen = new Set<number>();
  for (let at = 0; at < 16; at += 1) learning.learn(mute, stop.signal).catch(() => undefined);
  await until(() => seen.add(asked).has(4));
  assert.deepEqual([...seen], [1, 2, 3, 4]);
});

test('the first alone is asked where it answers at once', async () => {
  let known: Promise<void> | null = null;
  const learning = new Learning(() => known, 1_000);
  let asked = 0;
  const ask = async (): Promise<void> => {
    asked += 1;
    await Promise.resolve();
    known = Promise.resolve();
  };
  const { signal } = new AbortController();
  await Promise.all([learning.learn(ask, signal), learning.learn(ask, signal)]);
  assert.equal(asked, 1);
});
