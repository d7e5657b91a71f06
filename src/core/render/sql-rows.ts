import { kindOf, type KelanaEvent, type Kind } from '../events.ts';
import { escapeText } from './escape.ts';

/** Rows of one statement: a call of SQLite, and each value bound, cost as much as what is done with a row. */
export const MANY = 50;

/** A batch is all or nothing: then SQLite keeps no copies of pages to take back one statement alone. */
const INTO =
  'INSERT OR ROLLBACK INTO log_events (at, type, kind, who, body, seconds, bytes, bytes_per_second) VALUES ';
const repeated = (row: string, rows: number): string =>
  INTO + Array.from({ length: rows }, () => row).join(', ');

/** The statements: of one row, of `MANY`, and of `MANY` that share type, kind and who. */
export const INSERTS = {
  one: repeated('(?, ?, ?, ?, ?, ?, ?, ?)', 1),
  many: repeated('(?, ?, ?, ?, ?, ?, ?, ?)', MANY),
  alike: repeated('(?, $type, $kind, $who, ?, ?, ?, ?)', MANY),
} as const;

interface SqlHead {
  readonly type: string;
  readonly kind: Kind;
  readonly who: string;
}

/**
 * Rows in few pieces: each object that goes to another thread is taken apart there and put together here, which costs
 * more than to write it.
 */
export interface SqlRows {
  /** What many rows share, and which of them each row has. */
  readonly heads: readonly SqlHead[];
  readonly headOf: Uint32Array<ArrayBuffer>;
  /** All bodies, one after the other, and where each of them ends. */
  readonly bodies: string;
  readonly ends: Uint32Array<ArrayBuffer>;
  /** `FIGURES` of each row: at, seconds, bytes, bytes per second; NaN where there is none. */
  readonly figures: Float64Array<ArrayBuffer>;
}

const FIGURES = 4;

/** An event that cannot be written is told by a `log.dropped` in its place. */
export function sqlRows(events: readonly KelanaEvent[]): SqlRows {
  const heads = new Heads();
  const headOf = new Uint32Array(events.length);
  const ends = new Uint32Array(events.length);
  const figures = new Float64Array(events.length * FIGURES);
  let bodies = '';
  let row = 0;
  for (const given of events) {
    let event = given;
    let body = bodyOf(given);
    if (body === null) {
      event = { type: 'log.dropped', who: '?', sink: 'sqlite', count: 1, at: given.at };
      body = JSON.stringify(event);
    }
    bodies += body;
    ends[row] = bodies.length;
    headOf[row] = heads.of(event);
    const at = row * FIGURES;
    figures[at] = Number.isFinite(event.at) ? Math.round(event.at) : 0;
    figures[at + 1] = figure('seconds' in event ? event.seconds : null);
    figures[at + 2] = figure('bytes' in event ? event.bytes : null);
    figures[at + 3] = figure('bytesPerSecond' in event ? event.bytesPerSecond : null);
    row += 1;
  }
  return { heads: heads.list, headOf, bodies, ends, figures };
}

/** Null where it is no event, or has a value JSON cannot say, which only a fault in an emitter can bring. */
function bodyOf(event: KelanaEvent): string | null {
  try {
    return typeof event.who === 'string' ? JSON.stringify(event) : null;
  } catch {
    return null;
  }
}

const figure = (value: number | null): number =>
  value !== null && Number.isFinite(value) ? value : Number.NaN;

class Heads {
  readonly list: SqlHead[] = [];
  readonly #known = new Map<string, number>();
  #last = -1;
  #type = '';
  #who = '';

  of({ type, who }: KelanaEvent): number {
    if (this.#last >= 0 && type === this.#type && who === this.#who) return this.#last;
    const key = `${type} ${who}`;
    let place = this.#known.get(key);
    if (place === undefined) {
      place = this.list.length;
      // SQLite would end text at a NUL and change a lone surrogate; the body keeps both as JSON escapes.
      this.list.push({ type, kind: kindOf(type), who: escapeText(who) });
      this.#known.set(key, place);
    }
    this.#type = type;
    this.#who = who;
    this.#last = place;
    return place;
  }
}

type Value = number | string | null;

/** What runs the statements. */
export interface SqlTarget {
  one(values: readonly Value[]): void;
  many(values: readonly Value[]): void;
  alike(shared: { $type: string; $kind: string; $who: string }, values: readonly Value[]): void;
}

/** Inserts all rows, in their order. */
export function insertRows(rows: SqlRows, target: SqlTarget): void {
  const { heads, headOf, bodies, ends, figures } = rows;
  const optional = (at: number): number | null => {
    const value = figures[at] ?? Number.NaN;
    return Number.isNaN(value) ? null : value;
  };
  const valuesOf = (from: number, to: number, alike: boolean): Value[] => {
    const values: Value[] = [];
    for (let row = from; row < to; row += 1) {
      const at = row * FIGURES;
      values.push(figures[at] ?? 0);
      const head = alike ? undefined : heads[headOf[row] ?? 0];
      if (head !== undefined) values.push(head.type, head.kind, head.who);
      values.push(bodies.slice(row === 0 ? 0 : ends[row - 1], ends[row]));
      values.push(optional(at + 1), optional(at + 2), optional(at + 3));
    }
    return values;
  };
  let row = 0;
  for (; row + MANY <= ends.length; row += MANY) {
    const head = heads[headOf[row] ?? 0];
    const same = headOf[row];
    let end = row + 1;
    while (end < row + MANY && headOf[end] === same) end += 1;
    if (head === undefined || end < row + MANY) target.many(valuesOf(row, row + MANY, false));
    else
      target.alike({ $type: head.type, $kind: head.kind, $who: head.who }, valuesOf(row, row + MANY, true));
  }
  for (; row < ends.length; row += 1) target.one(valuesOf(row, row + 1, false));
}
