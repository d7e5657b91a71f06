import type { Verdict } from '../events.ts';
import type { Hit, Holding, Query } from '../ports.ts';
import type { Random } from '../random.ts';
import { parseCid } from '../transfer/cid.ts';
import type { LinkFrame, TrailStep } from '../wire/frames.ts';

/** Frames that belong to searches; the rest keeps the link itself alive. */
export type SearchFrame = Extract<LinkFrame, { type: 'visit' | 'return' | 'cancel' }>;

/** What a node knows of itself when it answers. `addresses` are multiaddrs. */
export interface Self {
  readonly peer: string;
  readonly label: string;
  addresses(): readonly string[];
  lookup(query: Query): readonly Holding[];
}

export type SearchInput =
  | {
      readonly type: 'start';
      readonly id: string;
      readonly query: Query;
      readonly timeoutMs: number;
      /** Labels of peers that this node knows but has no link to now. */
      readonly unlinked?: readonly string[];
    }
  | { readonly type: 'cancel'; readonly id: string }
  | { readonly type: 'frame'; readonly from: string; readonly frame: SearchFrame }
  | { readonly type: 'neighbour-up'; readonly peer: string; readonly label: string }
  | { readonly type: 'neighbour-down'; readonly peer: string }
  | { readonly type: 'tick' };

export type SearchOutput =
  | { readonly type: 'send'; readonly to: string; readonly frame: SearchFrame }
  /** This node was asked by a neighbour and has looked into its own library. */
  | { readonly type: 'asked'; readonly query: Query; readonly from: string; readonly hits: readonly Hit[] }
  | { readonly type: 'hit'; readonly id: string; readonly hit: Hit }
  | { readonly type: 'trail'; readonly id: string; readonly steps: readonly TrailStep[] }
  | { readonly type: 'end'; readonly id: string; readonly outcome: Outcome };

export interface Outcome {
  readonly verdict: Verdict;
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

export function hitsOf(self: Self, query: Query, hops: number, most: number): Hit[] {
  return self
    .lookup(query)
    .slice(0, most)
    .map((holding) => ({
      ...holding,
      peer: self.peer,
      label: self.label,
      addresses: self.addresses(),
      hops,
    }));
}

/** Whether a file that some node offers is what was asked for: the CID itself, or the path or base name in any Unicode form. */
export function answers(query: Query, holding: Holding): boolean {
  if (query.kind === 'cid') {
    const asked = parseCid(query.cid);
    return asked !== null && parseCid(holding.cid)?.text === asked.text;
  }
  const name = holding.name.normalize('NFC');
  const asked = query.name.normalize('NFC');
  return name === asked || name.slice(name.lastIndexOf('/') + 1) === asked;
}
