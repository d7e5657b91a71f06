import type { Figures } from '../balance/figures.ts';
import { boundOf, countOf } from '../balance/latency.ts';
import { labels, MetricsText } from './metrics.ts';

/** A balancer's figures, summed over its processes. */
export interface BalancerFigures {
  readonly active: number;
  readonly queued: number;
  readonly connections: number;
  readonly workers: number;
  readonly own: Figures;
  readonly backends: readonly {
    readonly name: string;
    readonly state: string;
    readonly weight: number;
    readonly active: number;
    readonly idle: number;
    /** Requests sent to it, those that were sent again included, and those that brought no whole answer. */
    readonly requests: number;
    readonly failures: number;
    readonly figures: Figures;
  }[];
}

/** Every fourth bucket is a doubling: 22 bounds, from 0.1 ms to 3.5 minutes, would be more series than it is worth. */
const STEP = 4;
const FIRST = 4;
const LAST = 80;

/** The Prometheus text of a balancer. Labels are configured names, classes of statuses and fixed texts. */
export function balancerMetrics(figures: BalancerFigures): string {
  const text = new MetricsText('kelana_balancer_');
  const gauge = (name: string, help: string, value: number): void =>
    text.family(name, 'gauge', help, [['', value]]);
  gauge('requests_active', 'Requests under way.', figures.active);
  gauge('requests_queued', 'Requests that wait for a backend.', figures.queued);
  gauge('connections', 'Client connections that are open.', figures.connections);
  gauge('workers', 'Processes that serve.', figures.workers);
  const { backends, own } = figures;
  type Row = (typeof backends)[number];
  const each = (name: string, type: 'counter' | 'gauge', help: string, value: (row: Row) => number): void =>
    text.family(
      name,
      type,
      help,
      backends.map((row) => [labels({ backend: row.name }), value(row)]),
    );
  each('backend_up', 'gauge', '1 where the backend takes requests.', ({ state }) => (state === 'up' ? 1 : 0));
  each('backend_weight', 'gauge', 'Its share beside the others.', ({ weight }) => weight);
  each('backend_active', 'gauge', 'Requests it is working on.', ({ active }) => active);
  each('backend_idle', 'gauge', 'Connections to it that wait for use.', ({ idle }) => idle);
  each('backend_attempts_total', 'counter', 'Requests sent to it, repeats included.', (row) => row.requests);
  each('backend_failures_total', 'counter', 'Those of them without a whole answer.', (row) => row.failures);
  each('retries_total', 'counter', 'Requests sent once more, by who answered.', (row) => row.figures.retries);
  each('response_bytes_total', 'counter', 'Bytes of response bodies.', (row) => row.figures.bytes);
  const answered = [...backends.map(({ name, figures: of }) => ({ name, of })), { name: '', of: own }];
  text.family(
    'requests_total',
    'counter',
    'Requests ended, by who answered (nobody: the balancer itself) and class of status.',
    answered.flatMap(({ name, of }) =>
      of.answers.flatMap((count, kind): readonly (readonly [string, number])[] =>
        count === 0 ? [] : [[labels({ backend: name, status: kind === 0 ? 'none' : `${kind}xx` }), count]],
      ),
    ),
  );
  const causes = ({ causes: all = {} }: Figures): readonly (readonly [string, number])[] =>
    Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1));
  text.family(
    'errors_total',
    'counter',
    'Requests that the balancer answered with an error of its own, or cut off, by what it was.',
    causes(own).map(([cause, count]) => {
      const [error = '', ...reason] = cause.split(' ');
      return [labels({ error, reason: reason.join(' ') }), count];
    }),
  );
  text.family(
    'backend_ejections_total',
    'counter',
    'Times it was taken out because its requests failed.',
    backends.flatMap(({ name, figures: of }) =>
      causes(of).map(([reason, count]): readonly [string, number] => [
        labels({ backend: name, reason }),
        count,
      ]),
    ),
  );
  const buckets = Array.from({ length: (LAST - FIRST) / STEP + 1 }, (_, at) => FIRST + at * STEP);
  text.histogram(
    'request_seconds',
    "Time from a request's head to the end of its answer.",
    buckets.map((bucket) => boundOf(bucket) / 1000),
    backends.map(({ name, figures: { latency } }) => ({
      labels: labels({ backend: name }),
      counts: buckets.map((bucket, at) => between(latency.counts, at === 0 ? 0 : bucket - STEP + 1, bucket)),
      count: countOf(latency),
      sum: latency.sumMs / 1000,
    })),
  );
  return text.toString();
}

function between(counts: readonly number[], first: number, last: number): number {
  let sum = 0;
  for (let at = first; at <= last; at += 1) sum += counts[at] ?? 0;
  return sum;
}
