import { BALANCER } from '../config.ts';

/**
 * What a backend's answers say of it: the expected wait (peak EWMA, as Finagle measures it) and a load that recent
 * failures count as. Times in ms on the caller's clock.
 *
 * - A slow answer counts at once and in full; faster ones bring the figure down over `ewmaMs`.
 * - A failure counts as a slow answer and as requests in flight, so that failing fast never looks like being fast.
 * - Silence counts: while something is awaited, the wait is at least the time since anything came.
 * - A backend that gets nothing is forgiven with time, down to nothing; but while a request is out to see, the old
 *   figure holds, so that it is one request that finds out and not a crowd.
 */
export class Score {
  /** ms; and when it was set. */
  #wait = 0;
  #at = 0;
  #awaited = 0;
  /** Nothing came from it since then, though something was awaited. */
  #silentSince = 0;
  #strain = 0;
  #strainAt = 0;

  /** A whole request is on its way to it. */
  sent(now: number): void {
    if (this.#awaited === 0) this.#silentSince = now;
    this.#awaited += 1;
  }

  /** Its answer began after `ms`. */
  answered(ms: number, now: number): void {
    this.#heard(now);
    this.#observe(ms, now);
  }

  /** It failed after `ms`: no answer, or one that says so. */
  failed(ms: number, now: number): void {
    this.#heard(now);
    this.fault(ms, now);
  }

  /** A failure of a request that was not counted as `sent`. */
  fault(ms: number, now: number): void {
    const { failureFactor, failureMinMs, failureMaxMs, strainMax } = BALANCER;
    const wait = Math.min(Math.max(this.#wait * failureFactor, failureMinMs), failureMaxMs);
    this.#observe(Math.max(ms, wait), now);
    this.#strain = Math.min(this.strain(now) + 1, strainMax);
    this.#strainAt = now;
  }

  /** The request ended without a word on the backend: its client left. */
  dropped(now: number): void {
    this.#heard(now);
  }

  /** It is another now: a process that was started again, or one that gets a second chance. */
  reset(now: number): void {
    this.#wait = 0;
    this.#strain = 0;
    this.#silentSince = now;
  }

  /** ms that an answer must be expected to take. */
  wait(now: number): number {
    return this.#awaited > 0 ? Math.max(this.#wait, now - this.#silentSince) : this.#decayed(now);
  }

  /** Requests that its recent failures count as; halves each second, and below a half it is none. */
  strain(now: number): number {
    if (this.#strain === 0) return 0;
    const left = this.#strain * 2 ** ((this.#strainAt - now) / BALANCER.strainHalfMs);
    return left < 0.5 ? 0 : left;
  }

  #heard(now: number): void {
    if (this.#awaited > 0) this.#awaited -= 1;
    this.#silentSince = now;
  }

  #observe(ms: number, now: number): void {
    const weight = Math.exp((this.#at - now) / BALANCER.ewmaMs);
    // The mean moves by how much time has gone, not by how many answers came: a burst weighs no more than its time.
    this.#wait = ms >= this.#wait ? ms : this.#wait * weight + ms * (1 - weight);
    this.#at = now;
  }

  #decayed(now: number): number {
    return this.#wait * Math.exp((this.#at - now) / BALANCER.ewmaMs);
  }
}
