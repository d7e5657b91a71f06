import { setTimeout as delay } from 'node:timers/promises';
import { SWARM } from '../core/config.ts';

/**
 * Who asks for the manifest: the first provider that is open; a second one too where that one is slow; any other where
 * they failed, or let everybody wait.
 */
export class Learning {
  readonly #begun: () => Promise<void> | null;
  readonly #asking = new Set<Promise<unknown>>();

  readonly #hedgeMs: number;

  /** `begun` gives the promise that the manifest which was found first is put to use, or null. */
  constructor(begun: () => Promise<void> | null, hedgeMs: number = SWARM.hedgeMs) {
    this.#begun = begun;
    this.#hedgeMs = hedgeMs;
  }

  /** Resolves when the blocks are known, from whomever. @throws what `ask` threw, where it was this one's turn */
  async learn(ask: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let waits = 0; ; waits += 1) {
      const begun = this.#begun();
      if (begun !== null) return await begun;
      const most = waits === 0 ? 1 : MOST + Math.max(0, Math.floor(1 + Math.log2(waits / PATIENCE)));
      if (this.#asking.size < most) return await this.#ask(ask);
      const hedge = delay(this.#hedgeMs, undefined, { signal });
      await Promise.race([...this.#asking, hedge].map((one) => one.catch(() => undefined)));
      signal.throwIfAborted();
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
/**
 * Waits of SWARM.hedgeMs after which one more is asked, and after twice as many another: those that let it drip would keep
 * all others from it, and those that are slow would all have the same wire.
 */
const PATIENCE = 10;
