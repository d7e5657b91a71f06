import type { Random } from '../random.ts';
import type { Hit, Query } from '../ports.ts';
import type { ReturnFrame, TrailStep, VisitFrame } from '../wire/search-frames.ts';
import { queryKey } from '../wire/search-parts.ts';
import type { Origin } from './origin.ts';
import type { Contact } from './search.ts';

/** A search of this node: it may walk more than once. */
export interface Own {
  readonly origin: Origin;
  /** Id of the present walk; the first has the search's own. */
  walk: string;
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
