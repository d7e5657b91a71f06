import { LIBRARY } from '../core/config.ts';

export interface UnreadOptions {
  /** All changes that were told are looked at to their end. */
  quiet(): boolean;
  /** It began, or is over. */
  changed(): void;
}

/**
 * Whether changes were told that are not looked at to their end, so that there may be files that nobody can find yet. One
 * that goes on for longer than `LIBRARY.unreadMs`, as of a log that is written for ever, counts no more until it is over.
 */
export class Unread {
  readonly #options: UnreadOptions;
  #since: number | null = null;
  #timer: NodeJS.Timeout | undefined;
  #late = false;
  #closed = false;

  constructor(options: UnreadOptions) {
    this.#options = options;
  }

  get now(): boolean {
    return this.#since !== null && !this.#late;
  }

  /** A change was told. */
  begin(): void {
    if (this.#since !== null || this.#closed) return;
    this.#since = performance.now();
    this.#options.changed();
    this.#wait();
  }

  /** Ends it where all is quiet, for a caller that tells of more at once. */
  settle(): void {
    if (this.#since === null || !this.#options.quiet()) return;
    clearTimeout(this.#timer);
    this.#since = null;
    this.#late = false;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    this.#timer = setTimeout(() => this.#look(), LIBRARY.quietMs).unref();
  }

  #look(): void {
    if (this.#closed || this.#since === null) return;
    const counted = this.now;
    this.settle();
    this.#late = this.#since !== null && performance.now() - this.#since > LIBRARY.unreadMs;
    if (this.#since !== null) this.#wait();
    if (counted !== this.now) this.#options.changed();
  }
}
