/** Lets waiters know that something changed; they look at what is stored themselves, so that nothing is ever queued. */
export class Changes {
  #version = 0;
  readonly #waiting = new Set<() => void>();

  /** To be read before looking, and given to `after`. */
  get version(): number {
    return this.#version;
  }

  tell(): void {
    this.#version += 1;
    for (const go of this.#waiting) go();
  }

  /** Resolves at once where something changed after `version`, else with the next change, after `ms`, or on the abort. */
  after(version: number, ms: number, signal: AbortSignal): Promise<void> {
    if (version !== this.#version || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', go);
        this.#waiting.delete(go);
        resolve();
      };
      const timer = setTimeout(go, ms);
      signal.addEventListener('abort', go, { once: true });
      this.#waiting.add(go);
    });
  }
}
