import assert from 'node:assert/strict';
import fs from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { LIBRARY } from '../core/config.ts';
import { identityOf } from './identity.ts';
import { Care, Reading, type Readable } from './reading.ts';

const quick = (): boolean => true;

/** Holds the thread for longer than a read from the cache may take. */
function slow(): boolean {
  const until = performance.now() + LIBRARY.slowReadMs + 1;
  while (performance.now() < until);
  return true;
}

/** Reads that do not happen at once, until one does. */
function left(care: Care): number {
  let count = 0;
  while (care.timed(quick) === null) count += 1;
  return count;
}

test('after a slow read the next ones go another way, twice as many after each', () => {
  const care = new Care(LIBRARY.slowReads);
  assert.equal(care.timed(quick), true);
  assert.equal(care.timed(slow), true, 'its own result counts');
  assert.equal(care.timed(quick), null);
  assert.equal(left(care), LIBRARY.slowReads - 1);
  // One more quick one, and it is as it was.
  assert.equal(left(care), 0);
  care.timed(slow);
  care.timed(slow);
  assert.equal(left(care), LIBRARY.slowReads - 1, 'nothing is read while it is careful');
  const many = new Care(1);
  for (let round = 0; round < 20; round += 1) {
    many.timed(slow);
    const waits = left(many);
    assert.ok(waits <= LIBRARY.slowReadsMax);
  }
});

/** A file of four bytes in a shared folder. */
async function shared(t: TestContext): Promise<Readable> {
  const root = await mkdtemp(join(tmpdir(), 'kelana-reading-'));
  t.after(() => rm(root, { recursive: true, force: true }));
  const path = join(root, 'a');
  await writeFile(path, 'isi!');
  return { path, size: 4, identity: identityOf(await stat(path, { bigint: true })), root };
}

function readingOf(t: TestContext, remote: (root: string) => boolean): Reading {
  const reading = new Reading(remote);
  t.after(() => reading.close());
  return reading;
}

test('of a file system that may not answer nothing is read at once', async (t) => {
  const entry = await shared(t);
  const into = new Uint8Array(4);
  assert.equal(readingOf(t, () => false).small(entry, into), true);
  const { openSync } = fs;
  let opened = 0;
  const mocked = t.mock.method(fs, 'openSync', (...args: Parameters<typeof openSync>) => {
    opened += 1;
    return openSync(...args);
  });
  syncBuiltinESMExports();
  try {
    const remote = readingOf(t, (root) => root === entry.root);
    assert.equal(remote.small(entry, into), false);
    assert.equal(remote.now(entry, into, 0), false);
    assert.equal(await remote.read(entry, into, 0), true);
    assert.equal(opened, 0);
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
});

test('after a slow read no small file is read at once before some went another way, however often it is asked for', async (t) => {
  const entry = await shared(t);
  const reading = readingOf(t, () => false);
  const into = new Uint8Array(4);
  const { openSync } = fs;
  const mocked = t.mock.method(fs, 'openSync', (...args: Parameters<typeof openSync>) => {
    slow();
    return openSync(...args);
  });
  syncBuiltinESMExports();
  try {
    assert.equal(reading.small(entry, into), true);
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
  for (let asked = 0; asked < 2 * LIBRARY.slowReads; asked += 1)
    assert.equal(reading.small(entry, into), false);
  for (let waits = 0; waits < LIBRARY.slowReads; waits += 1)
    assert.equal(await reading.read(entry, into, 0), true);
  assert.equal(reading.small(entry, into), true);
});
