import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parentPort, workerData } from 'node:worker_threads';
import { LOG } from '../core/config.ts';
import { reason } from '../core/errors.ts';
import { INSERTS, insertRows, type SqlRows, type SqlTarget } from '../core/render/sql-rows.ts';
import { SCHEMA } from '../core/render/sql.ts';
import type { FromWriter, ToWriter } from './sqlite.ts';

/** The thread behind createSqliteSink. Nothing else may import this module. */
interface Open {
  readonly db: DatabaseSync;
  readonly insert: SqlTarget;
  readonly inode: bigint;
}

/** SQLITE_BUSY: its low byte, as extended codes add to it. */
const BUSY = 5;
const BUSY_RETRIES = 20;
const BUSY_PAUSE_MS = 50;
const PAGE_BYTES = 8_192;

const { path } = workerData as { path: string };
let open: Open | null = null;

function openDatabase(): Open {
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path, { timeout: LOG.busyTimeoutMs });
  try {
    // A new file: twice the usual, as a quarter less is done for each row then.
    db.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
    // WAL: readers and the one writer do not wait for each other, and a commit is one append.
    db.exec('PRAGMA journal_mode = WAL');
    // NORMAL: fsync at checkpoints only. After a power cut the last commits may be missing but the file is sound,
    // which is right for a log: it acknowledges nothing to anybody, and FULL would cost an fsync per batch.
    db.exec('PRAGMA synchronous = NORMAL');
    db.exec('BEGIN IMMEDIATE');
    for (const statement of SCHEMA) db.exec(statement);
    db.exec('COMMIT');
    return { db, insert: targetOf(db), inode: inodeOf() };
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

/** Inserts into the open transaction. */
function targetOf(db: DatabaseSync): SqlTarget {
  const one = db.prepare(INSERTS.one);
  const many = db.prepare(INSERTS.many);
  const alike = db.prepare(INSERTS.alike);
  return {
    one: (values) => void one.run(...values),
    many: (values) => void many.run(...values),
    alike: (shared, values) => void alike.run(shared, ...values),
  };
}

function inodeOf(): bigint {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? 0n;
}

function closeDatabase(): void {
  const { db } = open ?? {};
  open = null;
  db?.close();
}

function write(rows: SqlRows): void {
  // A database that was moved or removed would take rows that nobody reads.
  if (open !== null && open.inode !== inodeOf()) closeDatabase();
  const { db, insert } = (open ??= retryBusy(openDatabase));
  db.exec('BEGIN IMMEDIATE');
  try {
    insertRows(rows, insert);
    db.exec('COMMIT');
  } catch (thrown) {
    // SQLite rolls back by itself on some errors (disk full) and not on others.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw thrown;
  }
}

/** SQLite answers "busy" at once, without its timeout, to some of those who open a new database together. */
function retryBusy<T>(work: () => T): T {
  for (let left = BUSY_RETRIES; ; left -= 1) {
    try {
      return work();
    } catch (thrown) {
      const code = (thrown as { errcode?: unknown }).errcode;
      if (left === 0 || typeof code !== 'number' || (code & 0xff) !== BUSY) throw thrown;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_PAUSE_MS);
    }
  }
}

function explain(thrown: unknown): string {
  // node:sqlite gives every error the code ERR_SQLITE_ERROR; the words say which it is.
  return reason(thrown) === 'ERR_SQLITE_ERROR' && thrown instanceof Error ? thrown.message : reason(thrown);
}

parentPort?.on('message', (message: ToWriter) => {
  let answer: FromWriter = { done: true };
  try {
    if ('rows' in message) write(message.rows);
    else closeDatabase();
  } catch (thrown) {
    try {
      // Opened anew next time: after an I/O error a connection may stay unusable.
      closeDatabase();
    } catch {
      open = null;
    }
    answer = { failed: explain(thrown) };
  }
  parentPort?.postMessage(answer);
  if ('close' in message) parentPort?.close();
});
