import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { claim, claimsOf } from './claims.ts';

const CID = 'a'.repeat(59);

test('a part that another process left since the folder was listed is gone on with', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-claims-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const listed = await claimsOf(folder, CID, 'part');
  assert.deepEqual(listed, []);
  await writeFile(join(folder, `.kelana-${CID}.part`), 'bytes');
  const claimed = await claim(folder, CID, 'part', 'a.bin', listed);
  assert.equal(claimed.fresh, false);
  assert.deepEqual(await readdir(folder), [claimed.path.slice(folder.length + 1)]);
  await claimed.release();
  // A list that names it may be as old.
  const named = await claimsOf(folder, CID, 'part');
  await rm(join(folder, `.kelana-${CID}.part`));
  const fresh = await claim(folder, CID, 'part', 'a.bin', named);
  assert.equal(fresh.fresh, true);
  await fresh.handle?.close();
  await fresh.remove();
  assert.deepEqual(await readdir(folder), []);
});
