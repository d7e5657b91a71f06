import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { WalkerFrame } from '../wire/search-frames.ts';
import { Origin, sendTo, sum } from './origin.ts';
import {
  homeOf,
  hitsOf,
  type NodeView,
  type PrintsView,
  type SearchInput,
  type SearchOutput,
  type Strategy,
} from './search.ts';

interface Own {
  readonly origin: Origin;
  /** Numbers of the walkers that are still on their way. */
  readonly alive: Set<number>;
  /** Hops each may make: in a small network they would only go round and round. */
  readonly hopsEach: number;
}

/**
 * k independent random walkers that ask their origin every 4 hops whether to go on (Lv, Cao, Cohen, Li, Shenker 2002,
 * section 5.2). Fast and cheap where copies are many; a miss proves nothing, since walkers may pass a node by.
 */
export function createWalkers(view: NodeView): Strategy {
  const own = new Map<string, Own>();
  /** Walkers that wait here for their origin's word. */
  const paused = new Map<string, { frame: WalkerFrame; from: string; until: number }>();

  function step(input: SearchInput, now: number, random: Random): readonly SearchOutput[] {
    const out: SearchOutput[] = [];
    switch (input.type) {
      case 'start':
        start(input, now, random, out);
        break;
      case 'cancel':
        close(input.id, 'cancelled', out);
        break;
      case 'frame':
        receive(input.from, input.frame, now, random, out);
        break;
      case 'unsent':
        if (input.frame.type === 'walker') retry(input.to, input.frame, random, out);
        break;
      case 'proved':
        own.get(input.id)?.origin.proved(input, out);
        settle(input.id, out);
        break;
      case 'forget':
        own.delete(input.id);
        for (const [key, { frame }] of paused) if (frame.id === input.id) paused.delete(key);
        break;
      case 'tick':
        for (const [id, { origin }] of own) if (now >= origin.deadline) close(id, 'time', out);
        for (const [key, { until }] of paused) if (now >= until) paused.delete(key);
        break;
      default:
        break;
    }
    return out;
  }

  function start(
    input: Extract<SearchInput, { type: 'start' }>,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    const origin = new Origin(input, 'walkers', now);
    origin.own(view, out);
    if (origin.satisfied) return origin.end('found', out);
    const alive = new Set<number>();
    const most = Math.min(input.settings?.walkers ?? SEARCH.walkers, SEARCH.maxWalkers);
    const hopsEach = Math.ceil((SEARCH.walkerHopsPerNode * view.prints.estimate()) / most);
    own.set(input.id, { origin, alive, hopsEach: Math.max(hopsEach, 2 * SEARCH.checkEvery) });
    for (let walker = 1; walker <= most; walker += 1) {
      const { id, query, trace } = origin;
      const frame: WalkerFrame = {
        type: 'walker',
        id,
        query,
        hops: 0,
        remainingMs: origin.remaining(now),
        origin: homeOf(view),
        walker,
        trace,
      };
      if (!move(frame, null, random, out)) break;
      alive.add(walker);
      origin.messages += 1;
    }
    return settle(input.id, out);
  }

  function receive(
    from: string,
    frame: Extract<SearchInput, { type: 'frame' }>['frame'],
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    if (frame.type === 'walker') arrive(from, frame, now, random, out);
    else if (frame.type === 'go') {
      const key = `${frame.id}/${frame.walker}`;
      const waiting = paused.get(key);
      if (waiting === undefined || waiting.frame.origin.peer !== from) return;
      paused.delete(key);
      if (frame.on) move(waiting.frame, waiting.from, random, out);
    } else if (frame.type === 'check') {
      const search = own.get(frame.id);
      const on =
        search !== undefined &&
        !search.origin.hopeful &&
        search.alive.has(frame.walker) &&
        frame.hops < search.hopsEach;
      out.push({ type: 'send', to: from, frame: { type: 'go', id: frame.id, walker: frame.walker, on } });
      if (search === undefined) return;
      const { origin, alive } = search;
      // Every hop of this walker since its last check, the check and its answer.
      origin.messages = sum(origin.messages, SEARCH.checkEvery + 2);
      origin.asked = sum(origin.asked, SEARCH.checkEvery);
      if (!on) alive.delete(frame.walker);
      settle(frame.id, out);
    } else if (frame.type === 'found') {
      const search = own.get(frame.id);
      if (search === undefined) return;
      search.alive.delete(frame.walker);
      search.origin.messages = sum(search.origin.messages, 1);
      search.origin.asked = sum(search.origin.asked, 1);
      search.origin.offer(
        frame.hits.filter((hit) => hit.peer === from),
        out,
      );
      settle(frame.id, out);
    } else if (frame.type === 'trace' && own.get(frame.id)?.origin.trace === true) {
      const label = view.neighbour(from)?.label ?? from;
      out.push({ type: 'trail', id: frame.id, steps: [{ peer: from, label, hops: frame.hops }] });
    }
  }

  function arrive(from: string, frame: WalkerFrame, now: number, random: Random, out: SearchOutput[]): void {
    const { id, query, hops, walker, origin } = frame;
    if (frame.trace) sendTo(view, origin, { type: 'trace', id, hops }, out);
    const hits = origin.peer === view.peer ? [] : hitsOf(view, query, hops, SEARCH.maxHits);
    out.push({ type: 'asked', id, query, from, hits });
    const ends = hits.length > 0 || hops >= SEARCH.maxWalkerHops || frame.remainingMs <= 0;
    if (ends) sendTo(view, origin, { type: 'found', id, hops, walker, hits }, out);
    else if (hops % SEARCH.checkEvery !== 0) move(frame, from, random, out);
    else if (origin.peer === view.peer) {
      const search = own.get(id);
      if (search === undefined) return;
      if (!search.origin.hopeful && hops < search.hopsEach) move(frame, from, random, out);
      else search.alive.delete(walker);
      settle(id, out);
    } else {
      if (paused.size >= SEARCH.maxMarks) return;
      paused.set(`${id}/${walker}`, { frame, from, until: now + SEARCH.checkTimeoutMs });
      sendTo(view, origin, { type: 'check', id, walker, hops }, out);
    }
  }

  /** To a random neighbour, back to where it came from only where there is no other. */
  function move(frame: WalkerFrame, from: string | null, random: Random, out: SearchOutput[]): boolean {
    const near = view.neighbours();
    let next = near[Math.floor(random() * near.length)];
    if (next?.peer === from && near.length > 1) {
      const other = Math.floor(random() * (near.length - 1));
      next = near[other]?.peer === from ? near[near.length - 1] : near[other];
    }
    if (next === undefined) return false;
    out.push({ type: 'send', to: next.peer, frame: { ...frame, hops: sum(frame.hops, 1) } });
    return true;
  }

  function retry(lost: string, frame: WalkerFrame, random: Random, out: SearchOutput[]): void {
    const back = { ...frame, hops: frame.hops - 1 };
    if (view.neighbours().some(({ peer }) => peer !== lost)) move(back, lost, random, out);
    else if (frame.origin.peer === view.peer) {
      own.get(frame.id)?.alive.delete(frame.walker);
      settle(frame.id, out);
    }
  }

  function settle(id: string, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const { origin, alive } = search;
    if (origin.satisfied) close(id, 'found', out);
    else if (alive.size === 0 && origin.idle) close(id, 'no-proof', out);
  }

  function close(id: string, ground: Parameters<Origin['end']>[0], out: SearchOutput[]): void {
    const origin = own.get(id)?.origin;
    own.delete(id);
    if (origin === undefined) return;
    // Walkers meet the same nodes again and again; there are no more to ask than there are.
    origin.asked = Math.min(origin.asked, Math.max(1, others(view.prints)));
    origin.end(ground, out);
  }

  return { step };
}

/** Nodes beside this one: where all prints are here they need no estimate. */
function others(prints: PrintsView): number {
  return (prints.bits() === 0 ? prints.members() : Math.ceil(prints.estimate())) - 1;
}
