import type { Kind } from '../events.ts';
import { escapeText } from './escape.ts';

/**
 * The log table. `body` is the whole event as JSON; the other columns are what is filtered and summed on.
 * `id` grows in the order of commits, which is what a follower reads by; `at` is when the event happened.
 */
export const SCHEMA: readonly string[] = [
  `CREATE TABLE IF NOT EXISTS log_events (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    who TEXT NOT NULL,
    body TEXT NOT NULL,
    seconds REAL,
    bytes REAL,
    bytes_per_second REAL
  )`,
  'CREATE INDEX IF NOT EXISTS log_events_at ON log_events (at, id)',
];

/** Which events to read. */
export interface LogFilter {
  /** ms since the Unix epoch; events at or after it. */
  readonly since?: number;
  readonly kinds?: readonly Kind[];
  /** The label of the part that reported. */
  readonly who?: string;
  /** True where the SQL function `log_grep(body)` decides as well. */
  readonly grep?: boolean;
}

export interface SqlText {
  readonly sql: string;
  readonly params: readonly (string | number)[];
}

/** The WHERE condition of a filter, never empty. */
export function whereOf(filter: LogFilter): SqlText {
  const parts = ['1'];
  const params: (string | number)[] = [];
  if (filter.since !== undefined) {
    parts.push('at >= ?');
    params.push(filter.since);
  }
  if (filter.kinds !== undefined && filter.kinds.length > 0) {
    parts.push(`kind IN (${filter.kinds.map(() => '?').join(', ')})`);
    params.push(...filter.kinds);
  }
  if (filter.who !== undefined) {
    parts.push('who = ?');
    params.push(escapeText(filter.who));
  }
  // Last, so that the cheap conditions are looked at first.
  if (filter.grep === true) parts.push('log_grep(body)');
  return { sql: parts.join(' AND '), params };
}

/**
 * Nearest-rank percentiles per part and metric, exact: SQLite sorts (on disk where it must), so that a log of any
 * length costs little memory. `relay` is the balancer's own time of a request.
 */
export function statsSql(filter: LogFilter): SqlText {
  const where = whereOf(filter);
  const rank = (percent: number): string =>
    `MIN(CASE WHEN place * 100 >= ${percent} * n THEN seconds END) AS p${percent}`;
  return {
    sql: `WITH measured AS (
        SELECT who, seconds, CASE WHEN type = 'balancer.request' THEN 'relay' ELSE kind END AS metric
        FROM log_events WHERE ${where.sql} AND seconds IS NOT NULL
          AND (kind IN ('response-time', 'latency') OR type = 'balancer.request')
      ), ranked AS (
        SELECT who, metric, seconds, ROW_NUMBER() OVER (PARTITION BY who, metric ORDER BY seconds) AS place,
          COUNT(*) OVER (PARTITION BY who, metric) AS n
        FROM measured
      )
      SELECT who, metric, MAX(n) AS n, ${rank(50)}, ${rank(90)}, ${rank(99)}, MAX(seconds) AS max
      FROM ranked GROUP BY who, metric ORDER BY who, metric`,
    params: where.params,
  };
}

/** Events, and bytes with the seconds they took, per part and kind. */
export function countsSql(filter: LogFilter): SqlText {
  const where = whereOf(filter);
  const rated = "kind = 'throughput' AND bytes IS NOT NULL AND seconds > 0";
  return {
    sql: `SELECT who, kind, COUNT(*) AS n, SUM(CASE WHEN ${rated} THEN bytes END) AS bytes,
        SUM(CASE WHEN ${rated} THEN seconds END) AS seconds
      FROM log_events WHERE ${where.sql} GROUP BY who, kind ORDER BY who, kind`,
    params: where.params,
  };
}
