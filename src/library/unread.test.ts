import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { LIBRARY } from '../core/config.ts';
import { Unread } from './unread.ts';

function unread(t: TestContext) {
  const clock = { now: 0 };
  const busy = new Set<string>();
  const told: boolean[] = [];
  const one: Unread = new Unread({
    quiet: (path) => !busy.has(path),
    changed: () => told.push(one.now),
    now: () => clock.now,
  });
  t.after(() => one.close());
  return { one, clock, busy, told };
}

test('a change counts until it is looked at, and both are told', (t) => {
  const { one, busy, told } = unread(t);
  busy.add('/a');
  one.begin('/a');
  one.begin('/a');
  one.begin('/b');
  one.settle();
  assert.equal(one.now, true);
  busy.clear();
  one.settle();
  assert.deepEqual([one.now, told], [false, [true]]);
});

test('a file that is written for ever counts for half a minute, and others are not held up by it', (t) => {
  const { one, clock, busy } = unread(t);
  busy.add('/log');
  one.begin('/log');
  clock.now = LIBRARY.unreadMs - 1;
  one.settle();
  assert.equal(one.now, true);
  clock.now = LIBRARY.unreadMs;
  one.settle();
  assert.equal(one.now, false);
  one.begin('/log');
  assert.equal(one.now, false, 'nor does it count again');
  one.begin('/new');
  assert.equal(one.now, true, 'but a new file does');
  one.settle();
  assert.equal(one.now, false);
});

test('what is quiet now and then has spent its time too, and has it back after it was left alone', (t) => {
  const { one, clock } = unread(t);
  let counted = 0;
  const write = (): void => {
    one.begin('/log');
    if (one.now) counted += 300;
    clock.now += 300;
    one.settle();
    assert.equal(one.now, false);
  };
  for (let round = 0; round < 1_000; round += 1) write();
  assert.equal(counted, LIBRARY.unreadMs);
  clock.now += LIBRARY.unreadForgetMs;
  write();
  assert.equal(counted, LIBRARY.unreadMs + 300);
});

test('no more paths are remembered than changes may wait', (t) => {
  const { one } = unread(t);
  for (let at = 0; at < LIBRARY.maxChanges + 5; at += 1) one.begin(`/${at}`);
  one.settle();
  assert.equal(one.now, false);
});
