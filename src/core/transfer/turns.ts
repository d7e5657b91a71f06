import { LIMITS } from '../config.ts';

/** A turn that somebody waits for. */
export interface Turn {
  readonly peer: string;
  readonly bytes: number;
}

interface Peer {
  readonly weight: number;
  readonly waits: Turn[];
  /** Bytes it had, by weight, counted from a common start: whoever has least is next. */
  had: number;
}

/**
 * Who may move bytes next, and when: a token bucket for the rate, and before it a fair queue over peers. Each peer with
 * turns waiting gets an equal share by weight, however many and however large they are: it is fair queueing by start
 * tags (Goyal, Vin, Cheng 1996). A peer that asks for one small piece at a time keeps its share as well, since what it
 * is behind by, up to `LIMITS.maxBehindBytes`, waits for it. No clock: `now` in ms, never going back.
 */
export class TurnOrder {
  readonly #peers = new Map<string, Peer>();
  #rate: number | null = null;
  #tokens = 0;
  #at: number;
  /** What the peer served last had had before. */
  #front = 0;
  #waiting = 0;

  constructor(now: number) {
    this.#at = now;
  }

  /** Bytes a second; null: no limit. */
  get rate(): number | null {
    return this.#rate;
  }

  /** Turns that wait. */
  get waiting(): number {
    return this.#waiting;
  }

  setRate(rate: number | null, now: number): void {
    if (rate === this.#rate) return;
    this.#fill(now);
    // Without a limit nothing is counted, so that it begins anew, and with what silence gives.
    if (rate !== null) this.#tokens = this.#rate === null ? burst(rate) : Math.min(this.#tokens, burst(rate));
    this.#rate = rate;
  }

  /**
   * Asks for a turn of so many bytes. `now` where it is granted at once; `full` where the peer, or all, wait for as
   * many as may (then nothing changed); else it waits for `grant`.
   */
  ask(peer: string, bytes: number, now: number, weight = 1): Turn | 'now' | 'full' {
    if (this.#waiting === 0 && this.#rate === null) return 'now';
    this.#fill(now);
    const entry = this.#peers.get(peer) ?? this.#welcome(peer, weight);
    if (entry === null || entry.waits.length >= LIMITS.maxWaits) return 'full';
    if (entry.waits.length === 0)
      entry.had = Math.max(entry.had, this.#front - LIMITS.maxBehindBytes / entry.weight);
    const first = this.#next();
    if (this.#tokens > 0 && entry.waits.length === 0 && (first === undefined || entry.had < first.had)) {
      this.#charge(entry, bytes);
      return 'now';
    }
    const turn: Turn = { peer, bytes };
    entry.waits.push(turn);
    this.#waiting += 1;
    return turn;
  }

  /**
   * The turns whose time has come, in order. A turn is granted where any token is left, and may leave a debt: turns
   * larger than the burst come through, and no more than rate × time, one burst and one turn pass. It ends early where
   * the peer just served is still behind and has nothing waiting: it gets the time until the next call to ask again.
   */
  grant(now: number): readonly Turn[] {
    this.#fill(now);
    const turns: Turn[] = [];
    while (this.#waiting > 0 && (this.#rate === null || this.#tokens > 0)) {
      const next = this.#next();
      const turn = next?.waits.shift();
      if (next === undefined || turn === undefined) break;
      this.#waiting -= 1;
      this.#charge(next, turn.bytes);
      turns.push(turn);
      if (this.#rate !== null && next.waits.length === 0 && next.had < (this.#next()?.had ?? 0)) break;
    }
    return turns;
  }

  /** Takes a turn back that was not granted yet. */
  cancel(turn: Turn): void {
    const waits = this.#peers.get(turn.peer)?.waits;
    const at = waits?.indexOf(turn) ?? -1;
    if (at < 0) return;
    waits?.splice(at, 1);
    this.#waiting -= 1;
  }

  /** When `grant` has something to give; null where nobody waits. */
  nextAt(now: number): number | null {
    if (this.#waiting === 0) return null;
    this.#fill(now);
    if (this.#rate === null || this.#tokens > 0) return now;
    return now + ((1 - this.#tokens) / this.#rate) * 1000;
  }

  /** Whether a turn of any size would be granted at once. */
  free(now: number): boolean {
    this.#fill(now);
    return this.#waiting === 0 && (this.#rate === null || this.#tokens > 0);
  }

  /** Bytes that one turn should take of `most`, so that peers follow each other closely where the rate is low. */
  piece(most: number): number {
    if (this.#rate === null) return most;
    const bytes = Math.floor((this.#rate * LIMITS.turnMs) / 1000);
    return Math.min(most, Math.max(LIMITS.leastTurnBytes, bytes));
  }

  #charge(peer: Peer, bytes: number): void {
    this.#front = Math.max(this.#front, peer.had);
    peer.had += bytes / peer.weight;
    if (this.#rate !== null) this.#tokens -= bytes;
  }

  /** The waiting peer that had least; of several the one that came first. */
  #next(): Peer | undefined {
    let least: Peer | undefined;
    for (const peer of this.#peers.values())
      if (peer.waits.length > 0 && (least === undefined || peer.had < least.had)) least = peer;
    return least;
  }

  /** A newcomer comes after all who wait: ever new peers delay nobody by more than a turn each. */
  #welcome(name: string, weight: number): Peer | null {
    if (this.#peers.size >= LIMITS.maxPeers && !this.#forget()) return null;
    let had = this.#front;
    for (const peer of this.#peers.values()) if (peer.waits.length > 0) had = Math.max(had, peer.had);
    const peer: Peer = { weight, waits: [], had };
    this.#peers.set(name, peer);
    return peer;
  }

  /** Forgets the peer that waits for nothing and had least; false where all wait. */
  #forget(): boolean {
    let least: readonly [string, Peer] | undefined;
    for (const entry of this.#peers)
      if (entry[1].waits.length === 0 && (least === undefined || entry[1].had < least[1].had)) least = entry;
    return least !== undefined && this.#peers.delete(least[0]);
  }

  #fill(now: number): void {
    const ms = Math.max(0, now - this.#at);
    this.#at = Math.max(this.#at, now);
    if (this.#rate === null) return;
    const least = burst(this.#rate);
    // Who waits wanted all of it: only silence takes credit away, not a loop that was late.
    const late = Math.max(least, (this.#rate * LIMITS.lateMs) / 1000);
    const kept = ms > LIMITS.burstMs ? least : Math.max(least, this.#tokens);
    this.#tokens = Math.min(this.#waiting > 0 ? late : kept, this.#tokens + (ms / 1000) * this.#rate);
  }
}

/** Bytes that may pass at once. */
function burst(rate: number): number {
  return Math.max(LIMITS.leastTurnBytes, (rate * LIMITS.burstMs) / 1000);
}
