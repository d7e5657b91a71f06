import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Guarded } from './guarded.ts';
import { POST_FILE } from './post-schema.ts';
import { openFile } from './sqlite.ts';

export type Sql = (text: string) => StatementSync;

interface Connection {
  readonly db: DatabaseSync;
  readonly sql: Sql;
}

/** The file of a node's inbox and outbox; statements are prepared once, by their text. */
export class Statements {
  readonly #file: Guarded<Connection>;

  /** @throws KelanaError DATABASE */
  constructor(path: string, busyTimeoutMs: number) {
    this.#file = new Guarded(() => {
      const db = openFile(path, POST_FILE, busyTimeoutMs);
      db.exec('PRAGMA foreign_keys = ON');
      const prepared = new Map<string, StatementSync>();
      const sql = (text: string): StatementSync => {
        const statement = prepared.get(text) ?? db.prepare(text);
        prepared.set(text, statement);
        return statement;
      };
      return { db, sql };
    });
  }

  /** @throws KelanaError MAILBOX_BUSY, MAILBOX_UNSAFE */
  run<T>(work: (sql: Sql) => T): T {
    return this.#file.run(({ sql }) => work(sql));
  }

  /** In one transaction that is on disk when this returns. @throws KelanaError, as `run`, and those of `work` */
  write<T>(work: (sql: Sql) => T): T {
    return this.#file.write(({ sql }) => work(sql));
  }

  close(): void {
    this.#file.close();
  }
}
