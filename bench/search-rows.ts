import { mean, percentile } from '../src/simulator/row.ts';
import type { SearchDone } from './search-child.ts';
import type { Prediction } from './search-predict.ts';

/** Figures of one kind of query. Times in ms, from the call of `search` to the event that its caller reads. */
export interface Row {
  readonly what: string;
  readonly strategy: string;
  readonly queries: number;
  readonly messages: number;
  readonly messagesP95: number;
  /** Null where nothing was found. */
  readonly hops: number | null;
  readonly firstMs: number | null;
  readonly firstP95Ms: number | null;
  readonly verdictMs: number;
  readonly verdictP95Ms: number;
  /** Verdicts with their grounds and the strategy that gave them, counted. */
  readonly verdicts: Readonly<Record<string, number>>;
  /** Verdicts that are not true, and holders that were named and hold nothing. */
  readonly wrong: number;
  readonly goal: {
    readonly what: string;
    readonly ms: number;
    readonly limitMs: number;
    readonly ok: boolean;
  } | null;
  /** Simulated messages a query on the same graph, and measured ones of it; null where it was not simulated. */
  readonly predicted: number | null;
  readonly ratio: number | null;
  /** Standard error of the ratio, from both samples. */
  readonly ratioError: number | null;
}

export interface RowInput {
  readonly what: string;
  readonly strategy: string;
  readonly done: readonly SearchDone[];
  readonly wrong: number;
  readonly goal?: { readonly of: 'first' | 'verdict'; readonly limitMs: number };
  readonly prediction?: Prediction;
}

export function rowOf({ what, strategy, done, wrong, goal, prediction }: RowInput): Row {
  const messages = done.map((one) => one.messages);
  const verdict = done.map(({ verdictMs }) => verdictMs);
  const first = done.flatMap(({ firstMs }) => firstMs ?? []);
  const hops = done.flatMap((one) => one.hops ?? []);
  const verdicts: Record<string, number> = {};
  for (const one of done) {
    const name = `${one.verdict} (${one.ground}, ${one.strategy})`;
    verdicts[name] = (verdicts[name] ?? 0) + 1;
  }
  const median = percentile(goal?.of === 'first' ? first : verdict, 0.5);
  const predicted = prediction === undefined ? null : mean(prediction.messages);
  return {
    what,
    strategy,
    queries: done.length,
    messages: mean(messages),
    messagesP95: percentile(messages, 0.95),
    hops: hops.length === 0 ? null : mean(hops),
    firstMs: first.length === 0 ? null : percentile(first, 0.5),
    firstP95Ms: first.length === 0 ? null : percentile(first, 0.95),
    verdictMs: percentile(verdict, 0.5),
    verdictP95Ms: percentile(verdict, 0.95),
    verdicts,
    wrong,
    goal:
      goal === undefined
        ? null
        : {
            what: goal.of === 'first' ? 'first hit, median' : 'verdict, median',
            ms: median,
            limitMs: goal.limitMs,
            ok: median < goal.limitMs && (goal.of === 'verdict' || first.length === done.length),
          },
    predicted,
    ratio: predicted === null ? null : predicted / mean(messages),
    ratioError:
      prediction === undefined || predicted === null
        ? null
        : (predicted / mean(messages)) *
          Math.hypot(relativeError(prediction.messages), relativeError(messages)),
  };
}

/** Standard error of the mean, as a share of it. */
function relativeError(values: readonly number[]): number {
  const middle = mean(values);
  const variance = mean(values.map((value) => (value - middle) ** 2));
  return Math.sqrt(variance / values.length) / middle;
}

const COLUMNS = [
  '',
  'queries',
  'messages',
  'p95',
  'hops',
  'first ms',
  'p95',
  'verdict ms',
  'p95',
  'predicted',
  'ratio',
];

export function tableOf(rows: readonly Row[]): string {
  const digits = (value: number | null, count: number): string => value?.toFixed(count) ?? '–';
  const cells = rows.map((row) => [
    `${row.what}, ${row.strategy}`,
    String(row.queries),
    digits(row.messages, 1),
    digits(row.messagesP95, 0),
    digits(row.hops, 2),
    digits(row.firstMs, 1),
    digits(row.firstP95Ms, 1),
    digits(row.verdictMs, 1),
    digits(row.verdictP95Ms, 1),
    digits(row.predicted, 1),
    row.ratio === null ? '–' : `${digits(row.ratio, 3)} ± ${digits(row.ratioError, 3)}`,
  ]);
  const all = [COLUMNS, ...cells];
  const widths = COLUMNS.map((_, at) => all.reduce((most, line) => Math.max(most, line[at]?.length ?? 0), 0));
  const line = (texts: readonly string[]): string =>
    texts
      .map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
      .join('  ');
  return all.map(line).join('\n');
}

/** Share by which the prediction may be off. */
const OFF = 0.15;

const JUDGED = { ok: 'ok    ', unclear: '?     ', missed: 'MISSED' } as const;

/** Unclear where the prediction is off by more than it may, but by less than chance explains: too few queries. */
export function judged({ ratio, ratioError }: Row): keyof typeof JUDGED {
  const off = Math.abs((ratio ?? 1) - 1);
  return off <= OFF ? 'ok' : off - 2 * (ratioError ?? 0) <= OFF ? 'unclear' : 'missed';
}

/** Verdicts of each row, and its goal beside its result. */
export function judgementsOf(rows: readonly Row[]): string {
  return rows
    .map((row) => {
      const { what, strategy, verdicts, wrong, goal, ratio } = row;
      const counts = Object.entries(verdicts).map(([name, count]) => `${count} ${name}`);
      const parts = [`${what}, ${strategy}: ${counts.join(', ')}; ${wrong} wrong`];
      if (goal !== null)
        parts.push(
          `  ${goal.ok ? 'ok    ' : 'MISSED'} ${goal.what} ${goal.ms.toFixed(1)} ms, goal < ${goal.limitMs} ms`,
        );
      if (ratio !== null)
        parts.push(
          `  ${JUDGED[judged(row)]} predicted by the simulator ${((ratio - 1) * 100).toFixed(1)} % off, goal within 15 %`,
        );
      return parts.join('\n');
    })
    .join('\n');
}
