import { existsSync, renameSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ERRORS, KelanaError, reason, type ErrorCode, type ErrorParams } from '../core/errors.ts';
import { type Provider } from '../core/ports.ts';
import { TRANSFER_STATES, type Transfer, type TransferState } from '../core/transfer/ports.ts';

/** Written into the file; another number means another layout. */
const VERSION = 1;

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
  readonly #leave: StatementSync;
  readonly #leaves: StatementSync;
  readonly #left: StatementSync;
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
    this.#leave = db.prepare('INSERT OR IGNORE INTO leftover (cid) VALUES (?)');
    this.#leaves = db.prepare('SELECT 1 FROM leftover WHERE cid = ?');
    this.#left = db.prepare('DELETE FROM leftover WHERE cid = ?');
  }

  /** All of them in the order of their numbers; what an unknown version wrote is left out. */
  load(): readonly Transfer[] {
    return this.#guarded(() =>
      this.#db
        .prepare('SELECT id, document FROM transfer ORDER BY id')
        .all()
        .flatMap(({ id, document }) => {
          const read = rowOf(JSON.parse(String(document)));
          return read === null ? [] : [{ id: Number(id), ...read }];
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

  /** What a cancelled transfer has of this folder is to go with the last of the others. */
  leave(cid: string): void {
    this.#guarded(() => this.#leave.run(cid));
  }

  leaves(cid: string): boolean {
    return this.#guarded(() => this.#leaves.get(cid)) !== undefined;
  }

  /** It is gone. */
  left(cid: string): void {
    this.#guarded(() => this.#left.run(cid));
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
    db.exec('CREATE TABLE IF NOT EXISTS leftover (cid TEXT PRIMARY KEY) STRICT;');
    if (db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'] !== 'ok') throw new Error('damaged');
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

type Fields = Readonly<Record<string, unknown>>;

/** A row as this version writes it, or null. By hand: it is our own file, and a validator costs an idle node 13 MiB. */
function rowOf(value: unknown): Omit<Transfer, 'id'> | null {
  if (!isFields(value)) return null;
  const { name, size, cid, kind, priority, state, retryAt, tries, error, providers } = value;
  // Rows of earlier versions have no patterns: all was wanted.
  const { addedAt, progressAt, bytes, path, only = [] } = value;
  const { wanted = Array.isArray(only) && only.length === 0 ? size : null } = value;
  if (typeof name !== 'string' || typeof cid !== 'string' || (kind !== 'file' && kind !== 'folder'))
    return null;
  if (!isCount(size) || !isCount(priority) || !isCount(tries) || !isCount(bytes)) return null;
  if (typeof addedAt !== 'number' || typeof progressAt !== 'number') return null;
  if (retryAt !== null && typeof retryAt !== 'number') return null;
  if (path !== null && typeof path !== 'string') return null;
  if (!Array.isArray(only) || !only.every((pattern) => typeof pattern === 'string')) return null;
  if (wanted !== null && !isCount(wanted)) return null;
  if (!isState(state) || !Array.isArray(providers) || !providers.every(isProvider)) return null;
  const why = isFields(error) && typeof error['code'] === 'string' ? error : null;
  const params = why !== null && isFields(why['params']) ? why['params'] : {};
  return {
    name,
    size,
    cid,
    kind,
    only,
    priority,
    state,
    retryAt,
    tries,
    error: why === null ? null : { code: codeOf(why['code']), params: params as ErrorParams },
    providers,
    addedAt,
    progressAt,
    bytes,
    wanted,
    path,
  };
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isState(value: unknown): value is TransferState {
  return TRANSFER_STATES.some((state) => state === value);
}

function isProvider(value: unknown): value is Provider {
  if (!isFields(value)) return false;
  const { peer, label, addresses } = value;
  const listed = Array.isArray(addresses) && addresses.every((address) => typeof address === 'string');
  return typeof peer === 'string' && typeof label === 'string' && listed;
}

function codeOf(code: unknown): ErrorCode {
  return typeof code === 'string' && isCode(code) ? code : 'INTERNAL';
}
