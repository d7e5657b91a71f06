import { existsSync, renameSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { z } from 'zod';
import { ERRORS, KelanaError, reason, type ErrorCode } from '../core/errors.ts';
import { TRANSFER_STATES, type Transfer } from '../core/ports.ts';

/** Written into the file; another number means another layout. */
const VERSION = 1;

const text = z.union([z.string(), z.number(), z.object({ id: z.string(), en: z.string() })]);
const row = z.object({
  name: z.string(),
  size: z.int().min(0),
  cid: z.string(),
  kind: z.enum(['file', 'folder']),
  priority: z.int(),
  state: z.enum(TRANSFER_STATES),
  retryAt: z.number().nullable(),
  tries: z.int().min(0),
  error: z
    .object({
      code: z.string().transform((code): ErrorCode => (isCode(code) ? code : 'INTERNAL')),
      params: z.record(z.string(), text),
    })
    .nullable(),
  providers: z.array(z.object({ peer: z.string(), label: z.string(), addresses: z.array(z.string()) })),
  addedAt: z.number(),
  progressAt: z.number(),
  bytes: z.number(),
  path: z.string().nullable(),
});

const isCode = (code: string): code is ErrorCode => Object.hasOwn(ERRORS, code);

/**
 * The transfers of a node, on disk when a method returns: a commit waits for the disk (`synchronous = FULL`), as they
 * are rare and a person was told of each. Numbers are never given twice.
 */
export class TransferStore {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;
  /** Where a file that could not be read was moved to, with all that it held; null where it could. */
  readonly damaged: string | null;

  /** @throws KelanaError DATABASE */
  constructor(path: string) {
    this.#path = path;
    const { db, damaged } = openDatabase(path);
    this.#db = db;
    this.damaged = damaged;
    this.#insert = db.prepare('INSERT INTO transfer (document) VALUES (?)');
    this.#update = db.prepare('UPDATE transfer SET document = ? WHERE id = ?');
    this.#delete = db.prepare('DELETE FROM transfer WHERE id = ?');
  }

  /** All of them in the order of their numbers; what an unknown version wrote is left out. */
  load(): readonly Transfer[] {
    return this.#guarded(() =>
      this.#db
        .prepare('SELECT id, document FROM transfer ORDER BY id')
        .all()
        .flatMap(({ id, document }) => {
          const read = row.safeParse(JSON.parse(String(document)));
          return read.success ? [{ id: Number(id), ...read.data }] : [];
        }),
    );
  }

  /** @throws KelanaError DATABASE, as all methods */
  insert(transfer: Omit<Transfer, 'id'>): Transfer {
    const { lastInsertRowid } = this.#guarded(() => this.#insert.run(JSON.stringify(transfer)));
    return { id: Number(lastInsertRowid), ...transfer };
  }

  save({ id, ...document }: Transfer): void {
    this.#guarded(() => this.#update.run(JSON.stringify(document), id));
  }

  remove(id: number): void {
    this.#guarded(() => this.#delete.run(id));
  }

  close(): void {
    this.#db.close();
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      throw new KelanaError('DATABASE', { path: this.#path, why: reason(thrown) }, thrown);
    }
  }
}

/** A file that is damaged is kept beside, for a person to look at: a node must start all the same. */
function openDatabase(path: string): { db: DatabaseSync; damaged: string | null } {
  try {
    return { db: prepared(path), damaged: null };
  } catch (thrown) {
    const damaged = `${path}.damaged`;
    try {
      if (!existsSync(path)) throw thrown;
      for (const suffix of ['', '-wal', '-shm'])
        if (existsSync(path + suffix)) renameSync(path + suffix, damaged + suffix);
      return { db: prepared(path), damaged };
    } catch (again) {
      throw new KelanaError('DATABASE', { path, why: reason(again) }, again);
    }
  }
}

function prepared(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
    if (version === 0)
      db.exec(`
        CREATE TABLE IF NOT EXISTS transfer (id INTEGER PRIMARY KEY AUTOINCREMENT, document TEXT NOT NULL) STRICT;
        PRAGMA user_version = ${VERSION};
      `);
    else if (version !== VERSION) throw new Error(`version ${version}`);
    if (db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'] !== 'ok') throw new Error('damaged');
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}
