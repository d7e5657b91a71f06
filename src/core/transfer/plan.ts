import { clearBit } from '../bit-array.ts';
import { SWARM } from '../config.ts';
import type { Random } from '../random.ts';
import { has } from '../search/bitset.ts';
import type { RefusalCode } from '../wire/blocks.ts';
import { blockCount, blockSize } from './layout.ts';
import { holds, Rarity } from './rarity.ts';
import { setBudgets, Source } from './source.ts';

/** What happened to a download. `provider` is any name that stays the same; `have` as in `BlockSession.have`. */
export type PlanInput =
  | { readonly type: 'joined'; readonly provider: string; readonly have: Uint8Array | null }
  | { readonly type: 'have'; readonly provider: string; readonly have: Uint8Array | null }
  | { readonly type: 'gone'; readonly provider: string }
  /** A block that was asked for has memory, and the question is on its way. */
  | { readonly type: 'sent'; readonly provider: string; readonly block: number }
  /** All bytes of a block are here; answered by `check` where they are of use. */
  | { readonly type: 'got'; readonly provider: string; readonly block: number }
  /** What the check of a block found, after `check`. */
  | { readonly type: 'good' | 'bad'; readonly provider: string; readonly block: number }
  /** It broke the protocol, or showed a manifest of something else. */
  | { readonly type: 'breach'; readonly provider: string }
  | {
      readonly type: 'refused';
      readonly provider: string;
      readonly block: number;
      readonly code: RefusalCode;
    }
  | { readonly type: 'tick' };

/**
 * Why a provider is of no more use: it sent a wrong block; its file changed; it has none; it could not read it; it was
 * silent or much slower than others who have the same.
 */
export type DropReason = 'liar' | 'changed' | 'not-here' | 'failed' | 'silent' | 'slow';

export type PlanOutput =
  | { readonly type: 'ask'; readonly provider: string; readonly blocks: readonly number[] }
  /** A block that was asked for but not yet sent is not needed any more. */
  | { readonly type: 'cancel'; readonly provider: string; readonly block: number }
  | { readonly type: 'check'; readonly provider: string; readonly block: number }
  | { readonly type: 'drop'; readonly provider: string; readonly why: DropReason; readonly liar: boolean }
  /** Nobody who is here has `blocks` of the missing blocks; told again whenever their number changes. */
  | { readonly type: 'starved'; readonly blocks: number }
  | { readonly type: 'done' };

export interface PlanOptions {
  /** Bytes of the file, and of every block but the last. */
  readonly size: number;
  readonly blockBytes: number;
  /** Blocks that are there already. */
  readonly have?: Uint8Array;
  /** Others may fetch it at the same time: it is begun at a random place. */
  readonly scattered?: boolean;
}

const [MISSING, ASKED, CHECKING, DONE] = [0, 1, 2, 3] as const;

/**
 * Which block is asked of whom, for one file. Pure: it is told what happens and the time, and says what to do.
 *
 * Rarest blocks first, and the fastest provider first. Each provider owes at most `SWARM.maxAsked` blocks, all together
 * `SWARM.maxOutstanding`. When every missing block is asked for, those of slow providers are asked of a faster one as
 * well, once, and the first answer wins: what is fetched in vain is at most `SWARM.maxOutstanding` blocks, and as many
 * as it owed for each provider that is lost in that end game. A liar gets no more than it was asked for before its
 * first bad block was seen.
 */
export class Plan {
  readonly #size: number;
  readonly #blockBytes: number;
  readonly #state: Uint8Array;
  /** Providers that each block is asked of now: 2 at most. */
  readonly #copies: Uint8Array;
  readonly #rarity: Rarity;
  readonly #sources = new Map<string, Source>();
  #unasked = 0;
  #left = 0;
  #outstanding = 0;
  #stale = true;
  #starved = 0;
  #ended = false;

  constructor(options: PlanOptions) {
    const { size, blockBytes, have, scattered } = options;
    const count = blockCount(size, blockBytes);
    this.#size = size;
    this.#blockBytes = blockBytes;
    this.#state = new Uint8Array(count);
    this.#copies = new Uint8Array(count);
    for (let block = 0; block < count; block += 1) {
      if (have !== undefined && has(have, block)) this.#state[block] = DONE;
      else this.#left += 1;
    }
    this.#unasked = this.#left;
    this.#rarity = new Rarity(count, (block) => this.#state[block] === MISSING, scattered);
  }

  /** Blocks that are not there yet. */
  get left(): number {
    return this.#left;
  }

  /** Missing blocks that nobody has who is here. */
  get starved(): number {
    return this.#starved;
  }

