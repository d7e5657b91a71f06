import { randomBytes } from 'node:crypto';
import { isLocalHost, labelOf } from '../core/address.ts';
import { SEARCH } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Hit, Query, SearchEvent, SearchOptions } from '../core/ports.ts';
import type { Random } from '../core/random.ts';
import type { SearchInput, SearchOutput, Self } from '../core/search/search.ts';
import { createWalk } from '../core/search/walk.ts';
import type { LinkFrame } from '../core/wire/frames.ts';
import type { Link } from './link.ts';

export interface SearchingOptions {
  readonly self: Self;
  readonly emit: Emit;
  readonly now: () => number;
  readonly random: Random;
  readonly send: (peer: string, frame: LinkFrame) => void;
  /** Known peers that are not linked now. */
  readonly unlinked: () => readonly string[];
  /** What a person calls a peer that is a neighbour or this node; null for all others. */
  readonly labelOf: (peer: string) => string | null;
}

interface Own {
  readonly query: Query;
  readonly startedAt: number;
  readonly events: SearchEvent[];
  wake: () => void;
}

/** Runs the search strategy of core over the links of this node: inputs in, outputs to links and to who asked. */
export class Searching {
  readonly #options: SearchingOptions;
  readonly #strategy;
  readonly #own = new Map<string, Own>();
  readonly #ticker: NodeJS.Timeout;

  constructor(options: SearchingOptions) {
    this.#options = options;
    this.#strategy = createWalk(options.self);
    this.#ticker = setInterval(() => this.#step({ type: 'tick' }), SEARCH.tickMs);
    this.#ticker.unref();
  }

  up(link: Link): void {
    this.#step({ type: 'neighbour-up', peer: link.peer, label: link.label });
  }

  down(link: Link): void {
    this.#step({ type: 'neighbour-down', peer: link.peer });
  }

  receive(link: Link, frame: LinkFrame): void {
    if (frame.type === 'visit' || frame.type === 'return' || frame.type === 'cancel')
      this.#step({ type: 'frame', from: link.peer, frame });
  }

  /** Searches; the last event is the verdict. Leaving the loop early stops the walk. */
  async *search(query: Query, options: SearchOptions = {}): AsyncGenerator<SearchEvent> {
    if (this.#own.size >= SEARCH.maxOwn)
      throw new KelanaError('BUSY', { what: 'search', most: SEARCH.maxOwn });
    const id = randomBytes(16).toString('hex');
    const own: Own = { query, startedAt: this.#options.now(), events: [], wake: () => undefined };
    this.#own.set(id, own);
    const stop = (): void => this.#step({ type: 'cancel', id });
    options.signal?.addEventListener('abort', stop, { once: true });
    try {
      const timeoutMs = Math.min(options.timeoutMs ?? SEARCH.timeoutMs, SEARCH.maxTimeoutMs);
      this.#step({ type: 'start', id, query, timeoutMs, unlinked: this.#options.unlinked() });
      if (options.signal?.aborted === true) stop();
      for (;;) {
        const event = own.events.shift();
        if (event !== undefined) {
          yield event;
          if (event.type === 'verdict') return;
        } else {
          // The strategy ends every search by its deadline, so this wait does too.
          await new Promise<void>((resolve) => {
            own.wake = resolve;
          });
        }
      }
    } finally {
      options.signal?.removeEventListener('abort', stop);
      this.#own.delete(id);
      stop();
    }
  }

  stop(): void {
    clearInterval(this.#ticker);
    for (const id of this.#own.keys()) this.#step({ type: 'cancel', id });
  }

  #step(input: SearchInput): void {
    for (const output of this.#strategy.step(input, this.#options.now(), this.#options.random))
      this.#take(output);
  }

  #take(output: SearchOutput): void {
    const { emit, self, labelOf } = this.#options;
    if (output.type === 'send') return this.#options.send(output.to, output.frame);
    if (output.type === 'asked') {
      emit({
        type: 'search.received',
        who: self.label,
        query: textOf(output.query),
        from: labelOf(output.from) ?? output.from,
      });
      return undefined;
    }
    const own = this.#own.get(output.id);
    if (own === undefined) return undefined;
    const elapsedMs = this.#options.now() - own.startedAt;
    const seconds = elapsedMs / 1000;
    if (output.type === 'trail') {
      for (const step of output.steps)
        own.events.push({ type: 'step', ...step, label: labelOf(step.peer) ?? step.label, elapsedMs });
    } else if (output.type === 'hit') {
      const hit = {
        ...output.hit,
        label: labelOf(output.hit.peer) ?? labelFrom(output.hit, self.addresses()),
      };
      own.events.push({ type: 'hit', elapsedMs, ...hit });
      emit({ type: 'search.found', who: self.label, name: hit.name, holder: hit.label });
      emit({ type: 'search.response-time', who: self.label, holder: hit.label, seconds });
    } else {
      const { verdict, asked, missing, messages } = output.outcome;
      own.events.push({ type: 'verdict', verdict, asked, missing, messages, elapsedMs });
      emit({
        type: 'search.ended',
        who: self.label,
        query: textOf(own.query),
        verdict,
        asked,
        missing,
        seconds,
      });
    }
    own.wake();
    return undefined;
  }
}

/**
 * What to call a holder that is no neighbour: by an address that others can reach, since what it calls itself may be
 * the `localhost` of its own machine; `localhost` only where its addresses are this machine's.
 */
export function labelFrom(hit: Hit, own: readonly string[]): string {
  const places = hit.addresses.map((address) => /^\/ip[46]\/([^/]+)\/tcp\/(\d+)/.exec(address));
  const outside = places.find((place) => place !== null && !isLocalHost(place[1] ?? ''));
  if (outside === undefined || outside === null) return hit.label;
  const [, host = '', port = ''] = outside;
  const here = own.some((address) => address.split('/')[2] === host);
  return labelOf(here ? 'localhost' : host, Number(port));
}

export function textOf(query: Query): string {
  return query.kind === 'name' ? query.name : query.cid;
}
