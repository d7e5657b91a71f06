import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SWARM } from '../core/config.ts';
import type { IncomingFile } from '../core/transfer/ports.ts';
import { Ahead } from './ahead.ts';

/** Files that only know how they ended. */
function disk() {
  const ended: string[] = [];
  const begun: string[] = [];
  const gate = Promise.withResolvers<void>();
  const begin = async ({ name }: { name: string }): Promise<IncomingFile | null> => {
    begun.push(name);
    await Promise.resolve();
    if (name === 'full') throw new Error('ENOSPC');
    const abort = async (): Promise<void> => {
      await gate.promise;
      ended.push(name);
    };
    return name === 'odd' ? null : ({ path: null, abort } as unknown as IncomingFile);
  };
  return { ended, begun, begin, open: gate.resolve };
}

const file = (name: string, size = 1) => ({ name, size, cid: `cid of ${name[0] ?? ''}` });

test('what was begun goes to the download of that file, once', async () => {
  const { begin, begun, ended } = disk();
  const ahead = new Ahead(begin);
  ahead.begin(file('a'));
  ahead.begin(file('a'));
  assert.deepEqual(begun, ['a']);
  assert.ok((await ahead.take(file('a'))) !== null);
  assert.equal(await ahead.take(file('a')), null);
  await ahead.drop(file('a').cid);
  assert.deepEqual(ended, []);
});

test('a claim that was wrong of name or size, and one that comes to nothing, leave nothing behind', async () => {
  const { begin, ended, open } = disk();
  open();
  const ahead = new Ahead(begin);
  for (const [claimed, real] of [
    [file('a lie'), file('a')],
    [file('b', 2), file('b')],
  ] as const) {
    ahead.begin(claimed);
    assert.equal(await ahead.take(real), null);
  }
  assert.deepEqual(ended, ['a lie', 'b']);
  for (const name of ['odd', 'full']) {
    ahead.begin(file(name));
    assert.equal(await ahead.take(file(name)), null);
  }
});

test('a download waits until what was begun in vain is gone, and the disk is asked for nothing meanwhile', async () => {
  const { begin, begun, ended, open } = disk();
  const ahead = new Ahead(begin);
  ahead.begin(file('a'));
  const dropped = ahead.drop(file('a').cid);
  ahead.begin(file('a'));
  assert.deepEqual(begun, ['a']);
  const taken = ahead.take(file('a'));
  open();
  assert.equal(await taken, null);
  await dropped;
  assert.deepEqual(ended, ['a']);
});

test('a few at once, and only for a moment', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { begin, begun, ended, open } = disk();
  open();
  const ahead = new Ahead(begin);
  for (let at = 0; at < 2 * SWARM.maxExpected; at += 1) ahead.begin(file(`${at}`));
  assert.equal(begun.length, SWARM.maxExpected);
  t.mock.timers.tick(SWARM.expectedMs);
  assert.equal(await ahead.take(file('0')), null);
  assert.deepEqual(ended.toSorted(), begun);
});
