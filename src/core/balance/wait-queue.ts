import type { QueueOptions } from './options.ts';

/**
 * Who waits for room on a backend, the oldest first: bounded in number and in time. While it has not been empty for
 * `busyMs`, nobody waits longer than `busyTimeoutMs`: a queue that stands only makes every answer late, and who cannot
 * be served in time should hear so early (the idea of CoDel). Times in ms on the caller's clock.
 */
export class WaitQueue<T> {
  readonly #options: QueueOptions;
  readonly #since = new Map<T, number>();
  #busySince = 0;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#since.size;
  }

  /** False where it is full. */
  push(item: T, now: number): boolean {
    if (this.#since.size >= this.#options.max) return false;
    if (this.#since.size === 0) this.#busySince = now;
    this.#since.set(item, now);
    return true;
  }

  /** The oldest first; items may be taken out and added meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    return this.#since.keys();
  }

  delete(item: T): void {
    this.#since.delete(item);
  }

  /** Takes out the oldest if it has waited too long; to be called until there is none. */
  expired(now: number): T | undefined {
    const { timeoutMs, busyTimeoutMs, busyMs } = this.#options;
    for (const [item, since] of this.#since) {
      const most = now - this.#busySince > busyMs ? Math.min(busyTimeoutMs, timeoutMs) : timeoutMs;
      if (now - since <= most) return undefined;
      this.#since.delete(item);
      return item;
    }
    return undefined;
  }
}
