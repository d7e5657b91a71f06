import type { Hit, Query } from '../ports.ts';

/** A peer and where it can be dialled. */
export interface Contact {
  readonly peer: string;
  readonly label: string;
  readonly addresses: readonly string[];
}

export interface TrailStep {
  readonly peer: string;
  readonly label: string;
  readonly hops: number;
}

/** Of every frame that asks. */
export interface Asking {
  readonly id: string;
  readonly query: Query;
  /** Links and dials crossed to reach the receiver. */
  readonly hops: number;
  readonly remainingMs: number;
}

export interface VisitFrame extends Asking {
  readonly type: 'visit';
  /** Set where the origin wants to hear of each node as it is asked. */
  readonly trace?: Contact;
  /** Peers whose hits proved false: theirs count no more. */
  readonly without: readonly string[];
}

/** What a walk's token brings back over the edge it left by. */
export interface ReturnFrame {
  readonly type: 'return';
  readonly id: string;
  /** The node had been asked before: nothing new lies behind this edge. */
  readonly seen: boolean;
  /** Nodes newly asked behind this edge. */
  readonly asked: number;
  /** Frames sent behind this edge, this one included. */
  readonly messages: number;
  readonly missingCount: number;
  readonly missing: readonly string[];
  readonly hits: readonly Hit[];
  /** Nodes in the order in which the token reached them; the first `SEARCH.maxTrail`. */
  readonly trail: readonly TrailStep[];
  /** What is owed behind this edge: 32 bits, summed without carry (core/search/walk.ts). */
  readonly debt: number;
}

export interface FloodFrame extends Asking {
  readonly type: 'flood';
  readonly origin: Contact;
  /** Hops it may still travel beyond the receiver. */
  readonly ttl: number;
  /** Number of the ring, from 0; a plain flood has one. */
  readonly ring: number;
  readonly trace: boolean;
}

export interface WalkerFrame extends Asking {
  readonly type: 'walker';
  readonly origin: Contact;
  readonly walker: number;
  readonly trace: boolean;
}

/** A groups token. Sets are of 2^bits groups (core/search/bitset.ts). */
export interface TokenFrame extends Asking {
  readonly type: 'token';
  readonly origin: Contact;
  readonly bits: number;
  /** Groups that this token still has to ask. */
  readonly missing: Uint8Array;
  /** Groups that were asked since the origin last heard of them. */
  readonly covered: Uint8Array;
  /** Groups of which no synced member could be asked; empty where there are none. */
  readonly failed: Uint8Array;
  /** Groups that it may still ask before it comes home; 0 is no leash. */
  readonly leash: number;
  /** Which half of each group answers: 0 any, 1 or 2 by the bit after the prefix. */
  readonly half: number;
  /** Members of the present group that were asked in vain. */
  readonly tries: number;
  /** Nodes asked since the origin last heard. */
  readonly asked: number;
  /** The token's, below 2^53, drawn by its origin: who was not handed the token cannot report for it. */
  readonly number: number;
  readonly trace: boolean;
}

/** A token back at its origin: what it still lacked, what it asked, and what the last node asked knows. */
export interface ReportFrame {
  readonly type: 'report';
  readonly id: string;
  readonly bits: number;
  readonly missing: Uint8Array;
  readonly covered: Uint8Array;
  readonly failed: Uint8Array;
  readonly half: number;
  readonly asked: number;
  readonly hops: number;
  readonly number: number;
  /** Members whose prints match; the origin asks them itself. */
  readonly candidates: readonly Contact[];
  /** The sender's own files that match. */
  readonly hits: readonly Hit[];
}

export type SearchFrame =
  | VisitFrame
  | ReturnFrame
  | { readonly type: 'cancel'; readonly id: string }
  | FloodFrame
  | WalkerFrame
  /** A walker asks its origin whether to go on. */
  | { readonly type: 'check'; readonly id: string; readonly walker: number; readonly hops: number }
  /** The origin's answer to `check`. */
  | { readonly type: 'go'; readonly id: string; readonly walker: number; readonly on: boolean }
  /** Asks one node for its own files. */
  | ({ readonly type: 'confirm' } & Asking)
  /** A node's own files, to who asked or to the origin; none is an answer too. */
  | {
      readonly type: 'found';
      readonly id: string;
      readonly hops: number;
      readonly walker: number;
      readonly hits: readonly Hit[];
      /** The sender is still reading its files: there may be more. */
      readonly scanning?: true;
    }
  | TokenFrame
  | ReportFrame
  /** "I was asked", to an origin that traces. */
  | { readonly type: 'trace'; readonly id: string; readonly hops: number };

export const SEARCH_FIELD = {
  visit: 2,
  return: 3,
  cancel: 4,
  flood: 7,
  walker: 8,
  check: 9,
  go: 10,
  confirm: 11,
  found: 12,
  token: 13,
  report: 14,
  trace: 15,
} as const;

export function isSearchFrame(type: string): type is SearchFrame['type'] {
  return type in SEARCH_FIELD;
}
