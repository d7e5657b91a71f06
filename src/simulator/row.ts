import type { StrategyName } from '../core/ports.ts';
import type { Trial } from './ledger.ts';
import { copiesText, type Cell } from './plan.ts';

/** One row of the result. The order of the fields is the order of JSON and CSV. */
export interface Row {
  readonly graph: string;
  readonly nodes: number;
  readonly strategy: StrategyName;
  readonly copies: string;
  readonly queries: number;
  readonly found: number;
  readonly absent: number;
  readonly incomplete: number;
  /** Verdicts `absent` where a holder was there and could be reached from beginning to end. */
  readonly falseAbsent: number;
  readonly messagesMean: number;
  readonly messagesP95: number;
  /** Of the first hit, over the queries that found. */
  readonly hopsMean: number;
  readonly hopsP95: number;
  /** Rounds until the verdict. */
  readonly roundsMean: number;
  /** Messages that arrive at the busiest node, a query. */
  readonly peak: number;
  readonly bytesMean: number;
  /** Real time; the one field that differs from run to run. */
  readonly seconds: number;
  /** Settings that differ from the defaults, in words. */
  readonly variant: string;
  readonly seed: number;
  readonly seeds: number;
  readonly bits: number;
  readonly edges: number;
  readonly messagesPerNode: number;
  readonly roundsP95: number;
  /** Hops with those of all earlier rings: the delay of Lv et al. 2002. */
  readonly delayHopsMean: number;
  readonly falseFound: number;
  /** Of the queries whose verdict was not `found`. */
  readonly missMessagesMean: number;
  readonly missRoundsMean: number;
  readonly missBytesMean: number;
  /** Of the queries for which a holder remained and could be reached; null where there was none. */
  readonly recall: number | null;
  /** Messages that arrive at the median node, and at the one busier than 99 %, a query. */
  readonly loadMedian: number;
  readonly loadP99: number;
  readonly neverEnded: number;
  readonly liarsCaught: number;
  readonly churn: number;
  readonly loss: number;
  readonly liars: number;
  /** Lowest and highest mean of the seeds. */
  readonly messagesMin: number;
  readonly messagesMax: number;
}

/** One query with what is true of it. */
export interface Judged extends Trial {
  readonly falseAbsent: boolean;
  /** Whether a holder remained that could be reached. */
  readonly remains: boolean;
}

export interface About {
  readonly cell: Cell;
  readonly nodes: number;
  readonly edges: number;
  readonly bits: number;
  readonly seed: number;
  /** Messages that arrived at each node. */
  readonly load: Uint32Array;
  readonly seconds: number;
}

