import { constants } from 'node:fs';
import { copyFile, lstat, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { hasCode, isGone, publish, sync } from './files.ts';
import type { FolderEntry } from './folder-names.ts';
import { seenAt, type There } from './folder-there.ts';
import { itemsOf, type Tree } from './folder-tree.ts';
import { isSame } from './place.ts';
import { syncDisk } from './syncing.ts';

/**
 * Whether a folder still is what was found at the start: no name that is none of the whole, no link, every wanted file
 * there, and each file as it was seen; one that was touched, or came in the meantime, is hashed. @throws what the disk throws
 */
export async function isStill({ path: base, files, of, needs }: There): Promise<boolean> {
  const missing = new Set(needs);
  try {
    if (!(await lstat(base)).isDirectory()) return false;
    for await (const { path, kind } of itemsOf(base)) {
      if (kind === 'folder' && of.folders.has(path)) continue;
      const entry = kind === 'file' ? of.files.get(path) : undefined;
      if (entry === undefined) return false;
      const at = join(base, path);
      if (files.get(path) !== (await seenAt(at)) && (await isSame(at, entry)) !== true) return false;
      missing.delete(path);
    }
  } catch (thrown) {
    if (isLost(thrown)) return false;
    throw thrown;
  }
  return missing.size === 0;
}

/**
 * Gives each file its place beside those that are there: one after the other, through no link, and never over another.
 * @returns false where something came in the way since it was looked at: what has no place yet is still in `root`
 */
export async function complete(
  base: string,
  root: string,
  entries: readonly FolderEntry[],
  { files, folders }: Tree,
  durable: boolean,
): Promise<boolean> {
  try {
    for (const path of folders) {
      if (!(await isFolder(base, dirname(path)))) return false;
      await mkdir(join(base, path)).catch((thrown: unknown) => {
        if (!hasCode(thrown, 'EEXIST')) throw thrown;
      });
      if (!(await isFolder(base, path))) return false;
    }
    for (const entry of entries) {
      if (!files.has(entry.path)) continue;
      // link(2) follows links above the name.
      if (!(await isFolder(base, dirname(entry.path)))) return false;
      const target = join(base, entry.path);
      if (!(await publish(join(root, entry.path), target)) && (await isSame(target, entry)) !== true)
        return false;
    }
    if (durable) for (const path of ['', ...folders]) await sync(join(base, path));
  } catch (thrown) {
    if (isGone(thrown)) return false;
    throw thrown;
  }
  return true;
}

/**
 * Copies to `root` what lies in `base` alone, so that it holds the whole; each copy is hashed.
 * @returns those that are not in `base` any more as they were @throws what the disk throws
 */
export async function gather(
  base: string,
  root: string,
  entries: readonly FolderEntry[],
  { folders }: Tree,
  durable: boolean,
): Promise<readonly FolderEntry[]> {
  const lost: FolderEntry[] = [];
  const copied: string[] = [];
  for (const path of folders) await mkdir(join(root, path), { recursive: true });
  for (const entry of entries) {
    const target = join(root, entry.path);
    if ((await sizeOf(target)) !== null) continue;
    const source = join(base, entry.path);
    if ((await sizeOf(source)) === entry.size) {
      // Not a link: what somebody changes in the one is not to change in the other.
      await copyFile(source, target, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL).catch(
        (thrown: unknown) => {
          if (!isLost(thrown)) throw thrown;
        },
      );
      if ((await isSame(target, entry)) === true) {
        copied.push(target);
        continue;
      }
      await rm(target, { force: true });
    }
    lost.push(entry);
  }
  if (durable && copied.length > 0 && !(await syncDisk(root))) for (const path of copied) await sync(path);
  return lost;
}

/** Whether `path` below `base` is a folder, and all above it are: no links. */
async function isFolder(base: string, path: string): Promise<boolean> {
  for (let at = path; ; at = dirname(at)) {
    if (!(await lstat(join(base, at))).isDirectory()) return false;
    if (at === '.') return true;
  }
}

/** Bytes of a plain file; null: there is none. */
async function sizeOf(path: string): Promise<number | null> {
  return await lstat(path).then(
    (stats) => (stats.isFile() ? stats.size : null),
    () => null,
  );
}

function isLost(thrown: unknown): boolean {
  return isGone(thrown) || hasCode(thrown, 'EACCES', 'EIO');
}
