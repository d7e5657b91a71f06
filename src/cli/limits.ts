import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KelanaError, reason } from '../core/errors.ts';
import type { LimitInfo, TrafficInfo } from '../core/ports.ts';
import { nextChangeAt, parseLimit, rateAt, type Limit, type WeekTime } from '../core/transfer/limits.ts';

export interface LimitTexts {
  readonly up?: string;
  readonly down?: string;
}

export type Way = keyof LimitTexts;

/** Name of the file in the data folder. */
const FILE = 'limits.json';
const MINUTE_MS = 60_000;
const NONE = parseLimit('unlimited', '');

/** Limits of one node: those it was started with, else those kept in its data folder; changed while it runs. */
export class NodeLimits {
  readonly #file: string;
  readonly #given: LimitTexts;
  readonly #wall: () => number;
  #kept: LimitTexts;
  #limits: Readonly<Record<Way, Limit>>;
  /** What holds in the minute from `from` to `to`: rates are asked for before every frame. */
  #now = { from: 0, to: 0, up: null as number | null, down: null as number | null };
  #saving: Promise<void> = Promise.resolve();

  private constructor(file: string, given: LimitTexts, kept: LimitTexts, wall: () => number) {
    this.#file = file;
    this.#given = given;
    this.#kept = kept;
    this.#wall = wall;
    this.#limits = { up: this.#first('up'), down: this.#first('down') };
  }

  /** `wall`: ms since 1970. @throws KelanaError BAD_VALUE (a given text), BAD_CONFIG (the kept ones), CANNOT_READ */
  static async open(folder: string, given: LimitTexts, wall: () => number = Date.now): Promise<NodeLimits> {
    const file = join(folder, FILE);
    return new NodeLimits(file, given, await load(file), wall);
  }

  /** Bytes a second that may pass now; null: no limit. */
  rate(way: Way): number | null {
    const wall = this.#wall();
    if (wall < this.#now.from || wall >= this.#now.to) {
      const from = wall - (wall % MINUTE_MS);
      const at = weekTime(new Date(wall));
      const [up, down] = [rateAt(this.#limits.up, at), rateAt(this.#limits.down, at)];
      this.#now = { from, to: from + MINUTE_MS, up, down };
    }
    return this.#now[way];
  }

  /** Changes what is given, until the next start, or for good. @throws KelanaError BAD_VALUE, CANNOT_WRITE */
  async set(change: LimitTexts, save: boolean): Promise<void> {
    const { up, down } = change;
    const limits = {
      up: up === undefined ? this.#limits.up : parseLimit(up, '--up'),
      down: down === undefined ? this.#limits.down : parseLimit(down, '--down'),
    };
    this.#limits = limits;
    this.#now = { ...this.#now, to: 0 };
    if (!save) return;
    const texts = limitTexts(
      up === undefined ? undefined : limits.up.text,
      down === undefined ? undefined : limits.down.text,
    );
    const saved = this.#saving.then(() => this.#save({ ...this.#kept, ...texts }));
    this.#saving = saved.catch(() => undefined);
    await saved;
  }

  info(way: Way, traffic: TrafficInfo): LimitInfo {
    const date = new Date(this.#wall());
    const limit = this.#limits[way];
    const change = nextChangeAt(limit, weekTime(date));
    const [year, month, day, hour] = [
      date.getFullYear(),
      date.getMonth(),
      date.getDate(),
      date.getHours(),
    ] as const;
    return {
      limit: limit.text,
      afterRestart: this.#first(way).text,
      bytesPerSecond: traffic.limit,
      // By the calendar, so that a change of the clocks on the way counts.
      changesAt:
        change === null
          ? null
          : new Date(year, month, day, hour, date.getMinutes() + change.inMinutes).toISOString(),
      movedBytesPerSecond: traffic.bytesPerSecond,
      movedBytes: traffic.bytes,
      waiting: traffic.waiting,
    };
  }

  /** What a start begins with. */
  #first(way: Way): Limit {
    const text = this.#given[way] ?? this.#kept[way];
    return text === undefined ? NONE : parseLimit(text, way === 'up' ? '--upload-limit' : '--download-limit');
  }

  async #save(texts: LimitTexts): Promise<void> {
    try {
      await writeFile(`${this.#file}.new`, JSON.stringify(texts, null, 2), { mode: 0o600 });
      await rename(`${this.#file}.new`, this.#file);
    } catch (thrown) {
      throw new KelanaError('CANNOT_WRITE', { path: this.#file, why: reason(thrown) }, thrown);
    }
    this.#kept = texts;
  }
}

export function limitTexts(up: string | undefined, down: string | undefined): LimitTexts {
  return { ...(up === undefined ? {} : { up }), ...(down === undefined ? {} : { down }) };
}

/** A limit that cannot be read is no reason to do without one. */
async function load(file: string): Promise<LimitTexts> {
  let source: string;
  try {
    source = await readFile(file, 'utf8');
  } catch (thrown) {
    if (reason(thrown) === 'ENOENT') return {};
    throw new KelanaError('CANNOT_READ', { path: file, why: reason(thrown) }, thrown);
  }
  try {
    const { up, down } = JSON.parse(source) as Record<string, unknown>;
    const read = (value: unknown): string | undefined =>
      value === undefined
        ? undefined
        : parseLimit(typeof value === 'string' ? value : JSON.stringify(value), FILE).text;
    return limitTexts(read(up), read(down));
  } catch (thrown) {
    const why =
      thrown instanceof KelanaError
        ? { id: thrown.describe('id').says.slice(0, -1), en: thrown.describe('en').says.slice(0, -1) }
        : reason(thrown);
    throw new KelanaError('BAD_CONFIG', { file, line: 1, why }, thrown);
  }
}

function weekTime(date: Date): WeekTime {
  return { weekday: date.getDay(), minutes: date.getHours() * 60 + date.getMinutes() };
}