export function rowOf(trials: readonly Judged[], about: About): Row {
  const { cell, nodes, edges, bits, seed } = about;
  const count = (is: (trial: Judged) => boolean): number => trials.filter(is).length;
  const of = (value: (trial: Judged) => number | null): number[] =>
    trials.map(value).filter((one): one is number => one !== null);
  const misses = trials.filter(({ verdict }) => verdict !== 'found');
  const messages = of((trial) => trial.messages);
  const hops = of((trial) => trial.hops);
  const rounds = of((trial) => trial.rounds);
  const remaining = trials.filter(({ remains }) => remains);
  const load = about.load.slice().sort();
  const loadAt = (share: number): number =>
    (load[Math.max(0, Math.ceil(share * load.length) - 1)] ?? 0) / Math.max(1, trials.length);
  const messagesMean = round(mean(messages));
  return {
    graph: cell.graph,
    nodes,
    strategy: cell.strategy,
    copies: cell.content === 'keywords' ? 'keywords' : copiesText(cell.copies),
    queries: trials.length,
    found: count(({ verdict }) => verdict === 'found'),
    absent: count(({ verdict }) => verdict === 'absent'),
    incomplete: count(({ verdict }) => verdict === 'incomplete'),
    falseAbsent: count(({ falseAbsent }) => falseAbsent),
    messagesMean,
    messagesP95: percentile(messages, 0.95),
    hopsMean: round(mean(hops)),
    hopsP95: percentile(hops, 0.95),
    roundsMean: round(mean(rounds)),
    peak: round(loadAt(1)),
    bytesMean: round(mean(of((trial) => trial.bytes))),
    seconds: round(about.seconds),
    variant: variantOf(cell),
    seed,
    seeds: 1,
    bits,
    edges,
    messagesPerNode: round(mean(messages) / nodes),
    roundsP95: percentile(rounds, 0.95),
    delayHopsMean: round(mean(of((trial) => trial.delayHops))),
    falseFound: count(({ falseHit }) => falseHit),
    missMessagesMean: round(mean(misses.map((trial) => trial.messages))),
    missRoundsMean: round(mean(misses.map((trial) => trial.rounds))),
    missBytesMean: round(mean(misses.map((trial) => trial.bytes))),
    recall:
      remaining.length === 0
        ? null
        : round(remaining.filter(({ verdict }) => verdict === 'found').length / remaining.length, 6),
    loadMedian: round(loadAt(0.5)),
    loadP99: round(loadAt(0.99)),
    neverEnded: count(({ ground }) => ground === 'never ended'),
    liarsCaught: trials.reduce((sum, trial) => sum + trial.liarsCaught, 0),
    churn: cell.churn,
    loss: cell.loss,
    liars: cell.liars,
    messagesMin: messagesMean,
    messagesMax: messagesMean,
  };
}

function variantOf({ settings, cid, replication }: Cell): string {
  const parts = [
    ...(settings.walkers === undefined ? [] : [`k=${settings.walkers}`]),
    ...(settings.ttl === undefined ? [] : [`ttl=${settings.ttl}`]),
    ...(settings.tokens === undefined ? [] : [`k=${settings.tokens}`]),
    ...(settings.audit === true ? ['audit'] : []),
    ...(cid ? ['cid'] : []),
    ...(replication === 'uniform' ? [] : [replication]),
  ];
  return parts.join(' ');
}

const SUMS = ['queries', 'found', 'absent', 'incomplete', 'falseAbsent', 'falseFound', 'neverEnded'] as const;
const MEANS = [
  'messagesMean',
  'messagesP95',
  'hopsMean',
  'hopsP95',
  'roundsMean',
  'peak',
  'bytesMean',
  'edges',
  'messagesPerNode',
  'roundsP95',
  'delayHopsMean',
  'missMessagesMean',
  'missRoundsMean',
  'missBytesMean',
  'loadMedian',
  'loadP99',
] as const;

/** One row of the rows of several seeds: counts are summed, figures are means of means, with the lowest and highest. */
export function mergeSeeds(rows: readonly Row[]): Row {
  const [first] = rows;
  if (first === undefined) throw new RangeError('no rows to merge');
  if (rows.length === 1) return first;
  const sum = (key: (typeof SUMS)[number] | 'seconds' | 'liarsCaught'): number =>
    rows.reduce((total, row) => total + row[key], 0);
  const recalls = rows.map(({ recall }) => recall).filter((recall) => recall !== null);
  return {
    ...first,
    ...Object.fromEntries(SUMS.map((key) => [key, sum(key)])),
    ...Object.fromEntries(MEANS.map((key) => [key, round(mean(rows.map((row) => row[key])))])),
    seconds: round(sum('seconds')),
    liarsCaught: sum('liarsCaught'),
    seeds: rows.length,
    recall: recalls.length === 0 ? null : round(mean(recalls), 6),
    messagesMin: Math.min(...rows.map(({ messagesMean }) => messagesMean)),
    messagesMax: Math.max(...rows.map(({ messagesMean }) => messagesMean)),
  };
}

/** 0 of nothing. */
export function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Nearest rank. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

function round(value: number, digits = 4): number {
  return Number(value.toFixed(digits));
}
