import { LIMITS } from '../config.ts';

const STEPS = LIMITS.meterMs / LIMITS.meterStepMs;

/** How much passed lately: bytes by steps of `LIMITS.meterStepMs`, over `LIMITS.meterMs`. `now` in ms. */
export class Meter {
  readonly #steps = Array.from({ length: STEPS }, () => 0);
  #step: number;
  #total = 0;

  constructor(now: number) {
    this.#step = stepOf(now);
  }

  /** Bytes since the start. */
  get total(): number {
    return this.#total;
  }

  add(bytes: number, now: number): void {
    this.#turn(now);
    this.#total += bytes;
    this.#steps[this.#step % STEPS] = (this.#steps[this.#step % STEPS] ?? 0) + bytes;
  }

  /** The mean of the last `LIMITS.meterMs`. */
  bytesPerSecond(now: number): number {
    this.#turn(now);
    return this.#steps.reduce((sum, bytes) => sum + bytes, 0) / (LIMITS.meterMs / 1000);
  }

  /** Forgets the steps that `now` has left behind. */
  #turn(now: number): void {
    const step = stepOf(now);
    for (let gone = Math.min(STEPS, step - this.#step); gone > 0; gone -= 1)
      this.#steps[(step - gone + 1) % STEPS] = 0;
    this.#step = Math.max(this.#step, step);
  }
}

function stepOf(now: number): number {
  return Math.floor(now / LIMITS.meterStepMs);
}
