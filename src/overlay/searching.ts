import { randomBytes } from 'node:crypto';
import { isLocalHost, labelOf } from '../core/address.ts';
import { SEARCH } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Hit, Holding, Query, SearchEvent, SearchOptions } from '../core/ports.ts';
import type { Random } from '../core/random.ts';
import { createAuto } from '../core/search/auto.ts';
import { textOf } from '../core/search/query.ts';
import { withRefused } from '../core/search/refused.ts';
import type { Contact, NodeView, SearchFrame, SearchInput, SearchOutput } from '../core/search/search.ts';
import { Bucket } from './bucket.ts';
import { Recent } from './recent.ts';
import { Results } from './results.ts';

/** One for all: to make it anew for each search takes 0.1 ms, before the download that follows. */
const ENDED = new DOMException('the search has ended', 'AbortError');

type Proof = Extract<SearchInput, { type: 'proved' }>['proof'];

export interface SearchingOptions {
  readonly view: NodeView;
  readonly emit: Emit;
  readonly now: () => number;
  readonly random: Random;
  /** Over the link to a neighbour, else to a peer at these addresses; `unsent` is called where it cannot be reached. */
  readonly send: (peer: string, frame: SearchFrame, addresses: readonly string[] | undefined) => void;
  /** Has a holder show that it has what it says, in `SEARCH.proveTimeoutMs`; never rejects. */
  readonly prove: (hit: Hit, signal: AbortSignal) => Promise<Proof>;
  /** Asked whether it has this file, of one block, to be fetched: it may be asked for the file at once. */
  readonly foretell?: (peer: string, cid: string, signal: AbortSignal) => void;
  /** Looks providers up; null where this node runs no DHT. */
  readonly dht:
    ((query: Query, signal: AbortSignal, onProvider: (contact: Contact) => void) => Promise<number>) | null;
  readonly liar: (peer: string, why: string) => void;
  /** Known peers that are not linked now. */
  readonly unlinked: () => readonly string[];
  /** Labels of peers that showed files and are asked nothing now, for their lies. */
  readonly refused: () => readonly string[];
  /** What a person calls a peer that is a neighbour or this node; null for all others. */
  readonly labelOf: (peer: string) => string | null;
  /** Ask a second, independent member of each group before absent is said. */
  readonly audit: boolean;
}

interface Own {
  readonly query: Query;
  readonly startedAt: number;
  readonly results: Results;
  /** Ends proofs and look-ups when the search ends. */
  readonly ending: AbortController;
  /** What whoever asked wants to be told at once. */
  readonly asked: Pick<SearchOptions, 'claimed' | 'proved'>;
  looking: AbortController | null;
}

/** Runs the strategies of core over the links of this node: inputs in, outputs to links and to who asked. */
export class Searching {
  readonly #options: SearchingOptions;
  readonly #strategy;
  readonly #own = new Map<string, Own>();
  /** Queries of others that the log has, and lines that it may still get. */
  readonly #logged = new Recent<string, true>(SEARCH.maxMarks);
  readonly #lines: Bucket;
  readonly #ticker: NodeJS.Timeout;
  #stopped = false;

  constructor(options: SearchingOptions) {
    this.#options = options;
    this.#strategy = createAuto(options.view);
    this.#lines = new Bucket(SEARCH.logPerSecond, 10 * SEARCH.logPerSecond, options.now());
    this.#ticker = setInterval(() => this.#step({ type: 'tick' }), SEARCH.tickMs);
    this.#ticker.unref();
  }

  up(peer: string, label: string): void {
    this.#step({ type: 'neighbour-up', peer, label });
  }

  down(peer: string, label: string): void {
    this.#step({ type: 'neighbour-down', peer, label });
  }

