import { lstat, mkdir, realpath, rename, stat, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LIBRARY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { numbered } from '../core/names.ts';
import { cannotWrite, hasCode, isGone, makeFolder, publish, sync } from './files.ts';
import { hashFile } from './hash.ts';

/** Where a download goes: its folder, the first of its names that is free, and never over a different file. */
export interface Wanted {
  readonly size: number;
  readonly cid: string;
}

/** The names that are tried, in order. */
export function* names(name: string): Generator<string> {
  yield name;
  for (let n = 1; n <= LIBRARY.maxNumbered; n += 1) yield numbered(name, n);
}

/** Looks at the names that `finish` would try, up to the first free one. */
export async function findSame(folder: string, name: string, wanted: Wanted): Promise<string | null> {
  for (const candidate of names(name)) {
    const path = join(folder, candidate);
    const same = await isSame(path, wanted);
    if (same === null) return null;
    if (same) return path;
  }
  return null;
}

/** Whether `path` is a file with exactly these bytes; null where there is nothing. Hashes only on the same size. */
export async function isSame(path: string, { size, cid }: Wanted): Promise<boolean | null> {
  try {
    const stats = await lstat(path);
    if (!stats.isFile() || stats.size !== size) return false;
    const hashed = await hashFile(path);
    return typeof hashed === 'object' && hashed.cid === cid;
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return null;
    if (isGone(thrown) || hasCode(thrown, 'EACCES', 'EIO')) return false;
    throw cannotWrite(path, thrown);
  }
}

/** @returns its real path @throws KelanaError NOT_A_FOLDER, CANNOT_WRITE */
export async function openFolder(folder: string): Promise<string> {
  try {
    // It is there, but for the first download.
    const path = await folderAt(folder).catch(async (thrown: unknown) => {
      if (!hasCode(thrown, 'ENOENT')) throw thrown;
      await makeFolder(folder);
      return await folderAt(folder);
    });
    if (path !== null) return path;
  } catch (thrown) {
    // A link that points nowhere is ENOENT here, as it exists but leads to no folder.
    if (!hasCode(thrown, 'EEXIST', 'ENOTDIR', 'ENOENT')) throw cannotWrite(folder, thrown);
  }
  throw new KelanaError('NOT_A_FOLDER', { path: folder, flag: '--downloads' });
}

/** Null where it is no folder. @throws what the file system throws */
async function folderAt(folder: string): Promise<string | null> {
  const [path, stats] = await Promise.all([realpath(folder), stat(folder)]);
  return stats.isDirectory() ? path : null;
}

/** Bytes that are free there. @throws KelanaError CANNOT_WRITE */
export async function roomIn(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (thrown) {
    throw cannotWrite(folder, thrown);
  }
}

/**
 * Better now than after an hour of fetching. Other writers may still take the room, so writes are checked as well.
 * `room`: bytes that are free, where that was looked at a moment ago.
 */
export async function checkRoom(folder: string, size: number, room?: number): Promise<void> {
  const free = room ?? (await roomIn(folder));
  if (size <= free) return;
  const why = {
    id: `ENOSPC: perlu ${size} byte, ruang bebas ${free} byte`,
    en: `ENOSPC: it needs ${size} bytes, and ${free} bytes are free`,
  };
  throw new KelanaError('CANNOT_WRITE', { path: folder, why });
}

/**
 * Gives a whole and synced temporary file the first free name, or takes it away where one of the names has the same
 * bytes already. @throws KelanaError FILE_EXISTS; what the file system throws
 */
export async function publishFree(
  temporary: string,
  folder: string,
  name: string,
  wanted: Wanted,
): Promise<string> {
  for (const candidate of names(name)) {
    const target = join(folder, candidate);
    if (await publish(temporary, target)) {
      await sync(folder);
      return target;
    }
    if (await isSame(target, wanted)) {
      await unlink(temporary);
      return target;
    }
  }
  throw new KelanaError('FILE_EXISTS', { name });
}

/** rename(2) replaces an empty folder, which loses nothing, and fails on anything else that came in between. */
export async function moveTo(root: string, target: string): Promise<boolean> {
  try {
    await rename(root, target);
    return true;
  } catch (thrown) {
    if (hasCode(thrown, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) return false;
    throw thrown;
  }
}

/** Makes a folder under the first name that is free. @throws KelanaError FILE_EXISTS; what the file system throws */
export async function makeFree(folder: string, name: string): Promise<string> {
  for (const candidate of names(name)) {
    const path = join(folder, candidate);
    try {
      await mkdir(path);
      return path;
    } catch (thrown) {
      if (!hasCode(thrown, 'EEXIST')) throw thrown;
    }
  }
  throw new KelanaError('FILE_EXISTS', { name });
}
