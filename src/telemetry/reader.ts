import { statSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { KelanaError, reason } from '../core/errors.ts';
import type { KelanaEvent } from '../core/events.ts';
import { parseEvent } from '../core/render/fields.ts';
import { countsSql, statsSql, whereOf, type LogFilter } from '../core/render/sql.ts';
import { foldStats, type CountRow, type MetricRow, type PartStats } from '../core/render/stats.ts';

/** Events fetched per query: short queries, so that a slow reader of our output never holds back a checkpoint. */
const PAGE = 500;
/** ms a reader waits for a lock; in WAL mode only recovery after a crash takes one. */
const BUSY_MS = 2_000;
/** Before every time a Date can say. */
const FIRST_MS = -1e16;

export interface LogRow {
  readonly id: number;
  /** Null where the row is no event that this version knows. */
  readonly event: KelanaEvent | null;
}

interface Place {
  readonly at: number;
  readonly id: number;
}

/** Reads kelana.db, without ever writing to it. Every method throws KelanaError DATABASE where SQLite fails. */
export class LogReader {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #inode: bigint;

  /** `grep` decides on events when the filter asks for it. */
  constructor(path: string, grep: (event: KelanaEvent) => boolean = () => true) {
    this.#path = path;
    this.#inode = inodeOf(path) ?? 0n;
    this.#db = this.#guard(() => new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS }));
    this.#guard(() =>
      this.#db.function('log_grep', (body) => {
        const event = typeof body === 'string' ? parseEvent(body) : null;
        return event !== null && grep(event) ? 1 : 0;
      }),
    );
  }

  /** False when another file stands at the path now, or none. */
  get current(): boolean {
    return inodeOf(this.#path) === this.#inode;
  }

  /** False for a moment while the first writer creates the table. */
  get ready(): boolean {
    const table = "SELECT 1 AS found FROM sqlite_schema WHERE type = 'table' AND name = 'log_events'";
    return this.#rows(table, []).length > 0;
  }

  newestId(): number {
    return Number(this.#rows('SELECT MAX(id) AS id FROM log_events', [])[0]?.['id'] ?? 0);
  }

  /** Whether a filter lets through more than `limit` events. */
  hasMoreThan(filter: LogFilter, upToId: number, limit: number): boolean {
    return this.#fromEnd(filter, upToId, limit) !== null;
  }

  /** Pages of the matching events in the order they happened; of the last `limit` where one is given. */
  *pages(filter: LogFilter, upToId: number, limit?: number): Generator<readonly LogRow[]> {
    if (limit === 0) return;
    const where = whereOf(filter);
    const first = limit === undefined ? null : this.#fromEnd(filter, upToId, limit - 1);
    // A row value compares by `at`, then by `id`; the first page includes its own place.
    let after: Place = first === null ? { at: FIRST_MS, id: -1 } : { at: first.at, id: first.id - 1 };
    for (;;) {
      const rows = this.#rows(
        `SELECT id, at, body FROM log_events WHERE ${where.sql} AND (at, id) > (?, ?) AND id <= ?
         ORDER BY at, id LIMIT ${PAGE}`,
        [...where.params, after.at, after.id, upToId],
      );
      if (rows.length > 0) yield rows.map(toRow);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = { at: Number(last['at']), id: Number(last['id']) };
    }
  }

  /** Pages of the matching events committed after `afterId`, up to `upToId`, in the order of their commits. */
  *newer(filter: LogFilter, afterId: number, upToId: number): Generator<readonly LogRow[]> {
    const where = whereOf(filter);
    let after = afterId;
    for (;;) {
      const rows = this.#rows(
        `SELECT id, body FROM log_events WHERE ${where.sql} AND id > ? AND id <= ? ORDER BY id LIMIT ${PAGE}`,
        [...where.params, after, upToId],
      ).map(toRow);
      if (rows.length > 0) yield rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = last.id;
    }
  }

  stats(filter: LogFilter): readonly PartStats[] {
    const counts = countsSql(filter);
    const metrics = statsSql(filter);
    return foldStats(
      this.#rows(counts.sql, counts.params) as unknown as readonly CountRow[],
      this.#rows(metrics.sql, metrics.params) as unknown as readonly MetricRow[],
    );
  }

  close(): void {
    if (this.#db.isOpen) this.#db.close();
  }

  /** The place of the event with exactly `skip` newer ones; null where there are not so many. */
  #fromEnd(filter: LogFilter, upToId: number, skip: number): Place | null {
    const where = whereOf(filter);
    const row = this.#rows(
      `SELECT at, id FROM log_events WHERE ${where.sql} AND id <= ? ORDER BY at DESC, id DESC LIMIT 1 OFFSET ?`,
      [...where.params, upToId, skip],
    )[0];
    return row === undefined ? null : { at: Number(row['at']), id: Number(row['id']) };
  }

  #rows(sql: string, params: readonly SQLInputValue[]): Record<string, unknown>[] {
    return this.#guard(() => this.#db.prepare(sql).all(...params));
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (thrown) {
      const code = reason(thrown);
      const why = code === 'ERR_SQLITE_ERROR' && thrown instanceof Error ? thrown.message : code;
      throw new KelanaError('DATABASE', { path: this.#path, why }, thrown);
    }
  }
}

function toRow(row: Record<string, unknown>): LogRow {
  const { body, id } = row;
  return { id: Number(id), event: typeof body === 'string' ? parseEvent(body) : null };
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
}
