import { SWARM } from '../config.ts';
import type { Holder } from './rarity.ts';

/** A block that was asked for. */
export interface Ask {
  /** ms, when it went out; null while it waits for memory. */
  sentAt: number | null;
}

/** One provider, as the plan sees it: what it has, what it owes, and how fast it is. */
export class Source implements Holder {
  readonly id: string;
  have: Uint8Array | null;
  cursor = 0;
  /** By block, oldest first. */
  readonly asks = new Map<number, Ask>();
  /** Blocks it may owe at once; 0: it is spare for now. */
  budget = 0;
  /** Breaks ties between providers that are equally fast. */
  readonly luck: number;
  /** Sends nothing for long, while others do: it gets no more work until it does. */
  lagging = false;
  lags = 0;
  /** It has nothing that is missing and not asked for; until it has more, or something comes back. */
  dry = false;
  /** It has all while others get parts: what waits there may come from them meanwhile, so little is asked ahead. */
  brief = false;
  failed = 0;
  /** ms; it said busy, and is left alone until then. */
  busyUntil = -Infinity;
  #busyMs: number = SWARM.busyMs;
  #grown: number = SWARM.firstAsked;
  #work = 0;
  #spent = 0;
  #lastGot = -Infinity;
  #lastHeard = -Infinity;
  #latency = 0;

  constructor(id: string, have: Uint8Array | null, luck: number) {
    this.id = id;
    this.have = have;
    this.luck = luck;
  }

  /** Bytes a millisecond; null before its first block. */
  get rate(): number | null {
    return this.#work === 0 ? null : this.#work / Math.max(this.#spent, 1e-3);
  }

  available(now: number): boolean {
    return !this.lagging && !this.dry && now >= this.busyUntil;
  }

  /** Blocks that keep it busy: its rate over `aheadMs` and its latency, grown into one by one. */
  want(blockBytes: number): number {
    const { rate } = this;
    if (rate === null) return SWARM.firstAsked;
    const ahead = this.brief ? SWARM.briefMs : SWARM.aheadMs + this.#latency;
    const blocks = Math.ceil((rate * ahead) / blockBytes);
    return Math.max(SWARM.minAsked, Math.min(blocks, this.#grown, SWARM.maxAsked));
  }

  /** A block came, good or not. */
  got(ask: Ask, bytes: number, now: number): void {
    const sentAt = ask.sentAt ?? now;
    if (this.#lastGot <= sentAt) this.#latency = now - sentAt;
    const spent = Math.max(0, now - Math.max(this.#lastGot, sentAt));
    const kept = SWARM.rateMs / (SWARM.rateMs + spent);
    this.#work = this.#work * kept + Math.max(bytes, 1);
    this.#spent = this.#spent * kept + spent;
    this.#lastGot = now;
    this.heard(now);
    this.#grown = Math.min(this.#grown + 1, SWARM.maxAsked);
    this.#busyMs = SWARM.busyMs;
  }

  /** It answered, whatever it said. */
  heard(now: number): void {
    this.#lastHeard = now;
    this.lagging = false;
  }

  /** It said busy. What was asked before that is often refused as well, and counts once. */
  busy(now: number): void {
    if (now < this.busyUntil) return;
    this.busyUntil = now + this.#busyMs;
    this.#busyMs = Math.min(2 * this.#busyMs, SWARM.maxBusyMs);
    this.#grown = SWARM.minAsked;
  }

  /** ms since it last did something for what it owes; 0 where it owes nothing that was sent. */
  waited(now: number): number {
    for (const { sentAt } of this.asks.values())
      if (sentAt !== null) return now - Math.max(sentAt, this.#lastHeard);
    return 0;
  }

  /** ms for one block at its rate, or `guess` where that is not known. */
  blockMs(blockBytes: number, guess: number): number {
    const { rate } = this;
    return rate === null ? guess : blockBytes / rate;
  }
}

/**
 * Divides the blocks that may be on their way. The fastest are served first, those of unknown speed before them: each
 * gets what keeps its line full, the rest in proportion to the rates; for whom nothing is left is spare.
 */
export function setBudgets(sources: Iterable<Source>, total: number, blockBytes: number, now: number): void {
  const able: Source[] = [];
  for (const source of sources) {
    source.budget = 0;
    if (source.available(now)) able.push(source);
  }
  able.sort((one, other) => speedOf(other) - speedOf(one) || one.luck - other.luck);
  const served = able.slice(0, Math.max(1, Math.floor(total / SWARM.minAsked)));
  let left = total;
  let rates = 0;
  for (const source of served) {
    source.budget = Math.min(SWARM.minAsked, left);
    left -= source.budget;
    rates += source.rate ?? 0;
  }
  const even = rates === 0;
  const more = left;
  for (const source of served) {
    const share = even ? 1 / served.length : (source.rate ?? rates / served.length) / rates;
    left -= raise(source, Math.min(left, Math.floor(more * share)), blockBytes);
  }
  for (const source of served) left -= raise(source, left, blockBytes);
}

const speedOf = (source: Source): number => source.rate ?? Number.MAX_VALUE;

function raise(source: Source, by: number, blockBytes: number): number {
  const raised = Math.max(0, Math.min(by, source.want(blockBytes) - source.budget));
  source.budget += raised;
  return raised;
}
