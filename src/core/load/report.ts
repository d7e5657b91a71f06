/**
 * What came of a run. Histograms are given, in whole microseconds, so that this stays pure; the exact mean and
 * maximum are kept beside them, because a histogram knows them only to its precision.
 */
export interface Histogram {
  record(micros: number): void;
  /** Value below or at which `percent` of the recorded values lie. */
  percentile(percent: number): number;
}

/** Milliseconds; null where nothing was measured. */
export interface Times {
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly p999: number | null;
  readonly max: number | null;
  readonly mean: number | null;
}

/** One finished request. Times are ms from the moment its schedule counts from. */
export type Outcome =
  | {
      readonly ok: true;
      readonly server: string | null;
      readonly firstByteMs: number;
      readonly responseMs: number;
      /** Bytes of body sent and received. */
      readonly sent: number;
      readonly received: number;
      readonly retries: number;
    }
  | {
      readonly ok: false;
      /** Answering server, where there was an answer. */
      readonly server: string | null;
      /** `HTTP_503`, `ECONNRESET`, `RESPONSE_TIMEOUT`, … */
      readonly code: string;
      readonly retries: number;
    };

export interface Report {
  readonly clients: number;
  /** Finished requests: ok + failed. */
  readonly requests: number;
  readonly ok: number;
  readonly failed: number;
  /** Repeats after a broken connection, each with the Idempotency-Key of the first try. */
  readonly retries: number;
  /** Requests an open loop was to send in its time but could not; 0 in a closed loop. */
  readonly notSent: number;
  readonly interrupted: boolean;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** Bytes of body of the ok requests, sent and received. */
  readonly bytes: number;
  readonly bytesPerSecond: number;
  /** Of ok requests: from the send (or when it was due) to the last byte of the response. */
  readonly responseMs: Times;
  /** The same to the first byte. */
  readonly firstByteMs: Times;
  readonly servers: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
}

/** Distinct server names and error codes that are told apart; both can come from outside. */
const MAX_NAMES = 256;
const MAX_NAME_CHARS = 128;

class Measure {
  readonly #histogram: Histogram;
  #count = 0;
  #sum = 0;
  #max = 0;

  constructor(histogram: Histogram) {
    this.#histogram = histogram;
  }

  record(ms: number): void {
    const at = Math.max(0, ms);
    this.#count += 1;
    this.#sum += at;
    if (at > this.#max) this.#max = at;
    this.#histogram.record(Math.round(at * 1000));
  }

  /** Never above the true maximum: a histogram answers with the upper end of a bucket. */
  percentile(percent: number): number | null {
    if (this.#count === 0) return null;
    return round(Math.min(this.#histogram.percentile(percent) / 1000, this.#max));
  }

  times(): Times {
    const some = this.#count > 0;
    return {
      p50: this.percentile(50),
      p90: this.percentile(90),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
      max: some ? round(this.#max) : null,
      mean: some ? round(this.#sum / this.#count) : null,
    };
  }
}

/** Microseconds are what is measured; more digits would be noise. */
function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

export function perSecond(amount: number, seconds: number): number {
  return seconds > 0 ? amount / seconds : 0;
}

export class Tally {
  ok = 0;
  failed = 0;
  retries = 0;
  bytes = 0;
  readonly #response: Measure;
  readonly #firstByte: Measure;
  readonly #servers = new Map<string, number>();
  readonly #errors = new Map<string, number>();

  constructor(response: Histogram, firstByte: Histogram) {
    this.#response = new Measure(response);
    this.#firstByte = new Measure(firstByte);
  }

  add(outcome: Outcome): void {
    this.retries += outcome.retries;
    if (outcome.server !== null) count(this.#servers, outcome.server);
    if (outcome.ok) {
      this.ok += 1;
      this.bytes += outcome.sent + outcome.received;
      this.#response.record(outcome.responseMs);
      this.#firstByte.record(outcome.firstByteMs);
    } else {
      this.failed += 1;
      count(this.#errors, outcome.code);
    }
  }

  responsePercentile(percent: number): number | null {
    return this.#response.percentile(percent);
  }

  report(run: { clients: number; seconds: number; notSent: number; interrupted: boolean }): Report {
    const requests = this.ok + this.failed;
    return {
      clients: run.clients,
      requests,
      ok: this.ok,
      failed: this.failed,
      retries: this.retries,
      notSent: run.notSent,
      interrupted: run.interrupted,
      seconds: run.seconds,
      requestsPerSecond: perSecond(requests, run.seconds),
      bytes: this.bytes,
      bytesPerSecond: perSecond(this.bytes, run.seconds),
      responseMs: this.#response.times(),
      firstByteMs: this.#firstByte.times(),
      servers: sorted(this.#servers),
      errors: sorted(this.#errors),
    };
  }
}

function count(counts: Map<string, number>, given: string): void {
  const short = given.slice(0, MAX_NAME_CHARS);
  const name = counts.has(short) || counts.size < MAX_NAMES ? short : 'other';
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** By name, so that two runs compare line by line. Without a prototype: a server may be called `__proto__`. */
function sorted(counts: ReadonlyMap<string, number>): Record<string, number> {
  const names = [...counts.keys()].sort();
  const result = Object.create(null) as Record<string, number>;
  for (const name of names) result[name] = counts.get(name) ?? 0;
  return result;
}
