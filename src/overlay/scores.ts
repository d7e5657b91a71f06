import { OVERLAY } from '../core/config.ts';
import { Recent } from './recent.ts';

export interface ScoresOptions {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

interface Score {
  /** When it lied, within the window; oldest first. */
  lies: readonly number[];
  bannedUntil: number;
  why: string;
}

/**
 * Who said what cannot be true. Three lies in ten minutes ban a peer id for an hour; fewer are forgotten. A new peer
 * id costs an attacker nothing, but every link and lie must then be made anew.
 */
export class Scores {
  readonly #now: () => number;
  readonly #scores = new Recent<string, Score>(OVERLAY.maxScored);

  constructor({ now }: ScoresOptions) {
    this.#now = now;
  }

  /** Counts a lie; true where it is the one that gets the peer banned, and its links are to be dropped. */
  add(peer: string, why: string): boolean {
    const now = this.#now();
    const score = this.#scores.get(peer) ?? { lies: [], bannedUntil: -Infinity, why };
    if (now < score.bannedUntil) return false;
    const lies = [...score.lies.filter((at) => at > now - OVERLAY.lieWindowMs), now];
    const banned = lies.length >= OVERLAY.maxLies;
    this.#scores.set(peer, {
      lies: banned ? [] : lies,
      bannedUntil: banned ? now + OVERLAY.banMs : -Infinity,
      why,
    });
    return banned;
  }

  banned(peer: string): boolean {
    return this.#now() < (this.#scores.get(peer)?.bannedUntil ?? -Infinity);
  }

  /** The last lie, of a peer that is banned; null of all others. */
  reason(peer: string): string | null {
    return this.banned(peer) ? (this.#scores.get(peer)?.why ?? null) : null;
  }
}
