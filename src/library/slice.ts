import { LIBRARY } from '../core/config.ts';

/** Time in which nothing else gets a turn. */
export class Slice {
  #began = performance.now();

  get over(): boolean {
    return performance.now() - this.#began > LIBRARY.sliceMs;
  }

  async next(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    this.#began = performance.now();
  }
}
