import { countOf, Latency, latencySince, type LatencyCounts } from './latency.ts';

/** What is counted of the requests that one backend, or none, answered. */
export interface Figures {
  /** By the first digit of the status, 0 to 5; 0 where there was none. */
  readonly answers: readonly number[];
  /** Times the request was sent again. */
  readonly retries: number;
  /** Bytes of response bodies. */
  readonly bytes: number;
  /** From the request's head to the end of its answer. */
  readonly latency: LatencyCounts;
  /** Errors of the balancer's own by cause, or ejections of a backend; left out where there were none. */
  readonly causes?: Readonly<Record<string, number>>;
}

export const NO_FIGURES: Figures = { answers: [], retries: 0, bytes: 0, latency: { counts: [], sumMs: 0 } };
const CLASSES = 6;
/** Fixed texts of the parsers and replies: some 80. */
const MOST_CAUSES = 128;

/** Counts on the way of each request: no allocation. */
export class Tally {
  readonly #answers = new Float64Array(CLASSES);
  readonly #latency = new Latency();
  #retries = 0;
  #bytes = 0;
  readonly #causes = new Map<string, number>();

  /** `cause` is one of a fixed set; past `MOST_CAUSES` they are counted together. */
  because(cause: string): void {
    const known = this.#causes.has(cause) || this.#causes.size < MOST_CAUSES;
    const key = known ? cause : 'OTHER';
    this.#causes.set(key, (this.#causes.get(key) ?? 0) + 1);
  }

  ended(status: number, ms: number, bytes: number, retries: number): void {
    const first = Math.floor(status / 100);
    const kind = first >= 1 && first < CLASSES ? first : 0;
    this.#answers[kind] = (this.#answers[kind] ?? 0) + 1;
    this.#latency.record(ms);
    this.#bytes += bytes;
    this.#retries += retries;
  }

  plain(): Figures {
    return {
      answers: [...this.#answers],
      retries: this.#retries,
      bytes: this.#bytes,
      latency: this.#latency.plain(),
      ...(this.#causes.size === 0 ? {} : { causes: Object.fromEntries(this.#causes) }),
    };
  }
}

export function sumFigures(all: Iterable<Figures>): Figures {
  const latency = new Latency();
  const answers = Array.from({ length: CLASSES }, () => 0);
  const causes: Record<string, number> = {};
  let [retries, bytes] = [0, 0];
  for (const figures of all) {
    for (const [cause, count] of Object.entries(figures.causes ?? {}))
      causes[cause] = (causes[cause] ?? 0) + count;
    latency.add(figures.latency);
    for (const [kind, count] of figures.answers.entries()) answers[kind] = (answers[kind] ?? 0) + count;
    retries += figures.retries;
    bytes += figures.bytes;
  }
  const some = Object.keys(causes).length > 0;
  return { answers, retries, bytes, latency: latency.plain(), ...(some ? { causes } : {}) };
}

/** What came since an earlier look; all of it where the counting process was started again in between. */
export function figuresSince(now: Figures, before: Figures): Figures {
  const answers = now.answers.map((count, kind) => count - (before.answers[kind] ?? 0));
  const [retries, bytes] = [now.retries - before.retries, now.bytes - before.bytes];
  if (retries < 0 || bytes < 0 || answers.some((count) => count < 0)) return now;
  return { answers, retries, bytes, latency: latencySince(now.latency, before.latency) };
}

export function requestsOf({ latency }: Figures): number {
  return countOf(latency);
}
