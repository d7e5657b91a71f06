/** A token bucket: `perSecond` of something flows in, at most `burst` is kept. */
export class Bucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at: number;

  /** `now` in ms, as in each call. */
  constructor(perSecond: number, burst: number, now: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#left = burst;
    this.#at = now;
  }

  /** Takes `count` where there is as much; otherwise nothing, and gives false. */
  take(count: number, now: number): boolean {
    this.#fill(now);
    if (count > this.#left) return false;
    this.#left -= count;
    return true;
  }

  /** ms until `count` are there. */
  wait(count: number, now: number): number {
    this.#fill(now);
    return Math.max(0, Math.ceil(((count - this.#left) / this.#perSecond) * 1000));
  }

  #fill(now: number): void {
    this.#left = Math.min(this.#burst, this.#left + (Math.max(0, now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
  }
}
