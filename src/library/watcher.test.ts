import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { folderIdentity } from './identity.ts';
import { Watcher } from './watcher.ts';

test('a folder that was made anew is watched anew, also where it has the inode of the old one', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'kelana-watcher-'));
  const folder = join(base, 'folder');
  const seen = new Set<string | null>();
  const watcher = new Watcher({
    changed: (_, name) => seen.add(name),
    full: (why) => assert.fail(String(why)),
  });
  t.after(async () => {
    watcher.close();
    await rm(base, { recursive: true, force: true });
  });
  const watchIt = async (): Promise<bigint> => {
    const stats = await lstat(folder, { bigint: true });
    watcher.watch(folder, folderIdentity(stats));
    return stats.ino;
  };
  let again = false;
  await mkdir(folder);
  // Most file systems give the number that was just freed.
  for (let round = 0; round < 20 && !again; round += 1) {
    const before = await watchIt();
    await rmdir(folder);
    // A moment of birth is as exact as the clock of the kernel, some ms.
    await new Promise((resolve) => setTimeout(resolve, 10));
    await mkdir(folder);
    again = (await watchIt()) === before;
  }
  await writeFile(join(folder, 'new.txt'), 'new');
  const deadline = performance.now() + 5_000;
  while (!seen.has('new.txt') && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.ok(seen.has('new.txt'), again ? 'with the inode of the old one' : 'with another inode');
});
