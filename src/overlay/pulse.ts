import { OVERLAY } from '../core/config.ts';

/** What is kept alive, and given up when it is silent; times in ms. */
export interface Beating {
  /** When it was last heard of, and when it was last sent anything. */
  readonly heardAt: number;
  readonly sentAt: number;
  /** A sign of life is due that nobody has to answer; or one that asks for an answer. */
  beat(kind: 'sign' | 'question'): void;
  silent(): void;
}

/** Looks an interval between signs of life. */
const LOOKS = 5;

/**
 * Looks after all links of a node with one timer. Each side of a link lets the other hear something every
 * `OVERLAY.pingIntervalMs`, so that nobody has to ask: what is sent anyway is a sign of life, and only where there was
 * nothing a frame is sent for that. Whoever is not heard of for one and a half of that is asked; for three, it is lost.
 */
export class Pulse {
  readonly #now: () => number;
  readonly #all = new Map<Beating, number>();
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(one: Beating): void {
    this.#all.set(one, -Infinity);
    if (this.#timer !== undefined) return;
    this.#lookedAt = this.#now();
    this.#timer = setInterval(() => this.look(), OVERLAY.pingIntervalMs / LOOKS);
    this.#timer.unref();
  }

  delete(one: Beating): void {
    this.#all.delete(one);
    if (this.#all.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  look(): void {
    const every = OVERLAY.pingIntervalMs;
    const now = this.#now();
    // Who was held up itself, for longer than between two looks, has not read yet what came meanwhile.
    const late = now - this.#lookedAt > (2 * every) / LOOKS;
    this.#lookedAt = now;
    for (const [one, askedAt] of this.#all) {
      const silence = now - one.heardAt;
      if (silence > 3 * every && !late) one.silent();
      else if (silence >= 1.5 * every && now - askedAt >= every) {
        this.#all.set(one, now);
        one.beat('question');
      } else if (now - one.sentAt >= every) one.beat('sign');
    }
  }
}
