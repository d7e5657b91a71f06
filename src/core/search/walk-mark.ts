import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { Hit, Query } from '../ports.ts';
import type { ReturnFrame, TrailStep, VisitFrame } from '../wire/search-frames.ts';
import { queryKey } from '../wire/search-parts.ts';
import type { Hearsay } from './hearsay.ts';
import { sum, type Origin } from './origin.ts';
import type { Contact, NodeView, SearchOutput } from './search.ts';

/** A search of this node: it may walk more than once. */
export interface Own {
  readonly origin: Origin;
  readonly hearsay: Hearsay;
  /** Id of the present walk; the first has the search's own. */
  walk: string;
  /** It brought hits home. */
  hits: boolean;
  restarts: number;
}

/** What a node remembers of one walk. */
export interface Mark {
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
  own: Own | null;
  trace: Contact | null;
  without: readonly string[];
  /** Neighbours still to draw from; made at the first draw. */
  untried: string[] | null;
  /** The neighbour that has the token, while it is away. */
  waiting: string | null;
  asked: number;
  messages: number;
  missingCount: number;
  /** What this node and all behind it owe, as 32 bits. */
  debt: number;
  cancelled: boolean;
  done: boolean;
}

export function newMark(
  id: string,
  query: Query,
  parent: string | null,
  hops: number,
  deadline: number,
): Mark {
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
    own: null,
    trace: null,
    without: [],
    untried: null,
    waiting: null,
    asked: 0,
    messages: 0,
    missingCount: 0,
    debt: 0,
    cancelled: false,
    done: false,
  };
}

export function answer(id: string, parts: Partial<Omit<ReturnFrame, 'type' | 'id'>>): ReturnFrame {
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
    debt: 0,
    ...parts,
  };
}

export function draw32(random: Random): number {
  return Math.floor(random() * 0xffffffff) + 1;
}

/** Whether a node is asked what it was asked before, with the same peers left out. */
export function alike(mark: Mark, { query, without }: VisitFrame): boolean {
  if (mark.without.join(' ') !== without.join(' ')) return false;
  return mark.query === query || queryKey(mark.query) === queryKey(query);
}

/** 16 random bytes in hex, from the step's own randomness so that the same seed gives the same walk. */
export function newId(random: Random): string {
  let id = '';
  for (let at = 0; at < 4; at += 1)
    id += Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0');
  return id;
}

export function lack(mark: Mark, label: string): void {
  mark.missingCount = sum(mark.missingCount, 1);
  if (mark.missing.length < SEARCH.maxMissing) mark.missing.push(label);
}

/** What we saw of a neighbour's address beats what it says of itself, unless it is on this very machine. */
export function asSeen(view: NodeView, from: string, trail: readonly TrailStep[]): readonly TrailStep[] {
  const label = view.neighbour(from)?.label;
  if (label === undefined || label.startsWith('localhost:')) return trail;
  return trail.map((step) => (step.peer === from ? { ...step, label } : step));
}

/** What the walk has brought home, into the search. */
export function tell(search: Own, mark: Mark, out: SearchOutput[]): void {
  const { origin } = search;
  origin.messages = sum(origin.messages, mark.messages);
  origin.asked = Math.max(origin.asked, mark.asked);
  for (const label of mark.missing) origin.lack(label);
  origin.missingCount = sum(origin.missingCount, mark.missingCount - mark.missing.length);
  if (mark.trail.length > 0 && !origin.trace) out.push({ type: 'trail', id: origin.id, steps: mark.trail });
}

/**
 * To whom asks a node that was asked before. In an honest walk it has the token's way behind it and ends later, on the
 * way home; but it may have been asked by a liar, which keeps to itself what comes of that. So a node that has ended
 * says again what came of it, and one that has not shares a debt with the asker: a random number that both take home.
 * All debts cancel out where both come home; where one does not, or not in full, the origin sees it.
 */
export function again(
  view: NodeView,
  known: Mark,
  from: string,
  frame: VisitFrame,
  random: Random,
): ReturnFrame {
  if (!alike(known, frame)) {
    // One of the two was asked something else, or of less, and its word is none on this question.
    if (!known.done) lack(known, view.neighbour(from)?.label ?? from);
    return answer(frame.id, { seen: true, messages: 1, missingCount: 1, missing: [view.label] });
  }
  if (known.done) {
    const { missingCount, missing, hits } = known;
    return answer(frame.id, {
      seen: true,
      messages: 1,
      missingCount,
      missing,
      hits,
      debt: known.debt >>> 0,
    });
  }
  const debt = draw32(random);
  known.debt ^= debt;
  return answer(frame.id, { seen: true, messages: 1, debt });
}
