import { closeSync, constants, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { KelanaError, reason } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';

/** A file of ours: its `application_id`, its migrations, and what it is called where it is not one. */
export interface FileKind {
  /** Tells our file from every other SQLite file (SQLite file header, offset 68). */
  readonly applicationId: number;
  /** Migration n brings a file from version n to n + 1. */
  readonly migrations: readonly string[];
  readonly foreign: Text;
}

/**
 * Opens or makes the file: readable by its owner only, write-ahead log, synchronous=FULL.
 * @throws KelanaError DATABASE
 */
export function openFile(path: string, kind: FileKind, busyTimeoutMs: number): DatabaseSync {
  let db: DatabaseSync | null = null;
  try {
    createPrivately(path);
    db = new DatabaseSync(path, { timeout: busyTimeoutMs });
    migrate(db, path, kind);
    enterWal(db, busyTimeoutMs);
    db.exec('PRAGMA synchronous = FULL');
    return db;
  } catch (thrown) {
    if (db?.isOpen === true) db.close();
    if (thrown instanceof KelanaError) throw thrown;
    throw new KelanaError('DATABASE', { path, why: sqliteReason(thrown) }, thrown);
  }
}

/**
 * The file is made by us so that only its owner can read the messages; SQLite gives its log the same mode. An existing
 * file is never opened here: closing any descriptor of a file drops all POSIX locks that this process holds on it
 * (sqlite.org/howtocorrupt.html, 2.2), and without its lock another process may delete the log under our hands.
 */
function createPrivately(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600));
  } catch (thrown) {
    if (reason(thrown) === 'EEXIST') return;
    throw thrown;
  }
  const folder = openSync(dirname(path), constants.O_RDONLY);
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

function migrate(db: DatabaseSync, path: string, kind: FileKind): void {
  const { applicationId, migrations } = kind;
  if (pragma(db, 'application_id') === applicationId && pragma(db, 'user_version') === migrations.length)
    return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const id = pragma(db, 'application_id');
    const version = pragma(db, 'user_version');
    const objects = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']);
    if (id !== applicationId && (id !== 0 || version !== 0 || objects > 0)) {
      throw new KelanaError('DATABASE', { path, why: kind.foreign });
    }
    if (version > migrations.length) throw new KelanaError('DATABASE', { path, why: WHY_NEWER });
    for (const sql of migrations.slice(version)) db.exec(sql);
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${migrations.length}`);
    db.exec('COMMIT');
  } catch (thrown) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw thrown;
  }
}

const WHY_NEWER = { id: 'dibuat oleh kelana yang lebih baru', en: 'it was made by a newer kelana' };

/** SQLite does not wait for the lock when the journal mode changes, so two servers that start together need this. */
function enterWal(db: DatabaseSync, busyTimeoutMs: number): void {
  const deadline = Date.now() + busyTimeoutMs;
  for (;;) {
    try {
      const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
      if (mode === 'wal') return;
      throw new Error(`journal mode is ${String(mode)}, not wal: is it on a network file system?`);
    } catch (thrown) {
      if (!isBusy(thrown) || Date.now() > deadline) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/** SQLITE_BUSY (5) and SQLITE_LOCKED (6), whatever their extended code. */
export function isBusy(thrown: unknown): boolean {
  const primary = sqliteCode(thrown) & 0xff;
  return primary === 5 || primary === 6;
}

function sqliteCode(thrown: unknown): number {
  const code = thrown instanceof Error ? (thrown as { errcode?: unknown }).errcode : undefined;
  return typeof code === 'number' ? code : 0;
}

/** SQLite's words for it, with its extended code: `disk I/O error, SQLite 1034` is a failed fsync. */
export function sqliteReason(thrown: unknown): string {
  const code = sqliteCode(thrown);
  return thrown instanceof Error && code !== 0 ? `${thrown.message}, SQLite ${code}` : reason(thrown);
}
