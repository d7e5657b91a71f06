import type { RateTable, Spent } from '../core/balance/rate.ts';
import { EDGE } from '../core/config.ts';

/**
 * Tells other processes of what was taken here of the limit that all of them keep together: at each sweep, and soon where
 * one source has taken this process's part of a burst. So what many do in small costs no message of its own, and who
 * bursts on many processes gets little more than on one.
 */
export class SharedRate {
  readonly #table: RateTable | null;
  readonly #clock: () => number;
  #tell: (spent: Spent) => void = () => undefined;
  #timer: NodeJS.Timeout | null = null;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(table: RateTable | null, clock: () => number) {
    this.#table = table;
    this.#clock = clock;
  }

  /** `workers`: the processes that keep it, this one among them. */
  share(workers: number, tell: (spent: Spent) => void): void {
    this.#tell = tell;
    this.#table?.share(EDGE.maxToldSources, workers, () => this.#soon());
  }

  /** At each sweep. */
  tell(): void {
    const spent = this.#table?.untold() ?? [];
    if (spent.length === 0) return;
    this.#toldAt = this.#clock();
    this.#tell(spent);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #soon(): void {
    if (this.#timer !== null) return;
    const wait = Math.max(0, this.#toldAt + EDGE.tellGapMs - this.#clock());
    if (wait === 0) {
      this.tell();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.tell();
    }, wait);
  }
}
