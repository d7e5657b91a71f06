import type { Hit } from '../ports.ts';
import type { SearchFrame } from '../wire/search-frames.ts';
import { Confirms } from './confirms.ts';
import type { Origin } from './origin.ts';
import { matches } from './query.ts';
import type { NodeView, SearchOutput } from './search.ts';

/** What was said of one holder by others. */
interface Said {
  readonly tellers: Set<string>;
  /** How far its files lie, by CID. */
  readonly hops: Map<string, number>;
}

/**
 * Hits that a walk brings home. Of its own files a neighbour is believed, once it has shown them. Whoever passes on
 * another's may have made up the name, which no CID proves: its holder is asked itself, and what it says counts.
 */
export class Hearsay {
  /** Peers that passed on what its holder denies: themselves liars, or taken in by one. */
  readonly misled = new Set<string>();
  readonly #view: NodeView;
  readonly #origin: Origin;
  readonly #confirms: Confirms;
  readonly #said = new Map<string, Said>();
  readonly #answered = new Set<string>();
  readonly #denied = new Set<string>();

  constructor(view: NodeView, origin: Origin) {
    this.#view = view;
    this.#origin = origin;
    this.#confirms = new Confirms(view, origin);
  }

  /** Holders that have yet to answer or to be asked. */
  get pending(): number {
    return this.#confirms.pending;
  }

  /** Hits that match the query; `from`: the neighbour that brought them. */
  offer(hits: readonly Hit[], from: string, now: number, out: SearchOutput[]): void {
    const { without } = this.#origin;
    this.#origin.offer(
      hits.filter((hit) => hit.peer === from),
      out,
    );
    for (const hit of hits) {
      const { peer } = hit;
      if (peer === from || without.has(peer)) continue;
      // This node has looked at its own files.
      if (peer === this.#view.peer || this.#denied.has(peer)) this.#mislead(from);
      // A peer that was dropped for lies is not asked; the walk begins anew without it.
      else if (this.#view.refuses?.(peer) === true) without.add(peer);
      else this.#ask(hit, from, now);
    }
  }

  pump(now: number, out: SearchOutput[]): void {
    this.#confirms.pump(now, out);
  }

  /** A `found` frame of a holder that was asked. */
  answered(from: string, frame: Extract<SearchFrame, { type: 'found' }>, out: SearchOutput[]): void {
    const said = this.#said.get(from);
    const hits = frame.hits.map((hit) => ({ ...hit, hops: said?.hops.get(hit.cid) ?? hit.hops }));
    const told: SearchOutput[] = [];
    if (!this.#confirms.answered(from, { ...frame, hits }, told)) return;
    // The walk was there before, and its trail has it.
    out.push(...told.filter(({ type }) => type !== 'trail'));
    this.#answered.add(from);
    const says = hits.some((hit) => hit.peer === from && matches(this.#origin.query, hit));
    if (says || frame.scanning === true) return;
    this.#denied.add(from);
    for (const teller of said?.tellers ?? []) this.#mislead(teller);
  }

  /** Could not be reached: what it holds is not known. */
  lost(peer: string): void {
    this.#confirms.lost(peer);
  }

  /** The link over which it was asked is gone: it is asked once more, wherever it can be dialled. */
  again(peer: string): void {
    this.#confirms.again(peer);
  }

  expire(now: number): void {
    this.#confirms.expire(now);
  }

  /** The walk begins anew: nothing of those that gave no answer is to end it again. */
  restart(): void {
    for (const peer of this.#said.keys()) if (!this.#answered.has(peer)) this.#origin.without.add(peer);
  }

  #ask(hit: Hit, from: string, now: number): void {
    const { peer, label, addresses, cid, hops } = hit;
    const said = this.#said.get(peer) ?? { tellers: new Set(), hops: new Map() };
    this.#said.set(peer, said);
    said.tellers.add(from);
    if (!said.hops.has(cid)) said.hops.set(cid, Math.max(1, hops));
    this.#confirms.add({ peer, label, addresses }, now, from);
  }

  /** Whoever made it up may have hidden more. */
  #mislead(teller: string): void {
    this.misled.add(teller);
    this.#origin.lack(teller);
  }
}
