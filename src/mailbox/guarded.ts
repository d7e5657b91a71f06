import type { DatabaseSync } from 'node:sqlite';
import { MAILBOX } from '../core/config.ts';
import { KelanaError, type ErrorParams } from '../core/errors.ts';
import { isBusy, sqliteReason } from './sqlite.ts';

/** A connection with its prepared statements. */
export interface Connection {
  readonly db: DatabaseSync;
}

/**
 * One connection to a file of messages. Synchronous, so it lives in a worker thread.
 *
 * What a failed write means: after an fsync that failed, the kernel may have dropped the pages and call them clean,
 * so a second fsync that succeeds proves nothing. Hence the connection is given up at once. Opening anew copies all
 * that the write-ahead log holds into the database and starts an empty log (checkpoint TRUNCATE): every page is
 * written again, and only then are messages acknowledged again.
 */
export class Guarded<C extends Connection> {
  readonly #connect: () => C;
  #connection: C | null = null;
  /** Why there is no connection. */
  #brokenBy: ErrorParams[string] | null = null;
  #lastTryMs = 0;

  /** @throws KelanaError DATABASE, from `connect` */
  constructor(connect: () => C) {
    this.#connect = connect;
    this.#connection = connect();
  }

  /** @throws KelanaError MAILBOX_BUSY, MAILBOX_UNSAFE; and those of `work`, whose transaction is then undone */
  run<T>(work: (connection: C) => T): T {
    const connection = this.#live();
    try {
      return work(connection);
    } catch (thrown) {
      if (isBusy(thrown) || thrown instanceof KelanaError) {
        if (connection.db.isTransaction) connection.db.exec('ROLLBACK');
        if (thrown instanceof KelanaError) throw thrown;
        throw new KelanaError('MAILBOX_BUSY', { why: WHY_LOCKED }, thrown);
      }
      this.#giveUp(thrown);
      throw new KelanaError('MAILBOX_UNSAFE', { why: sqliteReason(thrown) }, thrown);
    }
  }

  /** As `run`, in one transaction that is on disk when this returns. */
  write<T>(work: (connection: C) => T): T {
    return this.run((connection) => {
      connection.db.exec('BEGIN IMMEDIATE');
      const result = work(connection);
      connection.db.exec('COMMIT');
      return result;
    });
  }

  /** Recovers where it can. @throws KelanaError MAILBOX_UNSAFE */
  check(): void {
    this.#live();
  }

  close(): void {
    this.#connection?.db.close();
    this.#connection = null;
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

  #live(): C {
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
}

const WHY_LOCKED = {
  id: 'proses lain terlalu lama memegang kunci tulis',
  en: 'another process held the write lock for too long',
};
