import { readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pid } from 'node:process';
import { DatabaseSync } from 'node:sqlite';
import { KelanaError, reason } from '../core/errors.ts';
import { cannotWrite, hasCode, makeFolder } from './files.ts';

export interface DataFolder {
  /** Absolute, links resolved. */
  readonly path: string;
  /** Gives the folder free for another process. Calling it again does nothing. */
  release(): Promise<void>;
}

/** SQLITE_BUSY (sqlite.org/rescode.html). */
const BUSY = 5;

/**
 * Creates the data folder (0700) where it is missing and takes it for this process alone. The lock is SQLite's own on
 * `lock.db`, which is the kernel's: it ends with the process however that ends, so there is no stale lock to judge and
 * no pid to mistake for another process's. `node.pid` only tells people who holds it.
 * @throws KelanaError DATA_IN_USE, NOT_A_FOLDER, CANNOT_WRITE
 */
export async function openDataFolder(folder: string): Promise<DataFolder> {
  const path = await create(folder);
  const pidFile = join(path, 'node.pid');
  const lock = take(join(path, 'lock.db'));
  if (lock === null) {
    const holder = (await readFile(pidFile, 'utf8').catch(() => '')).trim();
    throw new KelanaError('DATA_IN_USE', { path, pid: /^\d{1,10}$/.test(holder) ? holder : '?' });
  }
  try {
    await writeFile(pidFile, `${pid}\n`, { mode: 0o600 });
  } catch (thrown) {
    lock.close();
    throw cannotWrite(pidFile, thrown);
  }
  let released: Promise<void> | undefined;
  const free = async (): Promise<void> => {
    await rm(pidFile, { force: true }).catch(() => undefined);
    lock.close();
  };
  return { path, release: () => (released ??= free()) };
}

async function create(folder: string): Promise<string> {
  try {
    await makeFolder(folder, 0o700);
    const path = await realpath(folder);
    if ((await stat(path)).isDirectory()) return path;
  } catch (thrown) {
    if (!hasCode(thrown, 'EEXIST', 'ENOTDIR')) throw cannotWrite(folder, thrown);
  }
  throw new KelanaError('NOT_A_FOLDER', { path: folder, flag: '--data' });
}

/** Takes the lock, or gives null where another process has it. */
function take(file: string): DatabaseSync | null {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(file, { timeout: 0 });
    db.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return db;
  } catch (thrown) {
    db?.close();
    if ((thrown as { errcode?: unknown }).errcode === BUSY) return null;
    throw new KelanaError('CANNOT_WRITE', { path: file, why: reason(thrown) }, thrown);
  }
}
