/**
 * Search among real nodes. Run: npm run bench:search [-- --nodes 200 --processes 4 --queries 300 --json]
 *
 * Starts the nodes in child processes on 127.0.0.1, each with a folder and 20 small files of its own, and gives each
 * the addresses of one or two earlier ones; links, prints and the DHT are then the nodes' own work. When links and
 * prints stand still, queries go one after the other from random nodes through the public `search` of the overlay:
 *   words     two words that stand together in one file of one node; the search ends at the first hit
 *   find      the same, wanting 20 hits, as `kelana find` does: it ends when all groups were asked
 *   name      the whole name of a file that one node has
 *   miss      two words that many files have, but none has both; nodes with even numbers audit (two members of each
 *             group are asked before absent is said, the default), those with odd ones do not
 * Columns: messages a query (mean, p95) as the origin counts them, hops to the first holder (mean), ms to the first hit
 * and to the verdict (median, p95), messages that the simulator predicts for the same queries from the same nodes on
 * the graph of this network, and predicted / measured with its standard error. `wrong` counts verdicts that are not
 * true, and holders that were named and have no such file.
 * Then what a node costs: RSS and heap (of a process, less one without nodes, over its nodes), CPU and bytes written
 * while nobody searches, and the prints it keeps.
 *
 * --dht on|off (default on)  --bits N|auto (log2 of the groups at the start; auto: nodes find out by themselves)
 * --resize-after MS  --idle S (how long the idle cost is watched, default 20)  --seed N  --graph FILE (writes the graph
 * for `kelana simulate --graph FILE`)  --settle S (default 600)  --walks N (queries of the row of walk)
 * --json prints one document. Ends with 5 where a goal is missed.
 */
import { writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { StrategyName } from '../src/core/ports.ts';
import { seededRandom } from '../src/core/random.ts';
import { encodePrints } from '../src/core/search/prints.ts';
import { bitsFor } from '../src/core/search/size.ts';
import { mean, percentile } from '../src/simulator/row.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import type { NodeState, SearchDone, Usage } from './search-child.ts';
import { Corpus, type Asked } from './search-corpus.ts';
import { audits, Net } from './search-net.ts';
import { exportGraph, predict, type Trial } from './search-predict.ts';
import { judged, judgementsOf, rowOf, tableOf, type Row } from './search-rows.ts';

const values = readArguments(
  `npm run bench:search -- [--nodes N] [--processes N] [--queries N] [--files N] [--walks N] [--dht on|off] [--bits N|auto]
  [--resize-after MS] [--idle S] [--settle S] [--seed N] [--graph FILE] [--json]`,
  () =>
    parseArgs({
      options: {
        nodes: { type: 'string', default: '200' },
        processes: { type: 'string', default: '4' },
        queries: { type: 'string', default: '300' },
        files: { type: 'string', default: '20' },
        walks: { type: 'string' },
        dht: { type: 'string', default: 'on' },
        bits: { type: 'string' },
        'resize-after': { type: 'string' },
        idle: { type: 'string', default: '20' },
        settle: { type: 'string', default: '600' },
        seed: { type: 'string', default: '1' },
        graph: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    }),
);
const [nodes, processes] = [wholeNumber('nodes', values.nodes), wholeNumber('processes', values.processes)];
const [queries, files] = [wholeNumber('queries', values.queries), wholeNumber('files', values.files)];
const seed = wholeNumber('seed', values.seed, 0);

interface Plan {
  readonly what: string;
  readonly strategy: StrategyName;
  readonly audit: boolean;
  readonly want: number;
  readonly count: number;
  readonly ask: () => Asked;
  readonly goal?: { readonly of: 'first' | 'verdict'; readonly limitMs: number };
  readonly predicted: boolean;
}

const FOUND = { of: 'first', limitMs: 50 } as const;
const MISS = { of: 'verdict', limitMs: 200 } as const;
/** Queries before those that count: code is compiled, and streams to other groups are open, as in a network in use. */
const WARM_UP = 20;
const NEVER_MS = 86_400_000;

const corpus = new Corpus(nodes, files, seed);
const [words, name, missing] = [() => corpus.words(), () => corpus.name(), () => corpus.missing()];
const one = { want: 1, count: queries };
const PLANS: readonly Plan[] = [
  { ...one, what: 'words', strategy: 'groups', audit: true, ask: words, goal: FOUND, predicted: true },
  {
    ...one,
    what: 'words without audit',
    strategy: 'groups',
    audit: false,
    ask: words,
    goal: FOUND,
    predicted: true,
  },
  { ...one, what: 'words', strategy: 'auto', audit: true, ask: words, goal: FOUND, predicted: true },
  {
    ...one,
    what: 'find',
    strategy: 'auto',
    audit: true,
    ask: words,
    goal: FOUND,
    want: 20,
    predicted: false,
  },
  { ...one, what: 'name', strategy: 'auto', audit: true, ask: name, predicted: false },
  { ...one, what: 'miss', strategy: 'auto', audit: true, ask: missing, goal: MISS, predicted: true },
  {
    ...one,
    what: 'miss without audit',
    strategy: 'auto',
    audit: false,
    ask: missing,
    goal: MISS,
    predicted: true,
  },
  {
    ...one,
    what: 'words',
    strategy: 'walk',
    audit: true,
    ask: words,
    count: Number(values.walks ?? queries),
    predicted: true,
  },
];

const started = performance.now();
function progress(text: string): void {
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${text}\n`);
}

async function ask(net: Net, plan: Plan, random: () => number): Promise<[Trial, SearchDone]> {
  const asked = plan.ask();
  for (;;) {
    const origin = Math.floor(random() * nodes);
    if (asked.holders.includes(origin) || audits(origin) !== plan.audit) continue;
    const { strategy, want } = plan;
    return [{ ...asked, origin }, await net.search({ node: origin, query: asked.query, strategy, want })];
  }
}

async function measure(net: Net, plan: Plan, graph: () => Promise<string>): Promise<Row> {
  const random = seededRandom(seed + 7);
  const trials: Trial[] = [];
  const done: SearchDone[] = [];
  let wrong = 0;
  for (let at = -WARM_UP; at < plan.count; at += 1) {
    const [trial, result] = await ask(net, plan, random);
    if (at < 0) continue;
    trials.push(trial);
    done.push(result);
    const holders = new Set(trial.holders.map((holder) => net.members[holder]?.peer));
    const lies = result.holders.some((peer) => !holders.has(peer));
    const expected = trial.holders.length > 0 ? 'found' : 'absent';
    if (lies || (result.verdict !== 'incomplete' && result.verdict !== expected)) wrong += 1;
    if (lies || result.verdict !== expected)
      progress(`expected ${expected}: ${JSON.stringify({ trial, result })}`);
    if (at % 100 === 99) progress(`${plan.what}, ${plan.strategy}: ${at + 1}/${plan.count}`);
  }
  const { what, strategy, goal, audit, predicted } = plan;
  const prediction = predicted
    ? predict(await graph(), trials, { strategy, settings: { audit }, seed })
    : undefined;
  const row = { what, strategy, done, wrong };
  return rowOf({
    ...row,
    ...(goal === undefined ? {} : { goal }),
    ...(prediction === undefined ? {} : { prediction }),
  });
}

/** What nodes cost while nobody searches. */
async function idle(net: Net, seconds: number) {
  const before = await net.usage();
  await sleep(seconds * 1000);
  const after = await net.usage();
  const grown = (of: (usage: Usage) => number): number =>
    after.reduce((sum, usage, at) => sum + of(usage) - of(before[at] ?? usage), 0);
  const minutes = grown(({ at }) => at) / after.length / 60_000;
  const over = (of: (usage: Usage) => number): number =>
    (after.reduce((sum, usage) => sum + of(usage), 0) - after.length * of(net.empty)) / nodes;
  return {
    seconds,
    rssBytes: over(({ rss }) => rss),
    heapBytes: over(({ heap }) => heap),
    cpuMsPerSecond: grown(({ cpuMicros }) => cpuMicros) / 1000 / (minutes * 60) / nodes,
    writtenBytesPerMinute: grown(({ written }) => written) / minutes / nodes,
  };
}

function shape(states: readonly NodeState[]) {
  const degrees = states.map(({ neighbours }) => neighbours.length);
  const of = (value: (state: NodeState) => number): number => mean(states.map(value));
  return {
    bits: of(({ bits }) => bits),
    edges: degrees.reduce((sum, degree) => sum + degree, 0) / 2,
    neighbours: { mean: mean(degrees), min: percentile(degrees, 0), max: percentile(degrees, 1) },
    members: of(({ members }) => members),
    estimate: of(({ estimate }) => estimate),
    dht: of((state) => state.dht),
    indexBytes: of(({ bytes }) => bytes),
  };
}

/** Bytes of the prints of one node, as they are sent. */
function printBytes(): number {
  const sizes = corpus.names.map((names) =>
    encodePrints(names.map((file, at) => ({ name: file, size: 1, cid: `${at}${file}` }))).segments.reduce(
      (sum, { length }) => sum + length,
      0,
    ),
  );
  return mean(sizes);
}

async function run(): Promise<number> {
  const bits = values.bits === 'auto' ? null : Number(values.bits ?? bitsFor(nodes));
  // A network that grows from one node to all within minutes, as none does, would change its groups all the while.
  const resizeAfterMs =
    values['resize-after'] === undefined ? (bits === null ? null : NEVER_MS) : Number(values['resize-after']);
  const dht = values.dht !== 'off';
  const settleTimeoutMs = Number(values.settle) * 1000;
  const options = { nodes, processes, corpus, seed, dht, bits, resizeAfterMs, settleTimeoutMs, progress };
  const net = await Net.start(options);
  try {
    const states = await net.states();
    if (values.graph !== undefined) writeFileSync(values.graph, exportGraph(net.members, states));
    const up = (await net.usage()).map(({ cpuMicros }) => cpuMicros / 1e6);
    const bringUp = {
      startedSeconds: net.startedMs / 1000,
      settledSeconds: net.settledMs / 1000,
      cpuSeconds: up.reduce((sum, value) => sum + value, 0),
    };
    progress(`settled; idle for ${values.idle} s`);
    const cost = { ...(await idle(net, Number(values.idle))), printBytes: printBytes() };
    const rows: Row[] = [];
    // Links may change meanwhile: each row is predicted on the graph as it was right after it.
    const graph = async (): Promise<string> => exportGraph(net.members, await net.states());
    const before = await net.usage();
    for (const plan of PLANS) {
      rows.push(await measure(net, plan, graph));
      if (!values.json) process.stdout.write(`${tableOf(rows.slice(-1))}\n`);
    }
    const after = await net.usage();
    const events: Record<string, number> = {};
    for (const [at, usage] of after.entries())
      for (const [type, count] of Object.entries(usage.events))
        events[type] = (events[type] ?? 0) + count - (before[at]?.events[type] ?? 0);
    const missed = rows.some((row) => row.goal?.ok === false || row.wrong > 0 || judged(row) === 'missed');
    const about = { nodes, processes, files, dht, bits, resizeAfterMs, seed, load: loadavg()[0] };
    const whole = { ...about, bringUp, network: shape(states), cost, rows, events };
    if (values.json) process.stdout.write(`${JSON.stringify(whole)}\n`);
    else {
      const { rows: _rows, ...rest } = whole;
      process.stdout.write(
        `\n${tableOf(rows)}\n\n${judgementsOf(rows)}\n\n${JSON.stringify(rest, null, 2)}\n`,
      );
    }
    return missed ? 5 : 0;
  } finally {
    progress('stopping');
    await net.close();
  }
}

process.exitCode = await run();
