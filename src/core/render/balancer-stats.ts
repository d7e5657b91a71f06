import type { Figures } from '../balance/figures.ts';
import { countOf, quantile } from '../balance/latency.ts';
import type { BalancerFigures } from './balancer-metrics.ts';

/** A balancer's figures for programs that do not want to reckon with histograms. */
export interface BalancerStatsJson extends Omit<BalancerFigures, 'own' | 'backends'> {
  readonly url: string;
  readonly method: string;
  /** Since the balancer was started. */
  readonly requests: number;
  readonly shed: number;
  readonly own: FiguresJson;
  readonly backends: readonly (Omit<BalancerFigures['backends'][number], 'figures' | 'requests'> & {
    /** Requests sent to it, repeats included. */
    readonly attempts: number;
    readonly answered: FiguresJson;
  })[];
}

export interface FiguresJson {
  readonly requests: number;
  /** By class of status; `none` where there was none. */
  readonly statuses: Readonly<Record<'none' | '1xx' | '2xx' | '3xx' | '4xx' | '5xx', number>>;
  readonly retries: number;
  readonly bytes: number;
  /** Errors of the balancer's own by what they were; ejections of a backend by why. */
  readonly causes: Readonly<Record<string, number>>;
  /** ms within which half, 90 %, 99 % and 99.9 % ended, 19 % too high at most; null where there were none. */
  readonly latencyMs: Readonly<Record<'mean' | 'p50' | 'p90' | 'p99' | 'p999', number | null>>;
}

export function balancerStats(
  of: BalancerFigures & { url: string; method: string; requests: number; shed: number },
): BalancerStatsJson {
  const { url, method, requests, shed, active, queued, connections, workers } = of;
  return {
    url,
    method,
    requests,
    shed,
    active,
    queued,
    connections,
    workers,
    own: figuresJson(of.own),
    backends: of.backends.map((backend) => ({
      name: backend.name,
      state: backend.state,
      weight: backend.weight,
      active: backend.active,
      idle: backend.idle,
      attempts: backend.requests,
      failures: backend.failures,
      answered: figuresJson(backend.figures),
    })),
  };
}

function figuresJson({ answers, retries, bytes, latency, causes = {} }: Figures): FiguresJson {
  const of = (kind: number): number => answers[kind] ?? 0;
  const requests = countOf(latency);
  const within = (share: number): number | null => {
    const ms = quantile(latency, share);
    // The last bucket has no bound, and JSON no infinity.
    return ms === null || ms === Infinity ? null : round(ms);
  };
  return {
    requests,
    statuses: { none: of(0), '1xx': of(1), '2xx': of(2), '3xx': of(3), '4xx': of(4), '5xx': of(5) },
    retries,
    bytes,
    causes,
    latencyMs: {
      mean: requests === 0 ? null : round(latency.sumMs / requests),
      p50: within(0.5),
      p90: within(0.9),
      p99: within(0.99),
      p999: within(0.999),
    },
  };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
