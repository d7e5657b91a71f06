import { execFile } from 'node:child_process';
import { statfs } from 'node:fs/promises';
import { INCOMING } from '../core/config.ts';
import { hasCode, sync } from './files.ts';

/** File systems that live in memory: there fsync says nothing (statfs(2), TMPFS_MAGIC and RAMFS_MAGIC). */
const MEMORY = new Set([0x0102_1994, 0x8584_58f6]);

/** @throws what the file system throws */
export async function inMemory(path: string): Promise<boolean> {
  return MEMORY.has((await statfs(path)).type);
}

/**
 * syncfs(2) on the disk of a folder, by the tool of the system, as Node does not have it.
 * @returns false where there is no such tool, or it failed: each file then has to be synced, and says what is wrong
 */
export function syncDisk(folder: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile('sync', ['-f', folder], { timeout: INCOMING.diskTimeoutMs }, (failed) =>
      resolve(failed === null),
    );
  });
}

/** @returns whether it was there @throws what the file system throws */
export async function syncWhereThere(path: string): Promise<boolean> {
  try {
    await sync(path);
    return true;
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return false;
    throw thrown;
  }
}
