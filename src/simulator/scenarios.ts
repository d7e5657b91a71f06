import type { Text } from '../core/lang.ts';
import type { Claim, Figure } from './claims.ts';
import { CELL, type Cell, type Copies } from './plan.ts';

/** A ready-made run. Scenarios are data: cells, seeds, and what is claimed of each row. */
export interface Scenario {
  readonly name: ScenarioName;
  readonly summary: Text;
  readonly seeds: number;
  readonly cells: readonly ScenarioCell[];
  /** Also encode real prints and hold them against queries: on how many nodes, with how many queries. */
  readonly prints?: { readonly nodes: number; readonly sample: number; readonly queries: number };
}

export interface ScenarioCell {
  readonly cell: Cell;
  /** Without its size, which is shown as it was. */
  readonly title?: Text;
  /** Nodes for which the claims were made, where the cell has another number. */
  readonly meant?: number;
  readonly claims?: readonly Claim[];
}

export const SCENARIOS = ['lv-2002', 'keywords', 'churn', 'growth', 'goals'] as const;
export type ScenarioName = (typeof SCENARIOS)[number];

const ONE: Copies = { kind: 'count', count: 1 };
const NONE: Copies = { kind: 'count', count: 0 };
const percent = (value: number): Copies => ({ kind: 'percent', percent: value });
const most = (figure: Figure, value: number): Claim => ({ figure, kind: 'most', value });
const least = (figure: Figure, value: number): Claim => ({ figure, kind: 'least', value });
/** Figures of the paper; 5 % is how near flood and ring have to come. */
const paper = (figure: Figure, value: number, share = 0.05): Claim => ({
  figure,
  kind: 'within',
  value,
  share,
});

const LV: Cell = { ...CELL, graph: 'random', nodes: 9_836, copies: percent(1), queries: 1_000 };

/**
 * Lv, Cao, Cohen, Li, Shenker: Search and replication in unstructured peer-to-peer networks, ICS 2002; random graph,
 * uniform replication of 1 %. Hops of a ring include those of the rings before it, since they are delay.
 */
const lv2002: Scenario = {
  name: 'lv-2002',
  summary: {
    id: 'susunan Lv dkk. 2002: angka makalah di samping angka di sini',
    en: "the set-up of Lv et al. 2002: the paper's figures beside ours",
  },
  seeds: 1,
  cells: [
    {
      cell: { ...LV, strategy: 'flood', settings: { ttl: 8 } },
      claims: [paper('messagesPerNode', 2.509), paper('hopsMean', 3.4)],
    },
    {
      cell: { ...LV, strategy: 'ring', queries: 4_000 },
      claims: [paper('messagesPerNode', 0.061), paper('delayHopsMean', 5.77)],
    },
    {
      cell: { ...LV, strategy: 'walkers', settings: { walkers: 32 } },
      claims: [paper('messagesPerNode', 0.056, 0), paper('hopsMean', 10.3, 0)],
    },
    { cell: { ...LV, strategy: 'walk' } },
    { cell: { ...LV, strategy: 'groups' } },
    { cell: { ...LV, strategy: 'dht' } },
  ],
};

const WORDS: Cell = { ...CELL, content: 'keywords', misses: 0.25, queries: 1_000 };
const keywords: Scenario = {
  name: 'keywords',
  summary: {
    id: 'pencarian satu sampai tiga kata, seperempatnya tidak ada',
    en: 'queries of one to three words, a quarter of them for what nobody has',
  },
  seeds: 1,
  cells: [
    { cell: { ...WORDS, strategy: 'auto' } },
    { cell: { ...WORDS, strategy: 'groups', settings: { tokens: 1 } } },
    { cell: { ...WORDS, strategy: 'ring', queries: 50 } },
    { cell: { ...WORDS, strategy: 'flood', queries: 50 } },
    { cell: { ...WORDS, strategy: 'walkers', queries: 30 } },
    { cell: { ...WORDS, strategy: 'walk', queries: 30 } },
  ],
};

const CHURN = [0, 0.05, 0.1, 0.2, 0.3, 0.5] as const;
const churn: Scenario = {
  name: 'churn',
  summary: {
    id: 'sebagian node pergi di tengah pencarian',
    en: 'a share of the nodes leaves while a query runs',
  },
  seeds: 1,
  cells: [
    ...(['groups', 'auto', 'dht'] as const).flatMap((strategy) =>
      CHURN.map((share) => ({
        cell: { ...CELL, strategy, copies: percent(0.05), queries: 500, churn: share },
      })),
    ),
    ...(['walkers', 'walk'] as const).flatMap((strategy) =>
      CHURN.map((share) => ({
        // A walk that lost its way back asks the rest of the network on nobody's behalf: that takes a while.
        cell: {
          ...CELL,
          strategy,
          copies: percent(0.05),
          queries: strategy === 'walk' ? 10 : 50,
          churn: share,
        },
      })),
    ),
  ],
};

const SIZES = [1_000, 10_000, 100_000, 1_000_000] as const;
const growth: Scenario = {
  name: 'growth',
  summary: { id: 'seribu sampai sejuta node', en: 'a thousand to a million nodes' },
  seeds: 1,
  cells: SIZES.flatMap((nodes) => {
    const cell: Cell = { ...CELL, nodes, queries: 1_000 };
    return [
      { cell: { ...cell, strategy: 'groups' as const, copies: ONE } },
      { cell: { ...cell, strategy: 'groups' as const, copies: ONE, settings: { tokens: 1 } } },
      { cell: { ...cell, strategy: 'groups' as const, copies: NONE } },
      { cell: { ...cell, strategy: 'dht' as const, copies: ONE, cid: true } },
      ...(nodes > 100_000
        ? []
        : [{ cell: { ...cell, strategy: 'walkers' as const, copies: ONE, queries: 200_000 / nodes } }]),
    ];
  }),
};

