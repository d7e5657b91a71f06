import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { NodeLimits } from './limits.ts';

async function folderFor(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-limits-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Friday, local time. */
const friday = (hour: number, minute = 0): number => new Date(2026, 10, 27, hour, minute).getTime();
const QUIET = { limit: 5e6, bytesPerSecond: 0, bytes: 0, waiting: 0 };

test('the rate follows the schedule on the local clock, also when that is set back', async (t) => {
  let wall = friday(16, 59) + 59_999;
  const given = { up: 'mon-fri 08:00-17:00 5MB/s; sat 20MB/s; unlimited' };
  const limits = await NodeLimits.open(await folderFor(t), given, () => wall);
  assert.deepEqual([limits.rate('up'), limits.rate('down')], [5e6, null]);
  wall += 1;
  assert.equal(limits.rate('up'), null);
  assert.equal(limits.info('up', QUIET).changesAt, new Date(2026, 10, 28).toISOString());
  wall -= 1;
  assert.equal(limits.rate('up'), 5e6);
  assert.equal(limits.info('up', QUIET).changesAt, new Date(friday(17)).toISOString());
  wall = new Date(2026, 10, 28, 12).getTime();
  assert.equal(limits.rate('up'), 20e6);
});

test('a change holds at once and until the next start; saved, also after it', async (t) => {
  const folder = await folderFor(t);
  const limits = await NodeLimits.open(folder, {});
  await limits.set({ up: '5MB/s' }, false);
  assert.deepEqual([limits.rate('up'), limits.rate('down')], [5e6, null]);
  assert.equal(limits.info('up', QUIET).afterRestart, 'unlimited');
  assert.equal((await NodeLimits.open(folder, {})).rate('up'), null);
  await Promise.all([limits.set({ up: '6MB/s' }, true), limits.set({ down: '7MB/s' }, true)]);
  assert.equal(limits.info('up', QUIET).afterRestart, '6MB/s');
  const later = await NodeLimits.open(folder, {});
  assert.deepEqual([later.rate('up'), later.rate('down')], [6e6, 7e6]);
  assert.equal((await stat(join(folder, 'limits.json'))).mode & 0o077, 0);
});

test('what a node is started with goes before what is kept, each direction by itself', async (t) => {
  const folder = await folderFor(t);
  await (await NodeLimits.open(folder, {})).set({ up: '6MB/s', down: '7MB/s' }, true);
  const limits = await NodeLimits.open(folder, { up: '1MB/s' });
  assert.deepEqual([limits.rate('up'), limits.rate('down')], [1e6, 7e6]);
  await limits.set({ up: '2MB/s' }, true);
  assert.equal(limits.rate('up'), 2e6);
  assert.equal(limits.info('up', QUIET).afterRestart, '1MB/s');
});

test('a bad change changes nothing; a limit that cannot be kept holds all the same', async (t) => {
  const folder = await folderFor(t);
  const limits = await NodeLimits.open(folder, { up: '1MB/s' });
  await assert.rejects(limits.set({ down: '5MB/s', up: 'much' }, true), { code: 'BAD_VALUE' });
  assert.deepEqual([limits.rate('up'), limits.rate('down')], [1e6, null]);
  await rm(folder, { recursive: true });
  await assert.rejects(limits.set({ up: '3MB/s' }, true), { code: 'CANNOT_WRITE' });
  assert.equal(limits.rate('up'), 3e6);
});

test('kept limits that cannot be read end the start and say where', async (t) => {
  const folder = await folderFor(t);
  const file = join(folder, 'limits.json');
  for (const source of ['', '[', 'null', '{"up":5}', '{"up":["1MB/s"]}', '{"down":"much"}']) {
    await writeFile(file, source);
    await assert.rejects(NodeLimits.open(folder, {}), { code: 'BAD_CONFIG' }, source);
    assert.equal(await readFile(file, 'utf8'), source);
  }
});
