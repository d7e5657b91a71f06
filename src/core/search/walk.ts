import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { ReturnFrame, VisitFrame } from '../wire/search-frames.ts';
import { answerConfirm } from './confirms.ts';
import { Hearsay } from './hearsay.ts';
import { Origin, sendTo, sum } from './origin.ts';
import { matches } from './query.ts';
import {
  again,
  answer,
  asSeen,
  draw32,
  lack,
  newId,
  newMark,
  tell,
  type Mark,
  type Own,
} from './walk-mark.ts';
import {
  homeOf,
  hitsOf,
  type NodeView,
  type SearchInput,
  type SearchOutput,
  type Strategy,
} from './search.ts';

/**
 * The seeds' random walk, made definitive: a depth-first traversal whose visited set lies in the nodes. One token
 * moves to a random neighbour that it has not tried; a node marks the query's id when the token first arrives and
 * sends it straight back when it comes again; a stuck token steps back the way it came. On a static graph each edge
 * carries exactly two frames, so a miss costs 2·edges messages and has asked every reachable node once
 * (Tarry 1895; Awerbuch 1985 for the distributed form).
 *
 * A neighbour that is lost while it has the token takes its branch with it: the answer is then `incomplete` and
 * names it, unless the file was found. A neighbour that lies about its branch hides nothing that is reached without it
 * too: see `again`. A hit of a node further off is asked of that node itself: see `Hearsay`. One that its holder denies
 * or cannot prove begins the walk anew without it.
 *
 * One state machine over shared maps, hence one file: its parts would only pass those maps to each other.
 */
