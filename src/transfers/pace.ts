import { SWARM } from '../core/config.ts';
import type { Small } from './smalls.ts';

/** How one provider brings its batches of small files. Times are ms, monotonic; kept while it is closed and opened again. */
export class Pace {
  /** Batches it owes, and when each was asked for; the oldest first. */
  readonly #owed = new Map<readonly Small[], number>();
  #cameAt = 0;
  #typical = 0;
  #late = 0;
  #silent = 0;

  asked(batch: readonly Small[], at: number): void {
    if (this.#owed.size === 0) this.#cameAt = at;
    this.#owed.set(batch, at);
  }

  /** A whole file of one of them came. */
  came(at: number): void {
    this.#cameAt = at;
  }

  /** `whole`: all of the batch came. */
  done(batch: readonly Small[], at: number, whole: boolean): void {
    const since = this.#owed.get(batch);
    this.#owed.delete(batch);
    if (!whole || since === undefined) return;
    const took = at - since;
    this.#typical = this.#typical === 0 ? took : (this.#typical + took) / 2;
  }

  /** What it owes for longest; none where it owes nothing. */
  get oldest(): readonly Small[] {
    for (const batch of this.#owed.keys()) return batch;
    return [];
  }

  /**
   * Whether its oldest batch should be given to one that stands idle and has it. Each time it is, the bound doubles: two
   * that are slow must not take one file from each other for ever.
   */
  lags(idle: Pace, at: number): boolean {
    const bound = Math.max(SWARM.lagMs, SWARM.lagFactor * idle.#typical) * 2 ** this.#late;
    for (const since of this.#owed.values()) {
      if (at - since <= bound) return false;
      this.#late += 1;
      return true;
    }
    return false;
  }

  /** Whether no whole file came for so long that the memory for its batches is of more use to others. */
  silent(at: number): boolean {
    if (this.#owed.size === 0 || at - this.#cameAt <= SWARM.silentMs * 2 ** this.#silent) return false;
    this.#silent += 1;
    return true;
  }
}
