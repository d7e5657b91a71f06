import type { RetryOptions } from './options.ts';

/**
 * How many requests may be sent again. Each request adds `ratio` of a retry, which fades over `windowMs`; beside that
 * there are always `perSecond` a second, saved up for as long. So retries can never multiply the load of servers that
 * are failing, and a single failure among little traffic is still hidden. Times in ms on the caller's clock.
 */
export class RetryBudget {
  readonly #options: RetryOptions;
  #earned = 0;
  #reserve: number;
  #at: number;

  constructor(options: RetryOptions, now: number) {
    this.#options = options;
    this.#reserve = this.#mostReserve;
    this.#at = now;
  }

  get left(): number {
    return this.#earned + this.#reserve;
  }

  /** A request came. */
  request(): void {
    this.#earned += this.#options.ratio;
  }

  /** Takes one retry; false where there is none. */
  retry(now: number): boolean {
    this.tick(now);
    if (this.#reserve >= 1) this.#reserve -= 1;
    else if (this.#earned >= 1) this.#earned -= 1;
    else return false;
    return true;
  }

  tick(now: number): void {
    const { windowMs, perSecond } = this.#options;
    const passed = now - this.#at;
    this.#at = now;
    this.#earned *= Math.exp(-passed / windowMs);
    this.#reserve = Math.min(this.#reserve + (perSecond * passed) / 1000, this.#mostReserve);
  }

  get #mostReserve(): number {
    const { windowMs, perSecond } = this.#options;
    return (perSecond * windowMs) / 1000;
  }
}
