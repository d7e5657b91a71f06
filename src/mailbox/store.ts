import { closeSync, constants, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite';
import { MAILBOX } from '../core/config.ts';
import { KelanaError, reason, type ErrorParams } from '../core/errors.ts';
import type { MailboxMessage, NewMessage } from '../core/ports.ts';
import { AFTER, AFTER_IN_ROOM, APPLICATION_ID, BY_KEY, INSERT, LATEST, MIGRATIONS } from './schema.ts';

/** A message on its way to the store, with the time (ms, Unix epoch) at which the server took it in. */
export interface Arrival {
  readonly message: NewMessage;
  readonly receivedMs: number;
}

export interface Appended {
  readonly message: MailboxMessage;
  readonly repeated: boolean;
}

interface Connection {
  readonly db: DatabaseSync;
  readonly insert: StatementSync;
  readonly byKey: StatementSync;
  readonly after: StatementSync;
  readonly afterInRoom: StatementSync;
  readonly latest: StatementSync;
}

/**
 * One connection to the mailbox file. Synchronous, so it lives in a worker thread (worker.ts).
 *
 * What a failed write means: after an fsync that failed, the kernel may have dropped the pages and call them clean,
 * so a second fsync that succeeds proves nothing. Hence the connection is given up at once. Opening anew copies all
 * that the write-ahead log holds into the database and starts an empty log (checkpoint TRUNCATE): every page is
 * written again, and only then are messages acknowledged again.
 */
export class Store {
  readonly #path: string;
  readonly #busyTimeoutMs: number;
  #connection: Connection | null = null;
  /** Why there is no connection. */
  #brokenBy: ErrorParams[string] | null = null;
  #lastTryMs = 0;

  constructor(path: string, busyTimeoutMs: number) {
    this.#path = path;
    this.#busyTimeoutMs = busyTimeoutMs;
    this.#connection = this.#connect();
  }

  /**
   * All of them in one transaction, or none; on disk when it returns. Ids grow in the order of commits across all
   * processes, because BEGIN IMMEDIATE holds SQLite's one write lock from before the first id is taken until the
   * commit is done: a reader that sees an id sees every lower one.
   * @throws KelanaError MAILBOX_BUSY, MAILBOX_UNSAFE
   */
  appendAll(arrivals: readonly Arrival[]): Appended[] {
    return this.#guarded((connection) => {
      connection.db.exec('BEGIN IMMEDIATE');
      const appended = arrivals.map((arrival) => insertOne(connection, arrival));
      connection.db.exec('COMMIT');
      return appended;
    });
  }

  /** @throws KelanaError MAILBOX_BUSY, MAILBOX_UNSAFE */
  list(after: number, limit: number, room: string | undefined): MailboxMessage[] {
    return this.#guarded(({ after: all, afterInRoom }) => {
      const rows = room === undefined ? all.iterate(after, limit) : afterInRoom.iterate(room, after, limit);
      const page: MailboxMessage[] = [];
      let bytes = 0;
      for (const row of rows) {
        const message = toMessage(row);
        bytes += Buffer.byteLength(message.text);
        if (page.length > 0 && bytes > MAILBOX.pageBytes) break;
        page.push(message);
      }
      return page;
    });
  }

  latest(): number {
    return this.#guarded(({ latest }) => Number(latest.get()?.['id'] ?? 0));
  }

  /** Recovers where it can. @throws KelanaError MAILBOX_UNSAFE */
  check(): void {
    this.#live();
  }

  close(): void {
    this.#connection?.db.close();
    this.#connection = null;
  }

  #guarded<T>(work: (connection: Connection) => T): T {
    const connection = this.#live();
    try {
      return work(connection);
    } catch (thrown) {
      if (isBusy(thrown)) {
        if (connection.db.isTransaction) connection.db.exec('ROLLBACK');
        throw new KelanaError('MAILBOX_BUSY', { why: WHY_LOCKED }, thrown);
      }
      this.#giveUp(thrown);
      throw new KelanaError('MAILBOX_UNSAFE', { why: sqliteReason(thrown) }, thrown);
    }
  }

  #giveUp(thrown: unknown): void {
    this.#brokenBy = sqliteReason(thrown);
    this.#lastTryMs = Date.now();
    try {
      this.#connection?.db.close();
    } catch {
      // It is given up either way; what it failed with is already known.
    }
    this.#connection = null;
  }

  #live(): Connection {
    if (this.#connection !== null) return this.#connection;
    if (Date.now() - this.#lastTryMs < MAILBOX.reopenMs) {
      throw new KelanaError('MAILBOX_UNSAFE', { why: this.#brokenBy ?? 'closed' });
    }
    this.#lastTryMs = Date.now();
    let db: DatabaseSync | null = null;
    try {
      const connection = this.#connect();
      db = connection.db;
      const row = db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
      if (row?.['busy'] !== 0) throw new Error('the write-ahead log is in use, trying again');
      this.#connection = connection;
      this.#brokenBy = null;
      return connection;
    } catch (thrown) {
      if (db?.isOpen === true) db.close();
      this.#brokenBy = (thrown instanceof KelanaError ? thrown.params['why'] : null) ?? sqliteReason(thrown);
      throw new KelanaError('MAILBOX_UNSAFE', { why: this.#brokenBy }, thrown);
    }
  }

  /** @throws KelanaError DATABASE */
  #connect(): Connection {
    let db: DatabaseSync | null = null;
    try {
      createPrivately(this.#path);
      db = new DatabaseSync(this.#path, { timeout: this.#busyTimeoutMs });
      migrate(db, this.#path);
      enterWal(db, this.#busyTimeoutMs);
      db.exec('PRAGMA synchronous = FULL');
      return {
        db,
        insert: db.prepare(INSERT),
        byKey: db.prepare(BY_KEY),
        after: db.prepare(AFTER),
        afterInRoom: db.prepare(AFTER_IN_ROOM),
        latest: db.prepare(LATEST),
      };
    } catch (thrown) {
      if (db?.isOpen === true) db.close();
      if (thrown instanceof KelanaError) throw thrown;
      throw new KelanaError('DATABASE', { path: this.#path, why: sqliteReason(thrown) }, thrown);
    }
  }
}

const WHY_LOCKED = {
  id: 'proses lain terlalu lama memegang kunci tulis',
  en: 'another process held the write lock for too long',
};

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

function migrate(db: DatabaseSync, path: string): void {
  if (pragma(db, 'application_id') === APPLICATION_ID && pragma(db, 'user_version') === MIGRATIONS.length)
    return;
  db.exec('BEGIN IMMEDIATE');
  try {
    const id = pragma(db, 'application_id');
    const version = pragma(db, 'user_version');
    const objects = Number(db.prepare('SELECT count(*) AS n FROM sqlite_schema').get()?.['n']);
    if (id !== APPLICATION_ID && (id !== 0 || version !== 0 || objects > 0)) {
      throw new KelanaError('DATABASE', { path, why: WHY_FOREIGN });
    }
    if (version > MIGRATIONS.length) throw new KelanaError('DATABASE', { path, why: WHY_NEWER });
    for (const sql of MIGRATIONS.slice(version)) db.exec(sql);
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}`);
    db.exec('COMMIT');
  } catch (thrown) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw thrown;
  }
}

const WHY_FOREIGN = { id: 'bukan kotak pesan kelana', en: 'it is not a mailbox of kelana' };
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

function insertOne(connection: Connection, { message, receivedMs }: Arrival): Appended {
  const { text, room, to, server, idempotencyKey } = message;
  const { changes, lastInsertRowid } = connection.insert.run(
    text,
    room,
    to,
    server,
    receivedMs,
    idempotencyKey,
  );
  if (Number(changes) === 1) {
    const receivedAt = new Date(receivedMs).toISOString();
    return { message: { id: Number(lastInsertRowid), text, room, to, server, receivedAt }, repeated: false };
  }
  const first = connection.byKey.get(idempotencyKey);
  if (first === undefined) throw new Error('a key was refused as used, but no message has it');
  return { message: toMessage(first), repeated: true };
}

function toMessage(row: Record<string, SQLOutputValue>): MailboxMessage {
  const to = row['recipient'];
  return {
    id: Number(row['id']),
    text: String(row['text']),
    room: String(row['room']),
    to: typeof to === 'string' ? to : null,
    server: String(row['server']),
    receivedAt: new Date(Number(row['received_ms'])).toISOString(),
  };
}

/** SQLITE_BUSY (5) and SQLITE_LOCKED (6), whatever their extended code. */
function isBusy(thrown: unknown): boolean {
  const primary = sqliteCode(thrown) & 0xff;
  return primary === 5 || primary === 6;
}

function sqliteCode(thrown: unknown): number {
  const code = thrown instanceof Error ? (thrown as { errcode?: unknown }).errcode : undefined;
  return typeof code === 'number' ? code : 0;
}

/** SQLite's words for it, with its extended code: `disk I/O error, SQLite 1034` is a failed fsync. */
function sqliteReason(thrown: unknown): string {
  const code = sqliteCode(thrown);
  return thrown instanceof Error && code !== 0 ? `${thrown.message}, SQLite ${code}` : reason(thrown);
}