export function createWalk(view: NodeView): Strategy {
  /** Insertion order is age: the oldest mark makes way when there are too many. */
  const marks = new Map<string, Mark>();
  /** Searches of this node by the id they were started with. */
  const own = new Map<string, Own>();

  function step(input: SearchInput, now: number, random: Random): readonly SearchOutput[] {
    const out: SearchOutput[] = [];
    switch (input.type) {
      case 'start':
        start(input, now, random, out);
        break;
      case 'cancel':
        cancelOwn(input.id, out);
        break;
      case 'frame':
        if (input.frame.type === 'visit') visit(input.from, input.frame, now, random, out);
        else if (input.frame.type === 'return') comeBack(input.from, input.frame, now, random, out);
        else if (input.frame.type === 'cancel') cancelFrom(input.from, input.frame.id, out);
        else if (input.frame.type === 'trace') traced(input.from, input.frame, out);
        else if (input.frame.type === 'confirm') answerConfirm(view, input.from, input.frame, out);
        else if (input.frame.type === 'found') {
          const search = own.get(input.frame.id);
          search?.hearsay.answered(input.from, input.frame, out);
          settle(search, now, random, out);
        }
        break;
      case 'neighbour-up':
        for (const mark of marks.values()) if (!mark.done) mark.untried?.push(input.peer);
        break;
      case 'neighbour-down':
        lose(input.peer, input.label, now, random, out);
        for (const search of own.values()) {
          search.hearsay.again(input.peer);
          settle(search, now, random, out);
        }
        break;
      case 'unsent':
        if (input.frame.type === 'visit') lose(input.to, input.to, now, random, out);
        else if (input.frame.type === 'confirm') {
          const search = own.get(input.frame.id);
          search?.hearsay.lost(input.to);
          settle(search, now, random, out);
        }
        break;
      case 'proved':
        proved(input, now, random, out);
        break;
      case 'forget':
        marks.delete(input.id);
        own.delete(input.id);
        break;
      case 'tick':
        expire(now, random, out);
        break;
      case 'provider':
      case 'dht-end':
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
    const origin = new Origin(input, 'walk', now);
    // Cut off from all peers that it knows, a node can prove nothing about the network they are in.
    const alone = view.neighbours().length === 0;
    if (alone) for (const label of input.unlinked ?? []) origin.lack(label);
    origin.own(view, out);
    if (origin.accepted > 0) origin.end('found', out);
    else if (alone) origin.end(origin.missingCount > 0 ? 'alone' : 'all-nodes', out);
    if (origin.done) return;
    const search: Own = {
      origin,
      hearsay: new Hearsay(view, origin),
      walk: input.id,
      restarts: 0,
      hits: false,
    };
    own.set(input.id, search);
    begin(search, now, random, out);
  }

  function begin(search: Own, now: number, random: Random, out: SearchOutput[]): void {
    const { origin } = search;
    const mark = newMark(search.walk, origin.query, null, 0, origin.deadline);
    mark.without = [...origin.without].slice(0, SEARCH.maxLiars);
    mark.own = search;
    // Whatever lies behind them may be reached around them.
    for (const peer of search.hearsay.misled) mark.tried.add(peer);
    if (origin.trace) mark.trace = homeOf(view);
    remember(mark);
    advance(mark, random, out, now);
  }

  function visit(from: string, frame: VisitFrame, now: number, random: Random, out: SearchOutput[]): void {
    const known = marks.get(frame.id);
    if (known !== undefined) {
      // The edge is used now, from the other end: trying it again would only bring the token back.
      known.tried.add(from);
      if (known.parent === from && !known.done) return;
      out.push({ type: 'send', to: from, frame: again(view, known, from, frame, random) });
      return;
    }
    const mark = newMark(frame.id, frame.query, from, frame.hops, now + frame.remainingMs);
    mark.asked = 1;
    mark.without = frame.without;
    mark.trail.push({ peer: view.peer, label: view.label, hops: frame.hops });
    remember(mark);
    if (frame.trace !== undefined) {
      mark.trace = frame.trace;
      sendTo(view, frame.trace, { type: 'trace', id: frame.id, hops: frame.hops }, out);
    }
    if (!mark.without.includes(view.peer))
      mark.hits.push(...hitsOf(view, frame.query, frame.hops, SEARCH.maxHits));
    out.push({ type: 'asked', id: frame.id, query: frame.query, from, hits: mark.hits });
    if (view.scanning()) lack(mark, view.label);
    if (mark.hits.length > 0) finish(mark, now, random, out);
    else advance(mark, random, out, now);
  }

  function comeBack(
    from: string,
    frame: ReturnFrame,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    const mark = marks.get(frame.id);
    if (mark === undefined || mark.done || mark.waiting !== from) return;
    mark.waiting = null;
    mark.messages = sum(mark.messages, frame.messages);
    mark.debt ^= frame.debt;
    mark.missingCount = sum(mark.missingCount, frame.missingCount);
    mark.missing.push(...frame.missing.slice(0, SEARCH.maxMissing - mark.missing.length));
    if (!frame.seen) {
      mark.asked = sum(mark.asked, frame.asked);
      mark.trail.push(...asSeen(view, from, frame.trail).slice(0, SEARCH.maxTrail - mark.trail.length));
    }
    // Only what was asked for: any other hit would end the walk short of the real one, or bring a file of another CID.
    // Whatever came over an edge lies at least one hop further, whatever the hit says of itself.
    const hits = frame.hits
      .filter((hit) => matches(mark.query, hit) && !mark.without.includes(hit.peer))
      .map((hit) => (hit.hops > mark.hops ? hit : { ...hit, hops: sum(mark.hops, 1) }));
    mark.hits.push(...hits.slice(0, SEARCH.maxHits - mark.hits.length));
    if (mark.hits.length > 0 || mark.cancelled) finish(mark, now, random, out, from);
    else advance(mark, random, out, now);
  }

  function advance(mark: Mark, random: Random, out: SearchOutput[], now: number): void {
    const left = mark.deadline - now;
    const next = left > 0 ? draw(mark, random) : undefined;
    if (next === undefined) {
      if (left <= 0) for (const peer of untriedOf(mark)) lack(mark, labelOf(peer));
      finish(mark, now, random, out);
      return;
    }
    mark.tried.add(next);
    mark.waiting = next;
    mark.messages = sum(mark.messages, 1);
    out.push({
      type: 'send',
      to: next,
      frame: {
        type: 'visit',
        id: mark.id,
        query: mark.query,
        hops: sum(mark.hops, 1),
        remainingMs: left,
        without: mark.without,
        ...(mark.trace === null ? {} : { trace: mark.trace }),
      },
    });
  }

  /** A random neighbour that was not tried; each is drawn once, so that a hub's many turns cost no more than its edges. */
  function draw(mark: Mark, random: Random): string | undefined {
    mark.untried ??= untriedOf(mark);
    const list = mark.untried;
    while (list.length > 0) {
      const at = Math.floor(random() * list.length);
      const peer = list[at];
      const last = list.pop();
      if (at < list.length && last !== undefined) list[at] = last;
      if (peer === undefined || peer === mark.parent || mark.tried.has(peer)) continue;
      if (view.neighbour(peer) !== undefined) return peer;
    }
    return undefined;
  }

  function untriedOf(mark: Mark): string[] {
    const list: string[] = [];
    for (const { peer } of view.neighbours())
      if (peer !== mark.parent && !mark.tried.has(peer)) list.push(peer);
    return list;
  }

  function lose(peer: string, label: string, now: number, random: Random, out: SearchOutput[]): void {
    for (const mark of marks.values()) {
      if (mark.done) continue;
      if (mark.parent === peer) {
        // Whoever waited for this branch counts it as lost; walking on would ask nodes on nobody's behalf.
        if (mark.waiting !== null)
          out.push({ type: 'send', to: mark.waiting, frame: { type: 'cancel', id: mark.id } });
        // Should anybody else ask for it: not all behind this node was asked.
        lack(mark, label);
        mark.done = true;
      } else if (mark.waiting === peer) {
        mark.waiting = null;
        lack(mark, label);
        advance(mark, random, out, now);
      }
    }
  }

  function expire(now: number, random: Random, out: SearchOutput[]): void {
    for (const mark of marks.values()) {
      if (!mark.done && now >= mark.deadline) {
        if (mark.waiting !== null) {
          out.push({ type: 'send', to: mark.waiting, frame: { type: 'cancel', id: mark.id } });
          lack(mark, labelOf(mark.waiting));
        }
        finish(mark, now, random, out);
      } else if (mark.done && now >= mark.deadline + SEARCH.markGraceMs) {
        marks.delete(mark.id);
      }
    }
    for (const search of own.values()) {
      search.hearsay.expire(now);
      if (now >= search.origin.deadline) close(search, 'time', out);
      else settle(search, now, random, out);
    }
  }

  /** Stops a search of this node: the cancel runs after the token, which then comes straight back. */
  function cancelOwn(id: string, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const mark = marks.get(search.walk);
    if (mark !== undefined && !mark.done) {
      stop(mark, out);
      mark.done = true;
      tell(search, mark, out);
    }
    close(search, 'cancelled', out);
  }

  function cancelFrom(from: string, id: string, out: SearchOutput[]): void {
    const mark = marks.get(id);
    if (mark !== undefined && !mark.done && mark.parent === from) stop(mark, out);
  }

  function stop(mark: Mark, out: SearchOutput[]): void {
    mark.cancelled = true;
    if (mark.waiting === null) return;
    out.push({ type: 'send', to: mark.waiting, frame: { type: 'cancel', id: mark.id } });
    lack(mark, labelOf(mark.waiting));
  }

  function finish(mark: Mark, now: number, random: Random, out: SearchOutput[], from?: string): void {
    mark.done = true;
    mark.waiting = null;
    const clean = mark.hits.length === 0 && mark.missingCount === 0;
    if (mark.own !== null) {
      // Nobody knows who.
      if (clean && mark.debt !== 0) mark.missingCount = 1;
      tell(mark.own, mark, out);
      mark.own.hits = mark.hits.length > 0;
      if (from !== undefined) mark.own.hearsay.offer(mark.hits, from, now, out);
      settle(mark.own, now, random, out);
      return;
    }
    if (mark.parent === null) return;
    // Not paid off: who keeps the hits or what is missing to itself must not be able to pass on the rest as all.
    if (!clean) mark.debt = draw32(random);
    const { id, asked, missingCount, missing, hits, trail, debt } = mark;
    const messages = sum(mark.messages, 1);
    out.push({
      type: 'send',
      to: mark.parent,
      frame: answer(id, { asked, messages, missingCount, missing, hits, trail, debt: debt >>> 0 }),
    });
  }

  function proved(
    input: Extract<SearchInput, { type: 'proved' }>,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    const search = own.get(input.id);
    search?.origin.proved(input, out);
    settle(search, now, random, out);
  }

  /** Ends a search whose walk is home, or begins it anew where every hit was false. */
  function settle(search: Own | undefined, now: number, random: Random, out: SearchOutput[]): void {
    if (search === undefined || search.origin.done || marks.get(search.walk)?.done === false) return;
    const { origin, hearsay } = search;
    hearsay.pump(now, out);
    const waits = hearsay.pending > 0 || !origin.idle;
    if (waits && !origin.satisfied) return;
    if (origin.accepted > 0 || !search.hits) {
      close(search, now >= origin.deadline ? 'time' : 'all-nodes', out);
    } else if (search.restarts < SEARCH.maxRestarts && now < origin.deadline) {
      search.restarts += 1;
      search.walk = newId(random);
      hearsay.restart();
      begin(search, now, random, out);
    } else close(search, 'lost', out);
  }

  function close(search: Own, ground: Parameters<Origin['end']>[0], out: SearchOutput[]): void {
    own.delete(search.origin.id);
    search.origin.end(ground, out);
  }

  function traced(from: string, frame: { id: string; hops: number }, out: SearchOutput[]): void {
    for (const { origin, walk } of own.values()) {
      if (walk !== frame.id || !origin.trace) continue;
      const label = view.neighbour(from)?.label ?? from;
      out.push({ type: 'trail', id: origin.id, steps: [{ peer: from, label, hops: frame.hops }] });
    }
  }

  function labelOf(peer: string): string {
    return view.neighbour(peer)?.label ?? peer;
  }

  function remember(mark: Mark): void {
    if (marks.size >= SEARCH.maxMarks) {
      // A stranger's flood of queries must not push out what this node itself is waiting for.
      for (const old of marks.values()) {
        if (old.own !== null && !old.done) continue;
        marks.delete(old.id);
        break;
      }
    }
    marks.set(mark.id, mark);
  }

  return { step };
}
