import { SWARM, TOGETHER } from '../core/config.ts';
import { KelanaError, type ErrorCode } from '../core/errors.ts';
import type { Holding, Provider } from '../core/ports.ts';

/** A provider that is known, and what came of it. */
export interface Candidate {
  provider: Provider;
  state: 'ready' | 'open' | 'waiting' | 'out';
  /** ms, when it may be opened again; for `waiting`. */
  at: number;
  /** Times it was lost since it last gave a block. */
  losses: number;
  /** Times it said busy when it was opened. */
  busy: number;
  /** Times it came back from `out`, because a search named it again. */
  returns: number;
  /** Bytes of good blocks. */
  gave: number;
  error: KelanaError | null;
  /** Known by hearsay alone: another one fetches it too. */
  readonly told: boolean;
}

/** A provider that did this stays out for this download. */
const FINAL: ReadonlySet<ErrorCode> = new Set(['BAD_BLOCK', 'PEER_PROTOCOL']);
/** It was away, or fell silent. */
const AWAY: ReadonlySet<ErrorCode> = new Set(['PEER_UNREACHABLE', 'TIMEOUT', 'TRANSFER_FAILED']);
/** Times a provider may come back because a search named it again. */
const MAX_RETURNS = 2;

/** Who has a file, by peer id: new ones, those to try again, and those that are of no use. */
export class Candidates {
  readonly #all = new Map<string, Candidate>();

  /** Gives the candidate where it is to be opened: new, or worth another attempt. */
  add(provider: Provider, told = false): Candidate | null {
    const known = this.#all.get(provider.peer);
    if (known === undefined) {
      if (this.#all.size >= SWARM.maxKnown) return null;
      const counts = { at: 0, losses: 0, busy: 0, returns: 0, gave: 0 };
      const fresh: Candidate = { provider, state: 'ready', error: null, told, ...counts };
      this.#all.set(provider.peer, fresh);
      return fresh;
    }
    known.provider = provider;
    const final = known.error !== null && FINAL.has(known.error.code);
    if (known.state !== 'out' || final || known.returns >= MAX_RETURNS) return null;
    known.returns += 1;
    known.losses = 0;
    known.state = 'ready';
    return known;
  }

  /** Those who fetch it too, as others say; an address that is known is not replaced by such a one. */
  addTold(providers: readonly Provider[]): void {
    let taken = 0;
    for (const { told } of this.#all.values()) if (told) taken += 1;
    for (const provider of providers) {
      const known = this.#all.get(provider.peer);
      if (known !== undefined) this.add(known.provider);
      else if (taken < TOGETHER.maxTaken && this.add(provider, true) !== null) taken += 1;
    }
  }

  /** One that may be opened now; those that gave most first, and of hearsay only a part. */
  next(now: number): Candidate | null {
    let open = 0;
    for (const { told, state } of this.#all.values()) if (told && state === 'open') open += 1;
    let best: Candidate | null = null;
    for (const one of this.#all.values()) {
      if (one.state !== 'ready' && !(one.state === 'waiting' && one.at <= now)) continue;
      if (one.told && open >= TOGETHER.maxOpen) continue;
      if (best === null || one.gave > best.gave) best = one;
    }
    return best;
  }

  /** Those that others may be told of: who was of no use is not among them. */
  usable(): readonly Provider[] {
    return [...this.#all.values()].flatMap(({ provider, state, error, told }) =>
      told || (state === 'out' && error !== null) ? [] : provider,
    );
  }

  /**
   * It cannot be reached, broke off or is busy: it is tried again, for a while.
   * @returns whether it lied, and whether this is news to a person: not of each attempt
   */
  lost(one: Candidate, error: KelanaError, now: number): { readonly liar: boolean; readonly news: boolean } {
    if (one.error === null || !FINAL.has(one.error.code)) one.error = error;
    const most = one.gave > 0 ? SWARM.reopenTries : SWARM.reopenFruitless;
    const { refusal } = error.params;
    one.state = 'waiting';
    if (refusal === 'busy') {
      one.at = now + Math.min(SWARM.busyMs * 2 ** one.busy, SWARM.maxBusyMs);
      one.busy += 1;
    } else if (FINAL.has(error.code) || isMoved(error) || one.losses >= most) one.state = 'out';
    else {
      one.at = now + SWARM.reopenMs * 2 ** one.losses;
      one.losses += 1;
    }
    const liar = error.code === 'BAD_BLOCK' || error.code === 'PEER_PROTOCOL';
    const first = one.state === 'waiting' && one.losses === 1;
    // Who only fetches it too goes when it has it.
    return { liar, news: liar || (!one.told && (first || (one.state === 'out' && this.hopeful))) };
  }

  /** It links again: what it was lost for is over. False where it is not known, or is of no use for another reason. */
  linked(provider: Provider): boolean {
    const known = this.#all.get(provider.peer);
    if (known === undefined || known.error === null || known.state === 'open' || known.state === 'ready')
      return false;
    if (!AWAY.has(known.error.code) || 'refusal' in known.error.params) return false;
    Object.assign(known, { provider, state: 'ready', losses: 0 });
    return true;
  }

  /** Whether anybody is open, or may yet be. */
  get hopeful(): boolean {
    for (const { state } of this.#all.values()) if (state !== 'out') return true;
    return false;
  }

  /** Whether one that gave blocks has the file no more, or not as it was: it may have it again under another name. */
  get moved(): boolean {
    for (const { gave, error } of this.#all.values())
      if (gave > 0 && error !== null && isMoved(error)) return true;
    return false;
  }

  /** Whether one is known that was not opened yet, or may be again. */
  get ready(): boolean {
    for (const { state } of this.#all.values()) if (state === 'ready') return true;
    return false;
  }

  /** Who was heard of first, and so told name and size of the file. */
  get teller(): string {
    for (const { provider } of this.#all.values()) return provider.label;
    return '?';
  }

  /** Who gave blocks, most first. */
  givers(): readonly Candidate[] {
    return [...this.#all.values()].filter(({ gave }) => gave > 0).sort((one, other) => other.gave - one.gave);
  }

  /** Why nobody gave the file: what all say alike, else what each says. */
  failure(file: Holding): KelanaError {
    const errors = [...this.#all.values()].flatMap(({ error }) => error ?? []);
    const [first] = errors;
    const { name } = file;
    if (first === undefined)
      return new KelanaError('TRANSFER_FAILED', {
        name,
        why: { id: 'tidak ada node terjangkau yang punya', en: 'no node that can be reached has it' },
      });
    if (errors.every(({ code }) => code === first.code)) return first;
    const all = (lang: 'id' | 'en'): string =>
      errors
        .slice(0, MAX_NAMED)
        .map((error) => error.describe(lang).says.replace(/\.$/, ''))
        .join('; ') + (errors.length > MAX_NAMED ? '; …' : '');
    return new KelanaError('TRANSFER_FAILED', { name, why: { id: all('id'), en: all('en') } }, first);
  }
}

function isMoved({ code, params }: KelanaError): boolean {
  return code === 'SOURCE_CHANGED' || params['refusal'] === 'not-here';
}

/** Errors that are named in one at most. */
const MAX_NAMED = 4;