const GOAL: Cell = { ...CELL, strategy: 'groups', queries: 1_000 };
/** One token at a time asks the fewest; several, the default, answer sooner and spend more on what is found late. */
const FRUGAL = { tokens: 1 } as const;
/** Real nodes ask a second member of each group before they say absent, so that no single liar can make it false. */
const AUDITED = { audit: true } as const;
const goals: Scenario = {
  name: 'goals',
  summary: {
    id: 'sasaran pencarian kelana, baris demi baris',
    en: "the goals of kelana's search, row by row",
  },
  seeds: 3,
  prints: { nodes: 10_000, sample: 300, queries: 1_000 },
  cells: [
    {
      cell: { ...GOAL, graph: 'plrg', nodes: 10_000, copies: percent(0.1) },
      title: { id: 'power-law, 0,1 %', en: 'power law, 0.1 %' },
      claims: [most('messagesMean', 10), most('peak', 0.2)],
    },
    {
      cell: { ...GOAL, graph: 'plrg', nodes: 10_000, copies: percent(0.1), settings: FRUGAL },
      title: { id: 'power-law, 0,1 %, satu token', en: 'power law, 0.1 %, one token' },
      claims: [most('messagesMean', 10), most('peak', 0.2)],
    },
    {
      cell: { ...GOAL, graph: 'random', nodes: 10_000, copies: percent(1) },
      title: { id: 'acak, 1 %', en: 'random, 1 %' },
      claims: [most('messagesMean', 3)],
    },
    ...(['overlay', 'plrg'] as const).flatMap((graph) => [
      {
        cell: { ...GOAL, graph, nodes: 10_000, copies: ONE },
        title: { id: `${graph}, satu salinan`, en: `${graph}, one copy` },
        claims: [most('messagesMean', 36), least('foundShare', 1)],
      },
      {
        cell: { ...GOAL, graph, nodes: 10_000, copies: ONE, settings: FRUGAL },
        title: { id: `${graph}, satu salinan, satu token`, en: `${graph}, one copy, one token` },
        claims: [most('messagesMean', 36), least('foundShare', 1)],
      },
      {
        cell: { ...GOAL, graph, nodes: 10_000, copies: NONE },
        title: { id: `${graph}, terbukti tidak ada`, en: `${graph}, definitive miss` },
        claims: [most('missMessagesMean', 100), most('missRoundsMean', 18), most('missBytesMean', 11_000)],
      },
    ]),
    {
      cell: { ...WORDS, strategy: 'auto' },
      title: { id: 'kata kunci', en: 'keyword mix' },
      claims: [most('messagesMean', 40), most('falseAbsent', 0)],
    },
    {
      cell: { ...GOAL, copies: NONE, settings: AUDITED },
      title: {
        id: 'overlay, terbukti tidak ada, seperti node sungguhan',
        en: 'overlay, definitive miss, as real nodes',
      },
      claims: [most('missMessagesMean', 100), most('missRoundsMean', 18), most('missBytesMean', 11_000)],
    },
    {
      cell: { ...WORDS, strategy: 'auto', settings: AUDITED },
      title: { id: 'kata kunci, seperti node sungguhan', en: 'keyword mix, as real nodes' },
      claims: [most('messagesMean', 40), most('falseAbsent', 0)],
    },
    {
      cell: { ...GOAL, strategy: 'dht', copies: ONE, cid: true },
      title: { id: 'hash tepat', en: 'exact hash' },
      claims: [most('messagesMean', 12)],
    },
    {
      cell: { ...GOAL, copies: ONE, churn: 0.2 },
      title: { id: '20 % pergi, satu salinan', en: '20 % churn, one copy' },
      claims: [least('recall', 0.995), most('falseAbsent', 0)],
    },
    {
      cell: { ...GOAL, copies: percent(0.1), churn: 0.2 },
      title: { id: '20 % pergi, 0,1 %', en: '20 % churn, 0.1 %' },
      claims: [least('recall', 0.995), most('falseAbsent', 0)],
    },
    {
      cell: { ...GOAL, nodes: 1_000_000, copies: ONE },
      title: { id: 'overlay, satu salinan', en: 'overlay, one copy' },
      claims: [most('messagesMean', 260)],
    },
    {
      cell: { ...GOAL, nodes: 1_000_000, copies: ONE, settings: FRUGAL },
      title: { id: 'overlay, satu salinan, satu token', en: 'overlay, one copy, one token' },
      claims: [most('messagesMean', 260)],
    },
    {
      cell: { ...GOAL, nodes: 1_000_000, copies: NONE },
      title: { id: 'overlay, terbukti tidak ada', en: 'overlay, definitive miss' },
      claims: [most('missMessagesMean', 800)],
    },
    {
      cell: { ...GOAL, nodes: 1_000_000, strategy: 'dht', copies: ONE, cid: true },
      title: { id: 'hash tepat', en: 'exact hash' },
      claims: [most('messagesMean', 18)],
    },
  ],
};

export const SCENARIO: Readonly<Record<ScenarioName, Scenario>> = {
  'lv-2002': lv2002,
  keywords,
  churn,
  growth,
  goals,
};