  step(input: PlanInput, now: number, random: Random): readonly PlanOutput[] {
    const out: PlanOutput[] = [];
    if (this.#ended) return out;
    const source = 'provider' in input ? this.#sources.get(input.provider) : undefined;
    switch (input.type) {
      case 'joined':
        if (source !== undefined) this.#remove(source);
        this.#sources.set(input.provider, new Source(input.provider, input.have, random()));
        this.#stale = true;
        break;
      case 'have':
        if (source === undefined) break;
        source.have = input.have;
        this.#stale = true;
        break;
      case 'gone':
        if (source !== undefined) this.#remove(source);
        break;
      case 'sent': {
        const ask = source?.asks.get(input.block);
        if (ask !== undefined) ask.sentAt = now;
        return out;
      }
      case 'got':
        this.#got(input.provider, source, input.block, now, out);
        break;
      case 'good':
        this.#good(input.block, out);
        // It was counted when it came: nobody may be asked for more.
        if (this.#left > 0 && out.length === 0 && !this.#stale) return out;
        break;
      case 'bad':
        if (this.#state[input.block] === CHECKING) this.#giveBack(input.block);
        if (source !== undefined) this.#drop(source, 'liar', out);
        break;
      case 'breach':
        if (source !== undefined) this.#drop(source, 'liar', out);
        break;
      case 'refused':
        if (source !== undefined) this.#refused(source, input.block, input.code, now, out);
        break;
      default:
        this.#look(now, out);
    }
    if (this.#left === 0) {
      this.#ended = true;
      out.push({ type: 'done' });
      return out;
    }
    const changed = this.#stale;
    if (changed) {
      this.#stale = false;
      this.#rarity.rebuild(this.#sources.values(), random);
      for (const one of this.#sources.values()) one.brief = one.have === null && this.#rarity.parts > 0;
    }
    if (changed || this.#ending) this.#wet();
    if (changed || input.type === 'tick' || input.type === 'refused')
      setBudgets(this.#sources.values(), SWARM.maxOutstanding, this.#blockBytes, now);
    if (source !== undefined && input.type === 'got' && source.budget > 0)
      source.budget = Math.max(source.budget, Math.min(source.want(this.#blockBytes), this.#room(source)));
    this.#fill(source, now, out);
    if (this.#rarity.orphans !== this.#starved) {
      this.#starved = this.#rarity.orphans;
      if (this.#starved > 0) out.push({ type: 'starved', blocks: this.#starved });
    }
    return out;
  }

  /** All is asked for that anybody has. */
  get #ending(): boolean {
    return this.#unasked <= this.#rarity.orphans;
  }

  #wet(): void {
    for (const source of this.#sources.values()) source.dry = false;
  }

  /** What `source` may owe without taking from what the others are promised. */
  #room(source: Source): number {
    let promised = 0;
    for (const other of this.#sources.values())
      if (other !== source) promised += Math.max(other.budget, other.asks.size);
    return SWARM.maxOutstanding - promised;
  }

  /**
   * Whoever just gave a block comes first; the others only where there is something that they may not have seen. But what
   * those with a part have is asked of them: who has all gives the rest meanwhile.
   */
  #fill(first: Source | undefined, now: number, out: PlanOutput[]): void {
    const here = first !== undefined && this.#sources.has(first.id);
    if (here && (first.have !== null || this.#rarity.parts === 0)) this.#ask(first, now, out);
    if (this.#outstanding >= SWARM.maxOutstanding) return;
    const sources = this.#sources;
    if (this.#rarity.parts > 0) {
      for (const source of sources.values()) if (source.have !== null) this.#ask(source, now, out);
      if (here) this.#ask(first, now, out);
    }
    for (const source of sources.values()) if (source !== first) this.#ask(source, now, out);
  }

  #ask(source: Source, now: number, out: PlanOutput[]): void {
    if (source.asks.size >= source.budget || !source.available(now)) return;
    const blocks: number[] = [];
    while (source.asks.size < source.budget && this.#outstanding < SWARM.maxOutstanding) {
      let block = this.#unasked > 0 ? this.#rarity.next(source) : -1;
      if (block >= 0) this.#unasked -= 1;
      else block = this.#again(source, now);
      if (block < 0) {
        // Nothing may be promised to who has nothing: the others would go without.
        source.dry = source.have !== null && source.asks.size === 0 && !this.#ending;
        break;
      }
      this.#state[block] = ASKED;
      this.#copies[block] = (this.#copies[block] ?? 0) + 1;
      source.asks.set(block, { sentAt: null });
      this.#outstanding += 1;
      blocks.push(block);
    }
    if (blocks.length > 0) out.push({ type: 'ask', provider: source.id, blocks });
  }

  /** The end game: a block that `source` should bring well before the one who owes it; of several, the latest. */
  #again(source: Source, now: number): number {
    if (!this.#ending) return -1;
    const typical = this.#typicalMs(null) ?? SWARM.guessMs;
    const own = source.blockMs(this.#blockBytes, typical) * (source.asks.size + 1);
    let best = -1;
    let latest = own / SWARM.againShare;
    for (const other of this.#sources.values()) {
      if (other === source) continue;
      const waited = other.waited(now);
      const each = other.blockMs(this.#blockBytes, typical);
      let place = 0;
      for (const block of other.asks.keys()) {
        place += 1;
        if (this.#copies[block] !== 1 || this.#state[block] !== ASKED) continue;
        if (source.asks.has(block) || !holds(source, block)) continue;
        // Who is late already will be late by as much again.
        const due = Math.max(place * each - waited, waited);
        if (due <= latest) continue;
        latest = due;
        best = block;
      }
    }
    return best;
  }

  #got(provider: string, source: Source | undefined, block: number, now: number, out: PlanOutput[]): void {
    const ask = source?.asks.get(block);
    if (source === undefined || ask === undefined) return;
    source.got(ask, blockSize(this.#size, this.#blockBytes, block), now);
    this.#forget(source, block);
    if (this.#state[block] !== ASKED) return;
    this.#state[block] = CHECKING;
    out.push({ type: 'check', provider, block });
  }

  #good(block: number, out: PlanOutput[]): void {
    if (this.#state[block] !== CHECKING) return;
    this.#state[block] = DONE;
    this.#left -= 1;
    if (this.#copies[block] === 0) return;
    for (const source of this.#sources.values()) {
      if (source.asks.get(block)?.sentAt !== null) continue;
      this.#forget(source, block);
      out.push({ type: 'cancel', provider: source.id, block });
    }
  }

  #refused(source: Source, block: number, code: RefusalCode, now: number, out: PlanOutput[]): void {
    source.heard(now);
    if (source.asks.has(block)) this.#unask(source, block);
    if (code === 'busy') source.busy(now);
    else if (code === 'changed') this.#drop(source, 'changed', out);
    else if (code === 'not-here' && source.have === null) this.#drop(source, 'not-here', out);
    else {
      source.failed += code === 'failed' ? 1 : 0;
      if (source.failed >= SWARM.maxFailed) return this.#drop(source, 'failed', out);
      this.#without(source, block);
    }
  }

  /** It does not have that block after all. */
  #without(source: Source, block: number): void {
    const have = source.have?.slice() ?? new Uint8Array(Math.ceil(this.#state.length / 8)).fill(0xff);
    clearBit(have, block);
    source.have = have;
    this.#stale = true;
  }

  /** Looks for who is late. */
  #look(now: number, out: PlanOutput[]): void {
    for (const source of this.#sources.values()) {
      const waited = source.waited(now);
      if (waited === 0) source.lagging = false;
      if (waited < SWARM.lagMs) continue;
      const others = this.#typicalMs(source);
      if (others === null || waited < SWARM.lagFactor * others) continue;
      if (!source.lagging) source.lags += 1;
      source.lagging = true;
      if (waited < SWARM.silentMs && source.lags < SWARM.maxLags) continue;
      if (this.#replaceable(source)) this.#drop(source, waited < SWARM.silentMs ? 'slow' : 'silent', out);
    }
  }

  /** Whether others who are not late have all that is missing and that it has. */
  #replaceable(source: Source): boolean {
    const others = [...this.#sources.values()].filter((other) => other !== source && !other.lagging);
    if (others.some((other) => other.have === null)) return true;
    return this.#state.every(
      (state, block) =>
        state === DONE || !holds(source, block) || others.some((other) => holds(other, block)),
    );
  }

  /** ms for a block, the middle one of those measured; null where none was. */
  #typicalMs(without: Source | null): number | null {
    const times: number[] = [];
    for (const source of this.#sources.values())
      if (source !== without && !source.lagging && source.rate !== null)
        times.push(source.blockMs(this.#blockBytes, SWARM.guessMs));
    times.sort((one, other) => one - other);
    return times[times.length >> 1] ?? null;
  }

  #drop(source: Source, why: DropReason, out: PlanOutput[]): void {
    this.#remove(source);
    out.push({ type: 'drop', provider: source.id, why, liar: why === 'liar' });
  }

  #remove(source: Source): void {
    this.#sources.delete(source.id);
    for (const block of source.asks.keys()) this.#unask(source, block);
    this.#stale = true;
  }

  #unask(source: Source, block: number): void {
    this.#forget(source, block);
    if (this.#state[block] === ASKED && this.#copies[block] === 0) this.#giveBack(block);
  }

  #giveBack(block: number): void {
    // Another copy of it may be on its way.
    this.#state[block] = (this.#copies[block] ?? 0) > 0 ? ASKED : MISSING;
    if (this.#state[block] === ASKED) return;
    this.#unasked += 1;
    this.#rarity.giveBack(block);
    this.#wet();
  }

  #forget(source: Source, block: number): void {
    source.asks.delete(block);
    this.#copies[block] = (this.#copies[block] ?? 1) - 1;
    this.#outstanding -= 1;
  }
}
