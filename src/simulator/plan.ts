import type { StrategyName } from '../core/ports.ts';
import type { StrategySettings } from '../core/search/search.ts';
import type { Replication } from './content.ts';

export const GRAPHS = ['random', 'plrg', 'gnutella', 'grid', 'overlay'] as const;
export type GraphName = (typeof GRAPHS)[number];

/** Sizes of the graphs where nobody says: those of Lv et al. 2002, and 10,000 of ours. */
export const DEFAULT_NODES: Readonly<Record<GraphName, number>> = {
  random: 9_836,
  plrg: 9_230,
  gnutella: 4_736,
  grid: 10_000,
  overlay: 10_000,
};

/** ms that one message takes: a hop between two places of one country, with some work at each. */
export const ROUND_MS = 50;
export const MAX_NODES = 1_000_000;
/** Of random networks a few nodes work; below that there is nothing to measure. */
export const MIN_NODES = 2;

/** How many copies there are of what is looked for. */
export type Copies =
  | { readonly kind: 'count'; readonly count: number }
  /** Percent of the nodes. */
  | { readonly kind: 'percent'; readonly percent: number };

export function copiesText(copies: Copies): string {
  return copies.kind === 'count' ? String(copies.count) : `${copies.percent}%`;
}

/** At least one copy, but for a flat 0. */
export function copiesOf(copies: Copies, nodes: number): number {
  if (copies.kind === 'count') return copies.count;
  return copies.percent === 0 ? 0 : Math.max(1, Math.round((copies.percent * nodes) / 100));
}

/** One row of the result: one strategy, on one graph, for one kind of content. Shares are 0 to 1. */
export interface Cell {
  /** A name of `GRAPHS`, or that of a file. */
  readonly graph: string;
  /** 0 where the graph comes from a file, which says itself. */
  readonly nodes: number;
  readonly strategy: StrategyName;
  readonly settings: StrategySettings;
  readonly content: 'catalogue' | 'keywords';
  readonly copies: Copies;
  readonly replication: Replication;
  readonly zipf: number;
  readonly misses: number;
  /** Ask by CID instead of by name. */
  readonly cid: boolean;
  readonly queries: number;
  /** Share of nodes that leave during each query; with `joins` as many others come. */
  readonly churn: number;
  readonly joins: boolean;
  readonly loss: number;
  readonly liars: number;
  /** ms */
  readonly roundMs: number;
  /** ms; null: long enough for a walk over everything. */
  readonly timeoutMs: number | null;
}

export const CELL: Cell = {
  graph: 'overlay',
  nodes: DEFAULT_NODES.overlay,
  strategy: 'auto',
  settings: {},
  content: 'catalogue',
  copies: { kind: 'percent', percent: 1 },
  replication: 'uniform',
  zipf: 0,
  misses: 0,
  cid: false,
  queries: 100,
  churn: 0,
  joins: false,
  loss: 0,
  liars: 0,
  roundMs: ROUND_MS,
  timeoutMs: null,
};
