import type { Ground } from '../core/ports.ts';
import type { Outcome, SearchFrame } from '../core/search/search.ts';
import { ANSWER_BYTES, REQUEST_BYTES } from './kademlia.ts';
import { FrameSizes } from './sizes.ts';

/** What came of one query. */
export interface Trial {
  readonly verdict: Outcome['verdict'];
  readonly ground: Ground | 'never ended';
  /** Every frame that any node sent for it, the DHT's requests and answers included. */
  readonly messages: number;
  readonly bytes: number;
  /** Of the first hit; null without one. */
  readonly hops: number | null;
  /** Hops of the first hit and of all rings that came before it, as Lv et al. 2002 count the delay of rings. */
  readonly delayHops: number | null;
  /** Rounds until the verdict. */
  readonly rounds: number;
  /** The hit's holder has nothing of the kind. */
  readonly falseHit: boolean;
  readonly liarsCaught: number;
}

/** Counts what one query costs and brings. */
export class Ledger {
  readonly #sizes = new FrameSizes();
  #origin = 0;
  #messages = 0;
  #dhtBytes = 0;
  #hops: number | null = null;
  #rings: number[] = [];
  #falseHit = false;
  #outcome: Outcome | null = null;
  /** Round of the verdict. */
  endRound = 0;
  liarsCaught = 0;

  begin(origin: number): void {
    this.#origin = origin;
    this.#sizes.reset();
    this.#messages = 0;
    this.#dhtBytes = 0;
    this.#hops = null;
    this.#rings = [];
    this.#falseHit = false;
    this.#outcome = null;
    this.liarsCaught = 0;
  }

  get ended(): boolean {
    return this.#outcome !== null;
  }

  sent(from: number, frame: SearchFrame): void {
    this.#messages += 1;
    this.#sizes.add(frame);
    if (frame.type === 'flood' && from === this.#origin && frame.hops === 1)
      this.#rings[frame.ring] = frame.ttl + 1;
  }

  dhtRequest(): void {
    this.#messages += 1;
    this.#dhtBytes += REQUEST_BYTES;
  }

  dhtAnswer(): void {
    this.#messages += 1;
    this.#dhtBytes += ANSWER_BYTES;
  }

  hit(hops: number, holds: boolean): void {
    this.#hops ??= hops;
    if (!holds) this.#falseHit = true;
  }

  end(outcome: Outcome, round: number): void {
    this.#outcome = outcome;
    this.endRound = round;
  }

  /** @param round the present one, for a query that never ended */
  trial(round: number): Trial {
    const before = this.#rings.slice(0, -1).reduce((sum, hops) => sum + hops, 0);
    return {
      verdict: this.#outcome?.verdict ?? 'incomplete',
      ground: this.#outcome?.ground ?? 'never ended',
      messages: this.#messages,
      bytes: this.#sizes.bytes + this.#dhtBytes,
      hops: this.#hops,
      delayHops: this.#hops === null ? null : this.#hops + before,
      rounds: this.ended ? this.endRound : round,
      falseHit: this.#falseHit,
      liarsCaught: this.liarsCaught,
    };
  }
}
