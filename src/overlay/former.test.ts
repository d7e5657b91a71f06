import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { SEARCH } from '../core/config.ts';
import { temporaryFolder } from '../../test/support/basics.ts';
import { Former } from './former.ts';

test('neighbours that were lost are named for an hour, the latest of them', async (t) => {
  let now = 0;
  const file = join(await temporaryFolder(t), 'neighbours.json');
  const former = await Former.open(file, () => now);
  former.lost({ peer: 'a', label: 'node a' });
  now = 1_000;
  former.lost({ peer: 'b', label: 'node b' });
  assert.deepEqual(
    former.labels(() => false),
    ['node a', 'node b'],
  );
  now = SEARCH.formerMs;
  assert.deepEqual(
    former.labels(() => false),
    ['node b'],
  );
  assert.deepEqual(
    former.labels((peer) => peer === 'b'),
    [],
  );
  for (let at = 0; at < 2 * SEARCH.maxFormer; at += 1) former.lost({ peer: `c${at}`, label: `node c${at}` });
  assert.equal(former.labels(() => false).length, SEARCH.maxFormer);
  await former.stop();
});

test('a node that starts again remembers those it had and those it knew of, but not those that said goodbye', async (t) => {
  let now = 0;
  const file = join(await temporaryFolder(t), 'neighbours.json');
  const nobody = (): boolean => false;
  const known = Array.from({ length: 2 * SEARCH.maxFormer }, (_, at) => ({
    peer: `k${at}`,
    label: `k${at}`,
  }));
  const former = await Former.open(
    file,
    () => now,
    () => known,
  );
  for (const peer of ['a', 'b', 'c']) former.linked({ peer, label: `node ${peer}` });
  former.left({ peer: 'a', label: 'node a' });
  former.lost({ peer: 'b', label: 'node b' });
  // Linked all the time, however long.
  now = SEARCH.formerMs;
  await former.stop();
  const again = await Former.open(file, () => now);
  const labels = again.labels(nobody);
  assert.equal(labels.length, SEARCH.maxFormer);
  assert.ok(labels.includes('node c') && !labels.includes('node a') && !labels.includes('node b'));
  now = 2 * SEARCH.formerMs;
  assert.deepEqual(again.labels(nobody), []);
  await writeFile(file, '[{"peer":1},{}, "a", null');
  assert.deepEqual((await Former.open(file, () => now)).labels(nobody), []);
});
