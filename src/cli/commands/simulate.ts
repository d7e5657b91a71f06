import { open, readFile, writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { EXIT, KelanaError, reason } from '../../core/errors.ts';
import { STRATEGIES, type StrategyName } from '../../core/ports.ts';
import { showable } from '../../core/render/escape.ts';
import { judgeRow, type Judgement } from '../../simulator/claims.ts';
import type { Replication } from '../../simulator/content.ts';
import { csvHead, csvLine } from '../../simulator/csv.ts';
import type { Graph } from '../../simulator/graph.ts';
import { graphFromJson } from '../../simulator/graphs/file.ts';
import { graphName } from '../../simulator/network.ts';
import { parseCopies, parseNodes, parsePercent } from '../../simulator/parse.ts';
import { CELL, DEFAULT_NODES, ROUND_MS, type Cell } from '../../simulator/plan.ts';
import { printsReport, type PrintsReport } from '../../simulator/prints-report.ts';
import { htmlReport, type Reported } from '../../simulator/report/html.ts';
import { printsLines } from '../../simulator/report/prints.ts';
import { judgementLine, tableHead, tableLine } from '../../simulator/report/table.ts';
import { runCells } from '../../simulator/run.ts';
import { SCENARIO, type ScenarioCell, type ScenarioName } from '../../simulator/scenarios.ts';
import { resized, titleText } from '../../simulator/titles.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import type { Values } from '../values.ts';
import { BESIDE_SCENARIO, SIMULATE_OPTIONS } from './simulate-options.ts';

/** ms of work between looks at signals, and between changes of the progress line. */
const BREATHE_MS = 50;

export const command: Command = {
  name: 'simulate',
  summary: {
    id: 'strategi pencarian di jaringan buatan dengan seribu sampai sejuta node',
    en: 'the search strategies on simulated networks of a thousand to a million nodes',
  },
  section: 'simulate',
  options: SIMULATE_OPTIONS,
  examples: [
    {
      line: 'kelana simulate',
      what: { id: 'semua strategi di 10.000 node', en: 'all strategies on 10,000 nodes' },
    },
    {
      line: 'kelana simulate --graph plrg --strategy walk --strategy groups --copies 0.1% --queries 1000',
      what: { id: 'dua strategi di graf power-law', en: 'two strategies on a power-law graph' },
    },
    {
      line: 'kelana simulate --nodes 1M --strategy groups --copies 1 --copies 0 --queries 1000 --json',
      what: { id: 'sejuta node, ada satu dan tidak ada', en: 'a million nodes, one copy and none' },
    },
    {
      line: 'kelana simulate --scenario lv-2002 --html lv-2002.html',
      what: { id: 'angka makalah Lv dkk. di samping angka di sini', en: "Lv et al.'s figures beside ours" },
    },
  ],
  run,
};

/** Exit codes: 0 done, 2 wrong usage, 5 a goal of the scenario was missed, 130 interrupted. */
async function run(context: Context, values: Values): Promise<number> {
  const name = values.text('scenario') as ScenarioName | undefined;
  const scenario = name === undefined ? null : SCENARIO[name];
  if (scenario !== null) checkBeside(values);
  if (values.flag('json') && values.flag('csv'))
    throw new KelanaError('USAGE', {
      detail: {
        id: '--json dan --csv tidak bisa dipakai bersama.',
        en: '--json and --csv do not go together.',
      },
      command: command.name,
    });
  const files = await readGraphs(context, values);
  const cells = scenario === null ? cellsOf(values, files) : resized(scenario.cells, sizesOf(values));
  checkCopies(cells.map(({ cell }) => cell));
  const html = values.text('html');
  // Better now than after minutes of work.
  if (html !== undefined) await checkReport(context, html);
  const seed = values.number('seed') ?? 1;
  const seeds = values.number('seeds') ?? scenario?.seeds ?? 1;
  const reported: Reported[] = [];
  const show = shower(context, values);
  let last = performance.now();
  const live = context.terminal && !values.flag('json') && !values.flag('csv');
  const clear = (): void => (live ? context.write('\r\u001B[K') : undefined);
  await runCells(
    { cells: cells.map(({ cell }) => cell), seed, seeds, files },
    {
      clock: () => performance.now() / 1000,
      breathe: () => {
        if (performance.now() - last < BREATHE_MS) return undefined;
        last = performance.now();
        return pause(context);
      },
      progress: ({ cell, part, parts, done }) => {
        if (live && performance.now() - last >= BREATHE_MS)
          context.write(
            `\r[${part + 1}/${parts}] ${cell.graph} ${cell.strategy} ${done}/${cell.queries}\u001B[K`,
          );
      },
      row: (row, index, single) => {
        clear();
        const cell = cells[index] ?? { cell: CELL };
        const judgements = judgeRow(row, cell.claims ?? []);
        const title = titleText(row, cell, context.lang);
        reported.push({ row, single, judgements, title });
        show.row(row, judgements, scenario === null ? null : title);
      },
    },
  ).finally(clear);
  const prints =
    scenario?.prints === undefined
      ? null
      : printsReport(scenario.prints.nodes, scenario.prints.sample, scenario.prints.queries, seed);
  if (prints !== null) show.prints(prints);
  if (html !== undefined) {
    const about = { scenario, seed, seeds, prints, lang: context.lang };
    await writeReport(context, html, htmlReport(reported, about));
  }
  const missed = reported.some(({ judgements }) => judgements.some(({ ok }) => ok === false));
  return missed ? EXIT.threshold : EXIT.done;
}

/** @throws KelanaError BAD_VALUE where there are not as many nodes as copies */
function checkCopies(cells: readonly Cell[]): void {
  for (const { copies, nodes } of cells) {
    if (copies.kind !== 'count' || copies.count <= nodes) continue;
    const why = { id: `hanya ada ${nodes} node`, en: `there are only ${nodes} nodes` };
    throw new KelanaError('BAD_VALUE', {
      name: '--copies',
      value: String(copies.count),
      why,
      example: '--copies 1%',
    });
  }
}

/** @throws KelanaError USAGE where an option would be passed over in silence */
function checkBeside(values: Values): void {
  for (const { name } of SIMULATE_OPTIONS) {
    if (values.origin(name) !== 'flag' || BESIDE_SCENARIO.includes(name)) continue;
    throw new KelanaError('USAGE', {
      detail: {
        id: `--${name} tidak bisa dipakai bersama --scenario, yang menentukannya sendiri.`,
        en: `--${name} and --scenario do not go together: the scenario sets it itself.`,
      },
      command: command.name,
    });
  }
}

async function pause(context: Context): Promise<void> {
  await new Promise((wake) => setImmediate(wake));
  if (context.signal.aborted) throw context.signal.reason;
}

function shower(context: Context, values: Values) {
  const { lang } = context;
  const [json, csv] = [values.flag('json'), values.flag('csv')];
  let first = true;
  return {
    row: (row: Reported['row'], judgements: readonly Judgement[], title: string | null): void => {
      const goals = judgements.length === 0 ? {} : { goals: judgements };
      if (json) context.out(JSON.stringify({ ...row, ...(title === null ? {} : { title }), ...goals }));
      else if (csv) context.out(first ? `${csvHead(row)}\n${csvLine(row)}` : csvLine(row));
      else {
        if (first) context.out(tableHead(lang));
        if (title !== null) context.out(`# ${title}`);
        context.out(showable(tableLine(row, lang)));
        for (const judgement of judgements) context.out(judgementLine(judgement, lang));
      }
      first = false;
    },
    prints: (prints: PrintsReport): void => {
      if (json) context.out(JSON.stringify({ prints }));
      else if (!csv) for (const line of printsLines(prints, lang)) context.out(line);
    },
  };
}

async function readGraphs(context: Context, values: Values): Promise<Map<string, Graph>> {
  const files = new Map<string, Graph>();
  for (const graph of values.texts('graph')) {
    if (!graph.endsWith('.json')) continue;
    const path = resolve(context.cwd, graph);
    const text = await readFile(path, 'utf8').catch((error: unknown) => {
      throw new KelanaError('CANNOT_READ', { path: graph, why: reason(error) });
    });
    files.set(graph, { ...graphFromJson(text, graph), name: basename(graph) });
  }
  return files;
}

/** Every graph with every size, number of copies and strategy. */
function cellsOf(values: Values, files: ReadonlyMap<string, Graph>): ScenarioCell[] {
  const graphs = values.texts('graph').length > 0 ? values.texts('graph') : ['overlay'];
  const strategies = values.texts('strategy').length > 0 ? values.texts('strategy') : STRATEGIES;
  const copies = values.texts('copies').length > 0 ? values.texts('copies') : ['1%'];
  const base = baseOf(values);
  return graphs.flatMap((graph) => {
    const sizes = files.has(graph) ? [0] : values.texts('nodes').map(parseNodes);
    const all = sizes.length > 0 ? sizes : [DEFAULT_NODES[graphName(graph)]];
    if (!files.has(graph)) graphName(graph);
    return all.flatMap((nodes) =>
      copies.flatMap((count) =>
        (strategies as readonly StrategyName[]).map((strategy) => ({
          cell: { ...base, graph, nodes, strategy, copies: parseCopies(count) },
        })),
      ),
    );
  });
}

function baseOf(values: Values): Cell {
  const percent = (name: string, none: number): number => {
    const text = values.text(name);
    return text === undefined ? none : parsePercent(text, `--${name}`);
  };
  const keywords = values.flag('keywords');
  const setting = (name: 'walkers' | 'ttl' | 'tokens') => {
    const value = values.number(name);
    return value === undefined ? {} : { [name]: value };
  };
  const timeout = values.number('timeout');
  return {
    ...CELL,
    settings: {
      ...setting('walkers'),
      ...setting('ttl'),
      ...setting('tokens'),
      ...(values.flag('audit') ? { audit: true } : {}),
    },
    content: keywords ? 'keywords' : 'catalogue',
    replication: (values.text('replication') ?? 'uniform') as Replication,
    zipf: values.number('zipf') ?? 0,
    misses: percent('misses', keywords ? 0.25 : 0),
    cid: values.flag('cid'),
    queries: values.number('queries') ?? CELL.queries,
    churn: percent('churn', 0),
    joins: values.flag('joins'),
    loss: percent('loss', 0),
    liars: percent('liars', 0),
    roundMs: values.number('round-ms') ?? ROUND_MS,
    timeoutMs: timeout === undefined ? null : timeout * 1000,
  };
}

/** What `--queries` and `--nodes` change of a scenario. */
function sizesOf(values: Values): { nodes: number | undefined; queries: number | undefined } {
  const [nodes] = values.texts('nodes').map(parseNodes);
  return { nodes, queries: values.number('queries') };
}

/** That the report can be written; what an older run wrote there stays until it is. */
async function checkReport(context: Context, file: string): Promise<void> {
  try {
    await (await open(resolve(context.cwd, file), 'a')).close();
  } catch (error) {
    throw new KelanaError('CANNOT_WRITE', { path: file, why: reason(error) });
  }
}

async function writeReport(context: Context, file: string, html: string): Promise<void> {
  try {
    await writeFile(resolve(context.cwd, file), html);
  } catch (error) {
    throw new KelanaError('CANNOT_WRITE', { path: file, why: reason(error) });
  }
  const shown = showable(file);
  context.err(
    context.lang === 'id' ? `kelana: laporan ditulis ke ${shown}` : `kelana: report written to ${shown}`,
  );
}
