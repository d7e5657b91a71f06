import { rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LIBRARY } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import { DIGEST_BYTES } from '../core/transfer/cid.ts';
import { blockCount } from '../core/transfer/layout.ts';
import { cidFrom, type Hashed } from './hash.ts';
import { writtenAs } from './identity.ts';

/** Written into the file; another number means another layout, and the cache starts anew. */
const VERSION = 1;

/**
 * What was hashed, kept across restarts. Only a cache: whatever is lost or unreadable here is hashed again, so a
 * damaged file is thrown away.
 */
export class IndexStore {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #put: StatementSync;
  readonly #delete: StatementSync;
  /** What is to be written; null deletes. */
  readonly #pending = new Map<string, Hashed | null>();

  /** @throws KelanaError DATABASE */
  constructor(path: string) {
    this.#path = path;
    this.#db = openDatabase(path);
    this.#get = this.#db.prepare('SELECT size, identity, cid, digests FROM file WHERE path = ?');
    this.#put = this.#db.prepare(
      'INSERT OR REPLACE INTO file (path, size, identity, cid, digests) VALUES (?, ?, ?, ?, ?)',
    );
    this.#delete = this.#db.prepare('DELETE FROM file WHERE path = ?');
  }

  /** What was hashed at `path`, where it still has that identity. @throws KelanaError DATABASE as `put` */
  get(path: string, identity: string): Hashed | null {
    const waiting = this.#pending.get(path);
    if (waiting !== undefined) return waiting?.identity === identity ? waiting : null;
    const row = this.#get.get(path);
    if (row === undefined) return null;
    const { size, cid, digests } = row;
    if (typeof size !== 'number' || typeof cid !== 'string') return null;
    // Written before identities had a fourth part: that alone is no reason to read all files again.
    const old = row['identity'] === writtenAs(identity);
    if (row['identity'] !== identity && !old) return null;
    if (!(digests instanceof Uint8Array)) return null;
    if (digests.length !== blockCount(size, LIBRARY.readBytes) * DIGEST_BYTES) return null;
    // Those of 2 to 4 GiB were once computed wrong (core/transfer/manifest.ts).
    const anew = size >= 2 ** 31 && size < 2 ** 32;
    const hashed = { size, identity, cid: anew ? cidFrom(digests, size) : cid, digests };
    if (old) this.put(path, hashed);
    return hashed;
  }

  /** @throws KelanaError DATABASE when the batch is full and cannot be written; the batch is then dropped */
  put(path: string, hashed: Hashed | null): void {
    this.#pending.set(path, hashed);
    if (this.#pending.size >= LIBRARY.indexBatch) this.flush();
  }

  /** @throws KelanaError DATABASE */
  flush(): void {
    if (this.#pending.size === 0) return;
    const batch = [...this.#pending];
    this.#pending.clear();
    try {
      this.#db.exec('BEGIN');
      for (const [path, hashed] of batch) {
        if (hashed === null) this.#delete.run(path);
        else this.#put.run(path, hashed.size, hashed.identity, hashed.cid, hashed.digests);
      }
      this.#db.exec('COMMIT');
    } catch (thrown) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw new KelanaError('DATABASE', { path: this.#path, why: reason(thrown) }, thrown);
    }
  }

  /** Forgets every path for which `keep` says no, with turns for others in between. @throws KelanaError DATABASE */
  async prune(keep: (path: string) => boolean, signal: AbortSignal): Promise<void> {
    this.flush();
    const page = this.#db.prepare('SELECT path FROM file WHERE path > ? ORDER BY path LIMIT ?');
    let last = '';
    while (!signal.aborted) {
      const paths = page.all(last, LIBRARY.indexPage).map((row) => String(row['path']));
      const end = paths.at(-1);
      if (end === undefined) break;
      for (const path of paths) if (!keep(path)) this.put(path, null);
      last = end;
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!signal.aborted) this.flush();
  }

  close(): void {
    try {
      this.flush();
    } finally {
      this.#db.close();
    }
  }
}

function openDatabase(path: string): DatabaseSync {
  try {
    return prepared(path);
  } catch {
    for (const suffix of ['', '-wal', '-shm', '-journal'])
      rmSync(path + suffix, { force: true, recursive: true });
  }
  try {
    return prepared(path);
  } catch (thrown) {
    throw new KelanaError('DATABASE', { path, why: reason(thrown) }, thrown);
  }
}

function prepared(path: string): DatabaseSync {
  const db = new DatabaseSync(path);
  try {
    // A crash may cost the last rows, which are then hashed again; a write must never wait for the disk.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;');
    if (db.prepare('PRAGMA user_version').get()?.['user_version'] !== VERSION) {
      db.exec(`
        DROP TABLE IF EXISTS file;
        CREATE TABLE file (
          path TEXT PRIMARY KEY,
          size INTEGER NOT NULL,
          identity TEXT NOT NULL,
          cid TEXT NOT NULL,
          digests BLOB NOT NULL
        ) STRICT;
        PRAGMA user_version = ${VERSION};
      `);
    }
    if (db.prepare('PRAGMA quick_check(1)').get()?.['quick_check'] !== 'ok') throw new Error('damaged');
    return db;
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}
