import { SEARCH } from '../../core/config.ts';
import { STRATEGIES } from '../../core/ports.ts';
import { REPLICATIONS } from '../../simulator/content.ts';
import { GRAPHS, MAX_NODES, ROUND_MS } from '../../simulator/plan.ts';
import { SCENARIOS } from '../../simulator/scenarios.ts';
import type { Option } from '../command.ts';

const MAX_QUERIES = 1_000_000;

export const SIMULATE_OPTIONS: readonly Option[] = [
  {
    name: 'scenario',
    type: 'text',
    value: SCENARIOS.join('|'),
    oneOf: SCENARIOS,
    help: {
      id: 'susunan siap pakai; diubah oleh --queries, --nodes, --seed, dan --seeds',
      en: 'a ready-made run; --queries, --nodes, --seed and --seeds change it',
    },
  },
  {
    name: 'graph',
    type: 'text',
    value: 'GRAPH',
    many: true,
    help: {
      id: `graf: ${GRAPHS.join(', ')}, atau berkas .json (bawaan overlay)`,
      en: `graph: ${GRAPHS.join(', ')}, or a .json file (default overlay)`,
    },
  },
  {
    name: 'nodes',
    type: 'text',
    value: 'N',
    many: true,
    help: {
      id: `jumlah node, sampai ${MAX_NODES} (10k, 1M; bawaan menurut graf)`,
      en: `number of nodes, up to ${MAX_NODES} (10k, 1M; default by graph)`,
    },
  },
  {
    name: 'strategy',
    type: 'text',
    value: 'S',
    many: true,
    oneOf: STRATEGIES,
    help: {
      id: `strategi, boleh beberapa: ${STRATEGIES.join(', ')} (bawaan semua)`,
      en: `strategy, may be several: ${STRATEGIES.join(', ')} (default all)`,
    },
  },
  {
    name: 'copies',
    type: 'text',
    value: 'N|P%',
    many: true,
    help: {
      id: 'salinan dari yang dicari, jumlah atau persen node; 0: tidak ada yang punya (bawaan 1%)',
      en: 'copies of what is looked for, a number or percent of the nodes; 0: nobody has it (default 1%)',
    },
  },
  {
    name: 'queries',
    type: 'count',
    value: 'N',
    min: 1,
    max: MAX_QUERIES,
    help: { id: 'query per baris (bawaan 100)', en: 'queries of each row (default 100)' },
  },
  {
    name: 'misses',
    type: 'text',
    value: 'P%',
    help: { id: 'bagian query untuk yang tidak ada', en: 'share of queries for what nobody has' },
  },
  {
    name: 'keywords',
    type: 'flag',
    help: {
      id: 'cari satu sampai tiga kata di nama berkas, ganti --copies',
      en: 'ask for one to three words of file names, instead of --copies',
    },
  },
  {
    name: 'cid',
    type: 'flag',
    help: { id: 'cari menurut CID, bukan nama', en: 'ask by CID instead of by name' },
  },
  {
    name: 'replication',
    type: 'text',
    value: REPLICATIONS.join('|'),
    oneOf: REPLICATIONS,
    default: 'uniform',
    help: {
      id: 'sebaran salinan menurut seringnya dicari',
      en: 'how copies follow how often a thing is asked for',
    },
  },
  {
    name: 'zipf',
    type: 'rate',
    value: 'A',
    default: 0,
    max: 4,
    help: {
      id: 'eksponen Zipf dari seringnya dicari; 0: semua sama sering',
      en: 'Zipf exponent of how often things are asked for; 0: all alike',
    },
  },
  {
    name: 'churn',
    type: 'text',
    value: 'P%',
    help: {
      id: 'bagian node yang pergi selama tiap query',
      en: 'share of nodes that leave during each query',
    },
  },
  {
    name: 'joins',
    type: 'flag',
    help: { id: 'sebanyak yang pergi, ada yang datang', en: 'as many nodes join as leave' },
  },
  {
    name: 'loss',
    type: 'text',
    value: 'P%',
    help: { id: 'bagian pesan yang hilang', en: 'share of messages that vanish' },
  },
  {
    name: 'liars',
    type: 'text',
    value: 'P%',
    help: { id: 'bagian node yang berbohong', en: 'share of nodes that lie' },
  },
  {
    name: 'walkers',
    type: 'count',
    value: 'K',
    min: 1,
    max: SEARCH.maxWalkers,
    help: {
      id: `pejalan dari walkers (bawaan ${SEARCH.walkers})`,
      en: `walkers of walkers (default ${SEARCH.walkers})`,
    },
  },
  {
    name: 'ttl',
    type: 'count',
    value: 'HOPS',
    min: 1,
    max: SEARCH.maxTtl,
    help: {
      id: `jangkauan flood, dan cincin terakhir ring (bawaan ${SEARCH.floodTtl})`,
      en: `reach of flood, and last ring of ring (default ${SEARCH.floodTtl})`,
    },
  },
  {
    name: 'tokens',
    type: 'count',
    value: 'K',
    min: 1,
    max: SEARCH.maxTokens,
    help: { id: 'token serentak dari groups, paling banyak', en: 'tokens at once of groups, at most' },
  },
  {
    name: 'audit',
    type: 'flag',
    help: {
      id: 'groups menanya dua anggota tiap kelompok sebelum berkata tidak ada',
      en: 'groups asks two members of each group before it says absent',
    },
  },
  {
    name: 'round-ms',
    type: 'count',
    value: 'MS',
    min: 1,
    max: 10_000,
    default: ROUND_MS,
    help: { id: 'milidetik maya untuk satu pesan', en: 'virtual milliseconds of one message' },
  },
  {
    name: 'timeout',
    type: 'seconds',
    value: 'S',
    min: 0.001,
    max: 1e6,
    help: {
      id: 'batas waktu maya satu query (bawaan cukup untuk semua node)',
      en: 'virtual time limit of one query (default enough for all nodes)',
    },
  },
  {
    name: 'seed',
    type: 'count',
    value: 'N',
    default: 1,
    max: 0xffffffff,
    help: {
      id: 'benih; yang sama memberi hasil yang sama',
      en: 'seed; the same one gives the same result',
    },
  },
  {
    name: 'seeds',
    type: 'count',
    value: 'N',
    min: 1,
    max: 100,
    help: {
      id: 'graf dan query dari N benih, dirata-ratakan (bawaan 1)',
      en: 'graphs and queries of N seeds, averaged (default 1)',
    },
  },
  { name: 'csv', type: 'flag', help: { id: 'keluaran CSV', en: 'CSV output' } },
  {
    name: 'html',
    type: 'text',
    value: 'FILE',
    help: {
      id: 'tulis laporan HTML dengan grafik ke berkas ini',
      en: 'write an HTML report with plots to this file',
    },
  },
];

/** What a scenario leaves open; it says all else itself. */
export const BESIDE_SCENARIO: readonly string[] = [
  'scenario',
  'queries',
  'nodes',
  'seed',
  'seeds',
  'csv',
  'html',
];
