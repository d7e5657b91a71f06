import assert from 'node:assert/strict';
import { chmod, chown, lchown, mkdir, mkdtemp, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { KelanaError } from '../../core/errors.ts';
import { refuseOpenFolder } from './place.ts';

test('a data folder, or a link to it, of another user is refused, and one of root or oneself is not', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'kelana-place-'));
  t.after(() => rm(root, { recursive: true }));
  const folder = join(root, 'balancer-1');
  await refuseOpenFolder(folder, undefined);
  await mkdir(folder);
  const { uid } = await stat(folder);
  await refuseOpenFolder(folder, uid);
  const isOthers = (error: unknown): boolean =>
    error instanceof KelanaError &&
    error.code === 'BAD_VALUE' &&
    /belongs to another user/.test(error.message);
  if (uid !== 0) {
    // Only root can give things away: here it is the one who asks that is another.
    await assert.rejects(refuseOpenFolder(folder, uid + 1), isOthers);
    return;
  }
  await refuseOpenFolder(folder, 1_000);
  await chmod(folder, 0o755);
  for (const given of [folder, root]) {
    await chown(given, 65_534, 65_534);
    await assert.rejects(refuseOpenFolder(folder, uid), isOthers);
    await chown(given, uid, uid);
  }
  const link = join(root, 'balancer-2');
  await symlink(folder, link);
  await refuseOpenFolder(link, uid);
  await lchown(link, 65_534, 65_534);
  await assert.rejects(refuseOpenFolder(link, uid), isOthers);
});