  receive(from: string, frame: SearchFrame): void {
    // A node that goes does not take on what it cannot finish.
    if (this.#stopped) return;
    this.#step({ type: 'frame', from, frame });
  }

  unsent(to: string, frame: SearchFrame): void {
    this.#step({ type: 'unsent', to, frame });
  }

  /** Searches; the last event is the verdict. Leaving the loop early stops the search. */
  async *search(query: Query, options: SearchOptions = {}): AsyncGenerator<SearchEvent> {
    if (this.#own.size >= SEARCH.maxOwn)
      throw new KelanaError('BUSY', { what: 'search', most: SEARCH.maxOwn });
    const id = randomBytes(16).toString('hex');
    const own: Own = {
      query,
      startedAt: this.#options.now(),
      results: new Results(query, SEARCH.gatherMs),
      ending: new AbortController(),
      asked: options,
      looking: null,
    };
    this.#own.set(id, own);
    const stop = (): void => this.#step({ type: 'cancel', id });
    options.signal?.addEventListener('abort', stop, { once: true });
    try {
      this.#step({
        type: 'start',
        id,
        query,
        timeoutMs: Math.min(options.timeoutMs ?? SEARCH.timeoutMs, SEARCH.maxTimeoutMs),
        want: options.want ?? SEARCH.want,
        trace: options.trace ?? false,
        strategy: options.strategy ?? 'auto',
        settings: { audit: this.#options.audit },
        unlinked: this.#options.unlinked(),
      });
      if (options.signal?.aborted === true) stop();
      // The strategy ends every search by its deadline, so this loop does too.
      yield* own.results.read();
    } finally {
      options.signal?.removeEventListener('abort', stop);
      this.#own.delete(id);
      own.ending.abort(ENDED);
      own.results.close();
      stop();
    }
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#ticker);
    for (const id of this.#own.keys()) this.#step({ type: 'cancel', id });
  }

  #step(input: SearchInput): void {
    for (const output of this.#strategy.step(input, this.#options.now(), this.#options.random))
      this.#take(output);
  }

  #take(output: SearchOutput): void {
    const { emit, view, labelOf: nameOf } = this.#options;
    switch (output.type) {
      case 'send':
        this.#options.send(output.to, output.frame, output.addresses);
        return output.frame.type === 'confirm' ? this.#foretell(output.to, output.frame.id) : undefined;
      case 'liar':
        return this.#options.liar(output.peer, output.why);
      case 'asked': {
        // Walkers and tokens may come again; a line for each would fill the disk at a stranger's will.
        if (this.#logged.get(output.id) === true || !this.#lines.take(1, this.#options.now()))
          return undefined;
        this.#logged.set(output.id, true);
        const from = nameOf(output.from) ?? output.from;
        return emit({ type: 'search.received', who: view.label, query: textOf(output.query), from });
      }
      default: {
        const own = this.#own.get(output.id);
        return own === undefined ? undefined : this.#hear(own, output);
      }
    }
  }

  #hear(own: Own, output: Exclude<SearchOutput, { type: 'send' | 'liar' | 'asked' }>): void {
    const { emit, view, labelOf: nameOf } = this.#options;
    const elapsedMs = this.#options.now() - own.startedAt;
    const seconds = elapsedMs / 1000;
    switch (output.type) {
      case 'trail':
        for (const step of output.steps)
          own.results.step({ ...step, label: nameOf(step.peer) ?? step.label }, elapsedMs);
        return;
      case 'prove':
        this.#prove(own, output.id, output.hit);
        return;
      case 'dht':
        this.#look(own, output.id, output.query);
        return;
      case 'dht-stop':
        own.looking?.abort(ENDED);
        return;
      case 'hit': {
        const { peer, addresses } = output.hit;
        const label = nameOf(peer) ?? labelFrom(output.hit, view.addresses());
        own.asked.proved?.(holdingOf(output.hit), { peer, label, addresses });
        own.results.hit({ ...output.hit, label }, elapsedMs);
        emit({ type: 'search.found', who: view.label, name: output.hit.name, holder: label });
        emit({ type: 'search.response-time', who: view.label, holder: label, seconds });
        return;
      }
      case 'end': {
        const outcome = withRefused(output.outcome, this.#options.refused());
        const { verdict, asked, missing } = outcome;
        const query = textOf(own.query);
        own.results.end({ type: 'verdict', ...outcome, elapsedMs });
        emit({ type: 'search.ended', who: view.label, query, verdict, asked, missing, seconds });
      }
    }
  }

  #foretell(peer: string, id: string): void {
    const own = this.#own.get(id);
    if (own?.asked.claimed === undefined || own.query.kind !== 'cid') return;
    this.#options.foretell?.(peer, own.query.cid, own.ending.signal);
  }

  #prove(own: Own, id: string, hit: Hit): void {
    const { peer, cid } = hit;
    void this.#options
      .prove(hit, own.ending.signal)
      .then((proof) => this.#step({ type: 'proved', id, peer, cid, proof }));
    own.asked.claimed?.(holdingOf(hit));
  }

  #look(own: Own, id: string, query: Query): void {
    own.looking = new AbortController();
    const end = (messages: number): void => this.#step({ type: 'dht-end', id, messages });
    if (this.#options.dht === null) {
      // Not within the step that asked: the strategy is still at it.
      queueMicrotask(() => end(0));
      return;
    }
    const signal = AbortSignal.any([own.ending.signal, own.looking.signal]);
    void this.#options
      .dht(query, signal, (contact) => this.#step({ type: 'provider', id, contact }))
      .then(end, () => end(0));
  }
}

function holdingOf({ name, size, cid, kind, files }: Hit): Holding {
  return {
    name,
    size,
    cid,
    ...(kind === undefined ? {} : { kind }),
    ...(files === undefined ? {} : { files }),
  };
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
