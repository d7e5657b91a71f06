/** So much a second, and so much at once: a token bucket. */
export class Allowance {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at = -Infinity;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
  }

  /** True where `amount` is left at `now` (ms). */
  has(amount: number, now: number): boolean {
    if (now > this.#at) {
      const gained = this.#at === -Infinity ? 0 : ((now - this.#at) / 1000) * this.#perSecond;
      this.#left = Math.min(this.#burst, this.#left + gained);
      this.#at = now;
    }
    return amount <= this.#left;
  }

  /** The same, and takes it. */
  take(amount: number, now: number): boolean {
    if (!this.has(amount, now)) return false;
    this.#left -= amount;
    return true;
  }
}
