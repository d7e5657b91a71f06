import { OVERLAY } from '../core/config.ts';
import { Recent } from './recent.ts';

/**
 * Neighbours that were given up because they said nothing of prints. That is no lie, but a link to them holds up every
 * proof of a miss; so they are not linked for a while, and for twice as long each time that they come back no better.
 */
export class Mutes {
  readonly #now: () => number;
  readonly #all = new Recent<string, { readonly until: number; readonly wait: number }>(OVERLAY.maxScored);

  constructor(now: () => number) {
    this.#now = now;
  }

  add(peer: string): void {
    const now = this.#now();
    const before = this.#all.get(peer);
    const again = before !== undefined && now < before.until + before.wait;
    const wait = again ? Math.min(2 * before.wait, OVERLAY.muteMaxMs) : OVERLAY.muteMinMs;
    this.#all.set(peer, { until: now + wait, wait });
  }

  has(peer: string): boolean {
    return this.#now() < (this.#all.get(peer)?.until ?? -Infinity);
  }
}
