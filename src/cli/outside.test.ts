import assert from 'node:assert/strict';
import test from 'node:test';
import type { GetEvent } from '../control/operations.ts';
import type { Holding } from '../core/ports.ts';
import { outside } from './outside.ts';

const PROVIDER = { peer: 'p', label: 'localhost:5001', addresses: [] };
const AT = { elapsedMs: 1, hops: 1 };
const hit = (name: string, kind: Holding['kind'] = 'file'): GetEvent => ({
  type: 'hit',
  ...AT,
  name,
  size: 1,
  cid: name,
  kind,
  score: 1,
  providers: [PROVIDER],
});
const provider = (name: string): GetEvent => ({
  type: 'provider',
  ...AT,
  name,
  cid: name,
  provider: PROVIDER,
});
const step: GetEvent = { type: 'step', elapsedMs: 1, hops: 1, peer: 'p', label: 'localhost:5001' };
const progress: GetEvent = { type: 'progress', bytes: 1, size: 2, name: 'liburan', from: 'x' };

async function shown(...events: GetEvent[]): Promise<string[]> {
  const names: string[] = [];
  async function* source(): AsyncGenerator<GetEvent> {
    await Promise.resolve();
    yield* events;
  }
  for await (const event of outside(source()))
    names.push('name' in event ? `${event.type} ${event.name}` : event.type);
  return names;
}

test('of a folder that is a hit the files below it are none of their own, whichever was heard of first', async () => {
  const events = [
    hit('liburan/a.jpg'),
    hit('liburan', 'folder'),
    provider('liburan/a.jpg'),
    hit('liburan/sub', 'folder'),
  ];
  assert.deepEqual(await shown(...events, progress), ['hit liburan', 'progress liburan']);
});

test('what lies elsewhere is shown: at once where it lies in no folder, else before what comes next', async () => {
  const events = [
    hit('foto/liburan.jpg'),
    step,
    hit('liburan.txt'),
    provider('liburan.txt'),
    hit('liburan-2/a', 'folder'),
  ];
  assert.deepEqual(await shown(...events, hit('liburan', 'folder'), progress, progress), [
    'step',
    'hit liburan.txt',
    'provider liburan.txt',
    'hit liburan',
    'hit foto/liburan.jpg',
    'hit liburan-2/a',
    'progress liburan',
    'progress liburan',
  ]);
});
