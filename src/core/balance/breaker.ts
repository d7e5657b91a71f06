import type { OutlierOptions } from './options.ts';

/** What became of a request on a backend; `left` says nothing of the backend: the client went away. */
export type Outcome = 'good' | 'bad' | 'left';

/**
 * A backend's circuit breaker, driven by what its requests come to.
 *
 *   closed ──too many failures──► open ──its time is over──► half-open ──the probe is good──► closed
 *                                  ▲                              │
 *                                  └──the probe fails: longer─────┘
 *
 * Half-open lets one request at a time through, the probe. Each time it opens it stays so longer, and a window without
 * an opening takes one time back. Times in ms on the caller's clock.
 */
export class Breaker {
  readonly #options: OutlierOptions;
  state: 'closed' | 'open' | 'half-open' = 'closed';
  /** A request may be given to the backend. */
  admits = true;
  /** Answers since the last look of `rateOutliers`. */
  good = 0;
  bad = 0;
  #streak = 0;
  #times = 0;
  #until = 0;
  #calmSince = 0;
  /** ms for which it opened last. */
  outMs = 0;

  constructor(options: OutlierOptions) {
    this.#options = options;
  }

  /** A request is given to the backend; true where it is the probe, which its end must tell. */
  took(): boolean {
    if (this.state !== 'half-open') return false;
    this.admits = false;
    return true;
  }

  /**
   * What became of a request. True where the backend should be taken out, by `open`, if not too many are out already.
   * What was sent before it opened changes nothing any more.
   */
  ended(outcome: Outcome, probe: boolean, now: number): boolean {
    if (outcome === 'good') {
      this.good += 1;
      this.#streak = 0;
      if (probe && this.state === 'half-open') this.close(now);
      return false;
    }
    if (outcome === 'left') {
      if (probe && this.state === 'half-open') this.admits = true;
      return false;
    }
    this.bad += 1;
    this.#streak += 1;
    if (this.state === 'half-open') {
      if (probe) this.open(now);
      return false;
    }
    const { consecutive } = this.#options;
    return this.state === 'closed' && consecutive > 0 && this.#streak >= consecutive;
  }

  /** Takes the backend out. Gives the ms for which it is; then one request will tell. */
  open(now: number): number {
    const { baseMs, maxMs } = this.#options;
    this.#times = Math.min(this.#times + 1, 1_000);
    const ms = Math.min(baseMs * this.#times, maxMs);
    this.outMs = ms;
    this.#until = now + ms;
    this.state = 'open';
    this.admits = false;
    return ms;
  }

  close(now: number): void {
    this.state = 'closed';
    this.admits = true;
    this.#streak = 0;
    this.#calmSince = now;
    this.forget();
  }

  /** Counts answers anew. */
  forget(): void {
    this.good = 0;
    this.bad = 0;
  }

  /** True where it went from open to half-open. */
  tick(now: number): boolean {
    if (this.state === 'open' && now >= this.#until) {
      this.state = 'half-open';
      this.admits = true;
      return true;
    }
    if (this.state === 'closed' && this.#times > 0 && now - this.#calmSince >= this.#options.windowMs) {
      this.#times -= 1;
      this.#calmSince = now;
    }
    return false;
  }
}
