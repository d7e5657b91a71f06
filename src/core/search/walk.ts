import { SEARCH } from '../config.ts';
import type { Hit, Query } from '../ports.ts';
import { pick, type Random } from '../random.ts';
import { MAX_COUNT, type ReturnFrame, type TrailStep } from '../wire/frames.ts';
import {
  answers,
  hitsOf,
  type SearchFrame,
  type SearchInput,
  type SearchOutput,
  type Self,
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
 * names it, unless the file was found.
 */
export function createWalk(self: Self): Strategy {
  const neighbours = new Map<string, string>();
  /** Insertion order is age: the oldest mark makes way when there are too many. */
  const marks = new Map<string, Mark>();

  function step(input: SearchInput, now: number, random: Random): readonly SearchOutput[] {
    const out: SearchOutput[] = [];
    switch (input.type) {
      case 'start':
        start(input, now, random, out);
        break;
      case 'cancel':
        cancel(input.id, out);
        break;
      case 'frame':
        receive(input.from, input.frame, now, random, out);
        break;
      case 'neighbour-up':
        neighbours.set(input.peer, input.label);
        break;
      case 'neighbour-down':
        lose(input.peer, now, random, out);
        break;
      case 'tick':
        expire(now, out);
        break;
    }
    return out;
  }

  function start(
    { id, query, timeoutMs, unlinked = [] }: Extract<SearchInput, { type: 'start' }>,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    const mark = newMark(id, query, null, 0, now + timeoutMs);
    // Cut off from all peers that it knows, a node can prove nothing about the network they are in.
    if (neighbours.size === 0) for (const label of unlinked) lack(mark, label, label);
    const own = hitsOf(self, query, 0, SEARCH.maxHits);
    remember(mark);
    if (own.length > 0) {
      mark.hits.push(...own);
      finish(mark, out);
    } else {
      advance(mark, random, out, now);
    }
  }

  function receive(from: string, frame: SearchFrame, now: number, random: Random, out: SearchOutput[]): void {
    if (frame.type === 'visit') visit(from, frame, now, random, out);
    else if (frame.type === 'return') comeBack(from, frame, now, random, out);
    else {
      const mark = marks.get(frame.id);
      if (mark !== undefined && mark.parent === from) cancel(frame.id, out);
    }
  }

  function visit(
    from: string,
    frame: Extract<SearchFrame, { type: 'visit' }>,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    const known = marks.get(frame.id);
    if (known !== undefined) {
      // The edge is used now, from the other end: trying it again would only bring the token back.
      known.tried.add(from);
      if (known.parent === from && !known.done) return;
      out.push({ type: 'send', to: from, frame: answer(frame.id, { seen: true, messages: 1 }) });
      return;
    }
    const mark = newMark(frame.id, frame.query, from, frame.hops, now + frame.remainingMs);
    mark.asked = 1;
    mark.trail.push({ peer: self.peer, label: self.label, hops: frame.hops });
    remember(mark);
    mark.hits.push(...hitsOf(self, frame.query, frame.hops, SEARCH.maxHits));
    out.push({ type: 'asked', query: frame.query, from, hits: mark.hits });
    if (mark.hits.length > 0) finish(mark, out);
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
    if (!frame.seen) {
      mark.asked = sum(mark.asked, frame.asked);
      mark.missingCount = sum(mark.missingCount, frame.missingCount);
      mark.missing.push(...frame.missing.slice(0, SEARCH.maxMissing - mark.missing.length));
      mark.trail.push(...asSeen(from, frame.trail).slice(0, SEARCH.maxTrail - mark.trail.length));
      // Only what was asked for: any other hit would end the walk short of the real one, or bring a file of another CID.
      // Whatever came over an edge lies at least one hop further, whatever the hit says of itself.
      const hits = frame.hits
        .filter((hit) => answers(mark.query, hit))
        .map((hit) => (hit.hops > mark.hops ? hit : { ...hit, hops: mark.hops + 1 }));
      mark.hits.push(...hits.slice(0, SEARCH.maxHits - mark.hits.length));
    }
    if (mark.hits.length > 0 || mark.cancelled) finish(mark, out);
    else advance(mark, random, out, now);
  }

  /** What we saw of a neighbour's address beats what it says of itself, unless it is on this very machine. */
  function asSeen(from: string, trail: readonly TrailStep[]): readonly TrailStep[] {
    const label = neighbours.get(from);
    if (label === undefined || label.startsWith('localhost:')) return trail;
    return trail.map((step) => (step.peer === from ? { ...step, label } : step));
  }

  function advance(mark: Mark, random: Random, out: SearchOutput[], now: number): void {
    const left = mark.deadline - now;
    const untried = [...neighbours.keys()].filter((peer) => peer !== mark.parent && !mark.tried.has(peer));
    const next = left > 0 ? pick(untried, random) : undefined;
    if (next === undefined) {
      if (left <= 0) for (const peer of untried) lack(mark, peer);
      finish(mark, out);
      return;
    }
    mark.tried.add(next);
    mark.waiting = next;
    mark.messages = sum(mark.messages, 1);
    const hops = sum(mark.hops, 1);
    out.push({
      type: 'send',
      to: next,
      frame: { type: 'visit', id: mark.id, query: mark.query, hops, remainingMs: left },
    });
  }

  function lose(peer: string, now: number, random: Random, out: SearchOutput[]): void {
    const label = neighbours.get(peer) ?? peer;
    neighbours.delete(peer);
    for (const mark of marks.values()) {
      if (mark.done) continue;
      if (mark.parent === peer) {
        // Whoever waited for this branch counts it as lost; walking on would ask nodes on nobody's behalf.
        if (mark.waiting !== null)
          out.push({ type: 'send', to: mark.waiting, frame: { type: 'cancel', id: mark.id } });
        mark.done = true;
      } else if (mark.waiting === peer) {
        mark.waiting = null;
        lack(mark, peer, label);
        advance(mark, random, out, now);
      }
    }
  }

  function expire(now: number, out: SearchOutput[]): void {
    for (const mark of marks.values()) {
      if (!mark.done && now >= mark.deadline) {
        if (mark.waiting !== null) {
          out.push({ type: 'send', to: mark.waiting, frame: { type: 'cancel', id: mark.id } });
          lack(mark, mark.waiting);
        }
        finish(mark, out);
      } else if (mark.done && now >= mark.deadline + SEARCH.markGraceMs) {
        marks.delete(mark.id);
      }
    }
  }

  /** Stops a search: the cancel runs after the token, which then comes straight back. */
  function cancel(id: string, out: SearchOutput[]): void {
    const mark = marks.get(id);
    if (mark === undefined || mark.done) return;
    mark.cancelled = true;
    if (mark.waiting !== null) {
      out.push({ type: 'send', to: mark.waiting, frame: { type: 'cancel', id } });
      lack(mark, mark.waiting);
    }
    if (mark.parent === null) finish(mark, out);
  }

  function finish(mark: Mark, out: SearchOutput[]): void {
    mark.done = true;
    mark.waiting = null;
    const { id, asked, missingCount, missing, hits, trail } = mark;
    if (mark.parent !== null) {
      const messages = sum(mark.messages, 1);
      out.push({
        type: 'send',
        to: mark.parent,
        frame: answer(id, { asked, messages, missingCount, missing, hits, trail }),
      });
      return;
    }
    if (trail.length > 0) out.push({ type: 'trail', id, steps: trail });
    for (const hit of hits) out.push({ type: 'hit', id, hit });
    const verdict = hits.length > 0 ? 'found' : missingCount > 0 ? 'incomplete' : 'absent';
    out.push({
      type: 'end',
      id,
      outcome: { verdict, asked, messages: mark.messages, missingCount, missing },
    });
  }

  function lack(mark: Mark, peer: string, label = neighbours.get(peer) ?? peer): void {
    mark.missingCount = sum(mark.missingCount, 1);
    if (mark.missing.length < SEARCH.maxMissing) mark.missing.push(label);
  }

  function remember(mark: Mark): void {
    if (marks.size >= SEARCH.maxMarks) {
      // A stranger's flood of queries must not push out what this node itself is waiting for.
      for (const old of marks.values()) {
        if (old.parent === null && !old.done) continue;
        marks.delete(old.id);
        break;
      }
    }
    marks.set(mark.id, mark);
  }

  return { step };
}

/** Neighbours may say any count that fits a frame; their sum must fit one too. */
function sum(a: number, b: number): number {
  return Math.min(a + b, MAX_COUNT);
}

/** What a node remembers of one query. */
interface Mark {
  readonly id: string;
  readonly query: Query;
  /** Where the token came from; null at the origin. */
  readonly parent: string | null;
  readonly hops: number;
  readonly deadline: number;
  readonly tried: Set<string>;
  readonly hits: Hit[];
  readonly missing: string[];
  readonly trail: TrailStep[];
  /** The neighbour that has the token, while it is away. */
  waiting: string | null;
  asked: number;
  messages: number;
  missingCount: number;
  cancelled: boolean;
  done: boolean;
}

function newMark(id: string, query: Query, parent: string | null, hops: number, deadline: number): Mark {
  return {
    id,
    query,
    parent,
    hops,
    deadline,
    tried: new Set(),
    hits: [],
    missing: [],
    trail: [],
    waiting: null,
    asked: 0,
    messages: 0,
    missingCount: 0,
    cancelled: false,
    done: false,
  };
}

function answer(id: string, parts: Partial<Omit<ReturnFrame, 'type' | 'id'>>): ReturnFrame {
  return {
    type: 'return',
    id,
    seen: false,
    asked: 0,
    messages: 0,
    missingCount: 0,
    missing: [],
    hits: [],
    trail: [],
    ...parts,
  };
}
