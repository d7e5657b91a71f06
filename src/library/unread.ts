import { LIBRARY } from '../core/config.ts';

export interface UnreadOptions {
  /** All that changed at this path is looked at to its end. */
  quiet(path: string): boolean;
  /** It began, or is over. */
  changed(): void;
  /** ms, of a clock that never goes back. */
  now(): number;
}

/** How long changes at a path counted, and when it was heard of last; ms. */
interface Spent {
  ms: number;
  at: number;
}

/**
 * Whether changes were told that are not looked at to their end, so that there may be files that nobody can find yet. A
 * path counts for `LIBRARY.unreadMs` in all, and no more until it was left alone for `LIBRARY.unreadForgetMs`: a log that
 * is written for ever forbids no proof of a miss for ever.
 */
export class Unread {
  readonly #options: UnreadOptions;
  /** Paths that count now, and since when. */
  readonly #open = new Map<string, number>();
  /** The oldest first. */
  readonly #spent = new Map<string, Spent>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: UnreadOptions) {
    this.#options = options;
  }

  get now(): boolean {
    return this.#open.size > 0;
  }

  /** A change of something that is shared was told. */
  begin(path: string): void {
    if (this.#closed || this.#open.has(path)) return;
    const now = this.#options.now();
    const spent = this.#spent.get(path);
    if (spent !== undefined) {
      if (now - spent.at >= LIBRARY.unreadForgetMs) this.#spent.delete(path);
      else if (spent.ms >= LIBRARY.unreadMs) {
        spent.at = now;
        return;
      }
    }
    // So many at once are one: they end together.
    if (this.#open.size >= LIBRARY.maxChanges) return;
    this.#open.set(path, now);
    if (this.#open.size > 1) return;
    this.#options.changed();
    this.#wait();
  }

  /** Ends those that are quiet, or counted long enough, for a caller that tells of more at once. */
  settle(): void {
    const now = this.#options.now();
    for (const [path, since] of this.#open) {
      const ms = (this.#spent.get(path)?.ms ?? 0) + now - since;
      if (ms < LIBRARY.unreadMs && !this.#options.quiet(path)) continue;
      this.#open.delete(path);
      this.#spent.delete(path);
      const oldest = this.#spent.keys().next();
      if (this.#spent.size >= LIBRARY.maxChanges && oldest.done !== true) this.#spent.delete(oldest.value);
      this.#spent.set(path, { ms, at: now });
    }
    if (!this.now) clearTimeout(this.#timer);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), LIBRARY.quietMs).unref();
  }

  #look(): void {
    if (this.#closed || !this.now) return;
    this.settle();
    if (this.now) this.#wait();
    else this.#options.changed();
  }
}
