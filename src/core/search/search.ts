import { SEARCH } from '../config.ts';
import type { Verdict } from '../events.ts';
import type { Ground, Hit, Holding, Query, StrategyName } from '../ports.ts';
import type { Random } from '../random.ts';
import type { Contact, SearchFrame, TrailStep } from '../wire/search-frames.ts';

export type { Contact, SearchFrame, TrailStep };

export interface Neighbour {
  readonly peer: string;
  readonly label: string;
}

/**
 * What a node knows when a strategy asks: itself, its neighbours, and the prints it keeps. Real nodes answer from
 * their links and library, the simulator from typed arrays; the strategies cannot tell which.
 */
export interface NodeView {
  readonly peer: string;
  readonly label: string;
  /** Multiaddrs of this node. */
  addresses(): readonly string[];
  lookup(query: Query): readonly Holding[];
  /** This node is still reading its files: what it does not find it may have all the same. */
  scanning(): boolean;
  neighbours(): readonly Neighbour[];
  neighbour(peer: string): Neighbour | undefined;
  /** First 32 bits of SHA-256 of a peer id: its group is the first `bits` of them. */
  keyOf(peer: string): number;
  /** Peers that were dropped for lies: what their prints claim is not asked about. */
  readonly refuses?: (peer: string) => boolean;
  readonly prints: PrintsView;
}

/** The prints of the node's group, and whom it knows of the other groups. */
export interface PrintsView {
  /** log2 of the number of groups this node counts with: 0 is one group of all. */
  bits(): number;
  /** Nodes of the network, estimated; at least 1. */
  estimate(): number;
  /** Members whose prints are here, this node included. */
  members(): number;
  /** ms on the clock of `step`: all prints that the group's members had then are here. -Infinity: never synced. */
  syncedAt(now: number): number;
  /**
   * Members of this node's group that may hold a match, this node left out. Where prints cannot tell (a glob without a
   * whole word) these are all members in one group of all, and null otherwise.
   */
  candidates(query: Query): readonly Contact[] | null;
  /** Nobody here ever met this peer, and it could not be reached lately: it is not asked, and counts as missing. */
  away?(peer: string, now: number): boolean;
  /** Known live members of the group with this prefix of `bits` bits, best first; this node left out. */
  contacts(prefix: number, bits: number): readonly Contact[];
}

export interface StrategySettings {
  /** `walkers`: how many. */
  readonly walkers?: number;
  /** `flood`: hops; `ring`: the last ring. */
  readonly ttl?: number;
  /** `groups`: tokens at once, at most. */
  readonly tokens?: number;
  /** `groups`: ask a second, independent member of each group before saying absent. */
  readonly audit?: boolean;
}

export type SearchInput =
  | {
      readonly type: 'start';
      readonly id: string;
      readonly query: Query;
      readonly timeoutMs: number;
      /** Hits that are enough; 1 by default. */
      readonly want?: number;
      readonly trace?: boolean;
      /** Of a node that runs several strategies. */
      readonly strategy?: StrategyName;
      readonly settings?: StrategySettings;
      /** Labels of peers that this node knows but has no link to now. */
      readonly unlinked?: readonly string[];
    }
  | { readonly type: 'cancel'; readonly id: string }
  | { readonly type: 'frame'; readonly from: string; readonly frame: SearchFrame }
  /** The view knows the neighbour already. */
  | { readonly type: 'neighbour-up'; readonly peer: string; readonly label: string }
  /** The view knows it no more. */
  | { readonly type: 'neighbour-down'; readonly peer: string; readonly label: string }
  /** A frame to a peer that could not be reached. */
  | { readonly type: 'unsent'; readonly to: string; readonly frame: SearchFrame }
  /** The DHT named a provider, or has nothing more to name. `messages`: what the look-up has cost in all. */
  | { readonly type: 'provider'; readonly id: string; readonly contact: Contact }
  | { readonly type: 'dht-end'; readonly id: string; readonly messages: number; readonly error?: string }
  /** Whether the holder of a `prove` showed bytes that hash to the CID; `unreachable` where it did not answer at all. */
  | {
      readonly type: 'proved';
      readonly id: string;
      readonly peer: string;
      readonly cid: string;
      readonly proof: 'holds' | 'lies' | 'unreachable';
    }
  /** Drop all that is kept of a query. */
  | { readonly type: 'forget'; readonly id: string }
  | { readonly type: 'tick' };

export type SearchOutput =
  | {
      readonly type: 'send';
      readonly to: string;
      readonly frame: SearchFrame;
      /** Where a peer that is no neighbour can be dialled. */
      readonly addresses?: readonly string[];
    }
  /** This node was asked by another and has looked into its own library. */
  | {
      readonly type: 'asked';
      readonly id: string;
      readonly query: Query;
      readonly from: string;
      readonly hits: readonly Hit[];
    }
  /** Have the holder show that it has the file; answered by `proved`. */
  | { readonly type: 'prove'; readonly id: string; readonly hit: Hit }
  /** A hit that is proved, or this node's own. */
  | { readonly type: 'hit'; readonly id: string; readonly hit: Hit }
  | { readonly type: 'trail'; readonly id: string; readonly steps: readonly TrailStep[] }
  /** Ask the DHT for providers; answered by `provider` and `dht-end`. `dht-stop` when no more are wanted. */
  | { readonly type: 'dht'; readonly id: string; readonly query: Query }
  | { readonly type: 'dht-stop'; readonly id: string }
  /** A peer said what cannot be true: it is scored, and dropped when it goes on. */
  | { readonly type: 'liar'; readonly peer: string; readonly why: string }
  | { readonly type: 'end'; readonly id: string; readonly outcome: Outcome };

export interface Outcome {
  readonly verdict: Verdict;
  readonly ground: Ground;
  readonly strategy: StrategyName;
  readonly asked: number;
  readonly messages: number;
  readonly missingCount: number;
  readonly missing: readonly string[];
}

/**
 * One search strategy at one node: pure, given time (ms, monotonic) and randomness with each step.
 * Real nodes and the simulator run the same object; whoever
 * runs it sends a `tick` at least every `SEARCH.tickMs` while it lives.
 */
export interface Strategy {
  step(input: SearchInput, now: number, random: Random): readonly SearchOutput[];
}

/** Where answers go: as short as it can be said, since it travels with every token. */
export function homeOf(view: NodeView): Contact {
  return { peer: view.peer, label: '', addresses: view.addresses().slice(0, SEARCH.homeAddresses) };
}

export function hitsOf(view: NodeView, query: Query, hops: number, most: number): Hit[] {
  return view
    .lookup(query)
    .slice(0, most)
    .map((holding) => ({
      ...holding,
      peer: view.peer,
      label: view.label,
      addresses: view.addresses(),
      hops,
    }));
}
