import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';

/**
 * Lets at most `most` in at once; others wait in line for `waitMs`, then are refused. The line needs no bound of its
 * own: each in it holds a TCP connection, and those are bounded.
 */
export class Gate {
  readonly #most: number;
  readonly #waitMs: number;
  readonly #what: Text;
  readonly #line: (() => void)[] = [];
  #inside = 0;

  constructor(most: number, waitMs: number, what: Text) {
    this.#most = most;
    this.#waitMs = waitMs;
    this.#what = what;
  }

  get inside(): number {
    return this.#inside;
  }

  /** Resolves to what lets the next one in; calling it again does nothing. @throws KelanaError OVERLOADED */
  async enter(): Promise<() => void> {
    if (this.#inside < this.#most) this.#inside += 1;
    else await this.#queue();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const next = this.#line.shift();
      if (next === undefined) this.#inside -= 1;
      else next();
    };
  }

  #queue(): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#line.splice(this.#line.indexOf(next), 1);
        reject(new KelanaError('OVERLOADED', { what: this.#what }));
      }, this.#waitMs);
      this.#line.push(next);
    });
  }
}
