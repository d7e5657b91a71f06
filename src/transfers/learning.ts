import { setTimeout as delay } from 'node:timers/promises';
import { SWARM } from '../core/config.ts';

/**
 * Who asks for the manifest: the first provider that is open; a second one too where that one is slow; any other where
 * they failed.
 */
export class Learning {
  readonly #begun: () => Promise<void> | null;
  readonly #asking = new Set<Promise<unknown>>();

  /** `begun` gives the promise that the manifest which was found first is put to use, or null. */
  constructor(begun: () => Promise<void> | null) {
    this.#begun = begun;
  }

  /** Resolves when the blocks are known, from whomever. @throws what `ask` threw, where it was this one's turn */
  async learn(ask: () => Promise<void>, signal: AbortSignal): Promise<void> {
    let patient = true;
    for (;;) {
      const begun = this.#begun();
      if (begun !== null) return await begun;
      if (this.#asking.size === 0 || (!patient && this.#asking.size < MOST)) return await this.#ask(ask);
      const hedge = delay(SWARM.hedgeMs, undefined, { signal });
      await Promise.race([...this.#asking, hedge].map((one) => one.catch(() => undefined)));
      signal.throwIfAborted();
      patient = false;
    }
  }

  async #ask(ask: () => Promise<void>): Promise<void> {
    const work = ask();
    this.#asking.add(work);
    try {
      await work;
    } finally {
      this.#asking.delete(work);
    }
  }
}

/** Providers that are asked at once. */
const MOST = 2;
