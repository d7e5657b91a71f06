import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { FloodFrame } from '../wire/search-frames.ts';
import { Origin, sendTo, sum } from './origin.ts';
import {
  homeOf,
  hitsOf,
  type NodeView,
  type SearchInput,
  type SearchOutput,
  type Strategy,
} from './search.ts';

/**
 * Gnutella's TTL flood: every node that hears a query for the first time passes it to all neighbours but the sender,
 * until it has travelled `ttl` hops; who has a match tells the origin directly. A miss proves nothing: nodes may lie
 * further out. For comparison and teaching.
 */
export function createFlood(view: NodeView): Strategy {
  return spread(view, 'flood', (settings) => [bounded(settings?.ttl ?? SEARCH.floodTtl)]);
}

/**
 * Expanding ring (Lv et al. 2002, section 5.1): floods of 1, 3, 5 … hops, each only after the one before brought
 * nothing, so that what is near is found without asking everybody.
 */
export function createRing(view: NodeView): Strategy {
  return spread(view, 'ring', (settings) => {
    const last = bounded(settings?.ttl ?? SEARCH.floodTtl + 1);
    const rings: number[] = [];
    for (let ttl: number = SEARCH.ringFirst; ttl <= last; ttl += SEARCH.ringStep) rings.push(ttl);
    return rings;
  });
}

function bounded(ttl: number): number {
  return Math.min(Math.max(1, ttl), SEARCH.maxTtl);
}

type Settings = Extract<SearchInput, { type: 'start' }>['settings'];

interface Own {
  readonly origin: Origin;
  readonly rings: readonly number[];
  ring: number;
  /** ms: when this ring has had time enough. */
  until: number;
  /** Neighbours that were asked, in whatever ring. */
  readonly sentTo: Set<string>;
}

function spread(
  view: NodeView,
  name: 'flood' | 'ring',
  ringsOf: (settings: Settings) => readonly number[],
): Strategy {
  /** Latest ring heard of each query, and when to forget it. */
  const seen = new Map<string, { ring: number; forgetAt: number }>();
  const own = new Map<string, Own>();

  function step(input: SearchInput, now: number, _random: Random): readonly SearchOutput[] {
    const out: SearchOutput[] = [];
    if (input.type === 'start') start(input, now, out);
    else if (input.type === 'cancel') close(input.id, 'cancelled', out);
    else if (input.type === 'proved') {
      const search = own.get(input.id);
      search?.origin.proved(input, out);
      if (search?.origin.satisfied === true) close(input.id, 'found', out);
    } else if (input.type === 'forget') {
      seen.delete(input.id);
      own.delete(input.id);
    } else if (input.type === 'tick') tick(now, out);
    else if (input.type === 'frame') {
      const { frame, from } = input;
      if (frame.type === 'flood') hear(from, frame, now, out);
      else if (frame.type === 'found') {
        const search = own.get(frame.id);
        if (search === undefined) return out;
        if (!search.sentTo.has(from)) search.origin.asked = sum(search.origin.asked, 1);
        search.origin.messages = sum(search.origin.messages, 1);
        // Each node speaks for itself only: a hit of another's would be hearsay.
        search.origin.offer(
          frame.hits.filter((hit) => hit.peer === from),
          out,
        );
      } else if (frame.type === 'trace') {
        const origin = own.get(frame.id)?.origin;
        if (origin?.trace !== true) return out;
        const label = view.neighbour(from)?.label ?? from;
        out.push({ type: 'trail', id: frame.id, steps: [{ peer: from, label, hops: frame.hops }] });
      }
    }
    return out;
  }

  function start(input: Extract<SearchInput, { type: 'start' }>, now: number, out: SearchOutput[]): void {
    const origin = new Origin(input, name, now);
    origin.own(view, out);
    if (origin.satisfied) return origin.end('found', out);
    own.set(input.id, { origin, rings: ringsOf(input.settings), ring: -1, until: now, sentTo: new Set() });
    return next(input.id, now, out);
  }

  function next(id: string, now: number, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const { origin } = search;
    search.ring += 1;
    const ttl = search.rings[search.ring];
    if (ttl === undefined || now >= origin.deadline || origin.accepted > 0) {
      // A proof may still be under way; the deadline ends that wait too.
      if (origin.idle || now >= origin.deadline) close(id, now >= origin.deadline ? 'time' : 'no-proof', out);
      return;
    }
    search.until = Math.min(origin.deadline, now + ttl * SEARCH.floodHopMs);
    seen.set(id, { ring: search.ring, forgetAt: origin.deadline + SEARCH.markGraceMs });
    const { query, trace } = origin;
    const remainingMs = origin.remaining(now);
    pass(
      {
        type: 'flood',
        id,
        query,
        hops: 1,
        remainingMs,
        origin: homeOf(view),
        ttl: ttl - 1,
        ring: search.ring,
        trace,
      },
      null,
      out,
    );
    origin.messages = sum(origin.messages, view.neighbours().length);
    // Those beyond the neighbours are only heard of where they have something: the least that were asked.
    for (const { peer } of view.neighbours()) {
      if (search.sentTo.has(peer)) continue;
      search.sentTo.add(peer);
      origin.asked = sum(origin.asked, 1);
    }
  }

  function hear(from: string, frame: FloodFrame, now: number, out: SearchOutput[]): void {
    const before = seen.get(frame.id);
    if (before !== undefined && before.ring >= frame.ring) return;
    if (seen.size >= SEARCH.maxMarks) {
      // The oldest makes way, but for this node's own, which are few.
      for (const id of seen.keys()) if (!own.has(id) && seen.delete(id)) break;
    }
    seen.set(frame.id, { ring: frame.ring, forgetAt: now + frame.remainingMs + SEARCH.markGraceMs });
    const { id, query, hops, origin } = frame;
    if (frame.trace) sendTo(view, origin, { type: 'trace', id, hops }, out);
    const hits = hitsOf(view, query, hops, SEARCH.maxHits);
    out.push({ type: 'asked', id, query, from, hits });
    if (hits.length > 0) sendTo(view, origin, { type: 'found', id, hops, walker: 0, hits }, out);
    if (frame.ttl > 0) pass({ ...frame, hops: sum(hops, 1), ttl: frame.ttl - 1 }, from, out);
  }

  function pass(frame: FloodFrame, from: string | null, out: SearchOutput[]): void {
    for (const { peer } of view.neighbours()) {
      if (peer !== from && peer !== frame.origin.peer) out.push({ type: 'send', to: peer, frame });
    }
  }

  function tick(now: number, out: SearchOutput[]): void {
    for (const [id, search] of own) {
      if (now >= search.origin.deadline) close(id, 'time', out);
      else if (now >= search.until) next(id, now, out);
    }
    for (const [id, mark] of seen) if (now >= mark.forgetAt) seen.delete(id);
  }

  function close(id: string, ground: Parameters<Origin['end']>[0], out: SearchOutput[]): void {
    own.get(id)?.origin.end(ground, out);
    own.delete(id);
  }

  return { step };
}
