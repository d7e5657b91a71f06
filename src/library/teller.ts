import { LIBRARY } from '../core/config.ts';

/** Tells listeners that the set of files changed: once for many changes, and soon. */
export class Teller {
  readonly #listeners = new Set<() => void>();
  readonly #version: () => number;
  /** The version that listeners were told of last. */
  #told = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(version: () => number) {
    this.#version = version;
  }

  /** Gives the way to end this. A listener must not throw. */
  add(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** A change was made: tells of it within `LIBRARY.changeMs`. */
  soon(): void {
    if (this.#listeners.size === 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.now(), LIBRARY.changeMs).unref();
  }

  /** `anyway`: not the files, but what is known of them has changed. */
  now(anyway = false): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const version = this.#version();
    if (this.#told === version && !anyway) return;
    this.#told = version;
    for (const listener of this.#listeners) listener();
  }

  close(): void {
    this.#listeners.clear();
    clearTimeout(this.#timer);
  }
}
