/**
 * How often one source may do something: the generic cell rate algorithm (ITU-T I.371), a token bucket that needs one
 * number a source, the time at which its bucket would be full again.
 */
export interface RateLimit {
  /** What one source may do a second in the long run. */
  readonly perSecond: number;
  /** What it may do at once after a pause; 1 or more. */
  readonly burst: number;
}

/** One bucket. */
export class Bucket {
  #fullAt = 0;

  /**
   * Takes `cost`. 0 where that is allowed, else ms until it would be; then nothing is taken.
   * @param now ms, monotonic
   */
  take(limit: RateLimit, now: number, cost = 1): number {
    const step = (1000 / limit.perSecond) * cost;
    const fullAt = Math.max(this.#fullAt, now) + step;
    const wait = fullAt - now - (1000 / limit.perSecond) * limit.burst;
    // A sum of many steps may be off by a rounding; a microsecond is nobody's wait.
    if (wait > 1e-3) return wait;
    this.#fullAt = fullAt;
    return 0;
  }

  /** What was taken elsewhere, however much it was; it is paid back by waiting, for twice the burst at most. */
  spend(limit: RateLimit, now: number, cost: number): void {
    const step = 1000 / limit.perSecond;
    const most = now + 2 * step * limit.burst;
    this.#fullAt = Math.max(this.#fullAt, Math.min(most, Math.max(this.#fullAt, now) + step * cost));
  }
}

/** What sources took since it was told last: source, and how often. */
export type Spent = readonly (readonly [source: string, times: number])[];

/**
 * A bucket for each source, at most `capacity`. Those that asked longest ago make way, half of the table at once, so
 * that strangers by the million cost no memory and little time, and only forget each other. (Taking the oldest out of
 * one Map each time would skip over thousands of deleted places.)
 */
export class RateTable {
  readonly #limit: RateLimit;
  readonly #half: number;
  #recent = new Map<string, Bucket>();
  #older = new Map<string, Bucket>();
  /** What was taken here and others were not told; null where nobody shares the limit. */
  #untold: Map<string, number> | null = null;
  #mostUntold = 0;
  /** What one source may take untold before the others are to hear of it. */
  #part = 0;
  #due: () => void = () => undefined;

  constructor(limit: RateLimit, capacity: number) {
    this.#limit = limit;
    this.#half = Math.max(1, Math.floor(capacity / 2));
  }

  get size(): number {
    return this.#recent.size + this.#older.size;
  }

  /**
   * Counts what is taken, for others that keep the same limit together with this one: of `most` sources at once. `due` is
   * called when one source has taken what is the part of one of so many `tables` in its burst.
   */
  share(most: number, tables: number, due: () => void): void {
    this.#untold = new Map();
    this.#mostUntold = most;
    this.#part = Math.ceil(this.#limit.burst / tables);
    this.#due = due;
  }

  /** What was taken since the last time, to be told to the others. */
  untold(): Spent {
    if (this.#untold === null || this.#untold.size === 0) return [];
    const told = [...this.#untold];
    this.#untold.clear();
    return told;
  }

  /** What the others told. */
  spend(spent: Spent, now: number): void {
    for (const [source, times] of spent) this.#bucket(source).spend(this.#limit, now, times);
  }

  /** 0 where the source may go on, else ms until it may. */
  take(source: string, now: number): number {
    const wait = this.#bucket(source).take(this.#limit, now);
    if (this.#untold !== null && wait === 0) {
      const times = this.#untold.get(source) ?? 0;
      if (times > 0 || this.#untold.size < this.#mostUntold) this.#untold.set(source, times + 1);
      if (times + 1 === this.#part) this.#due();
    }
    return wait;
  }

  #bucket(source: string): Bucket {
    let bucket = this.#recent.get(source);
    if (bucket === undefined) {
      bucket = this.#older.get(source) ?? new Bucket();
      if (this.#recent.size >= this.#half) {
        this.#older = this.#recent;
        this.#recent = new Map();
      } else this.#older.delete(source);
      this.#recent.set(source, bucket);
    }
    return bucket;
  }
}

/** How many things each source holds at once, where it may hold `most`. A source that holds none is not remembered. */
export class HoldTable {
  readonly #most: number;
  readonly #held = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#held.size;
  }

  /** False where the source holds as many as it may; else give it back with `release`. */
  take(source: string): boolean {
    const held = this.#held.get(source) ?? 0;
    if (held >= this.#most) return false;
    this.#held.set(source, held + 1);
    return true;
  }

  release(source: string): void {
    const held = this.#held.get(source) ?? 0;
    if (held <= 1) this.#held.delete(source);
    else this.#held.set(source, held - 1);
  }
}
