import type { Desired, DesiredBackend, Given } from '../core/balance/changes.ts';
import { NO_FIGURES, sumFigures, type Figures } from '../core/balance/figures.ts';
import { balancerMetrics } from '../core/render/balancer-metrics.ts';
import { balancerStats, type BalancerStatsJson } from '../core/render/balancer-stats.ts';
import type { BackendStats } from './backend.ts';
import type { FleetStats } from './fleet.ts';
import { isUnverified } from './unverified.ts';

/**
 * A running balancer, as `kelana balancer ls --json` prints it. Counts are sums over all of its processes since it was
 * started, those that ended included.
 */
export interface BalancerView {
  readonly url: string;
  /** Of the process that holds the sockets; it stays the same over upgrades. */
  readonly pid: number;
  readonly method: string;
  readonly methodOrigin: Origin;
  readonly requests: number;
  readonly active: number;
  /** Of those, waiting for a backend that has room; and answered 503 so far because there was too much to do. */
  readonly queued: number;
  readonly shed: number;
  readonly connections: number;
  /** Of the requests that no backend answered. */
  readonly own: Figures;
  readonly backends: readonly BackendRow[];
  readonly workers: readonly WorkerRow[];
  /** Pids of processes that were replaced and finish what they have. */
  readonly retiring: readonly number[];
}

/** From flags, environment or file; or changed while it ran. */
export type Origin = 'given' | 'runtime';

export interface WorkerRow {
  readonly pid: number;
  readonly requests: number;
  readonly active: number;
  readonly connections: number;
}

export interface BackendRow {
  readonly name: string;
  readonly url: string;
  readonly weight: number;
  readonly origin: Origin | 'discovered';
  /** The name it was found by, where it was discovered. */
  readonly from?: string;
  /** Where the weight comes from. */
  readonly weightOrigin: Origin;
  readonly state: 'up' | 'down' | 'drained' | 'ejected';
  /** False where any certificate of it is taken; left out where it is checked, or there is none. */
  readonly verify?: false;
  /** Processes that find it up, of those that serve. */
  readonly up: number;
  readonly active: number;
  readonly requests: number;
  readonly failures: number;
  readonly idle: number;
  /** Of the requests it answered. */
  readonly figures: Figures;
}

export function viewOf(of: {
  readonly url: string;
  readonly pid: number;
  readonly wanted: Desired;
  readonly given: Given;
  readonly fleet: FleetStats;
}): BalancerView {
  const { workers, retiring, finishing, past } = of.fleet;
  type Count = (worker: (typeof workers)[number]) => number;
  const sum = (count: Count): number => workers.reduce((total, worker) => total + count(worker), 0);
  const under = (count: Count): number =>
    finishing.reduce((total, worker) => total + count(worker), sum(count));
  const backends = of.wanted.backends.map((backend): BackendRow => {
    const { name, weight, origin, from, reweighted, spec } = backend;
    const of = (all: typeof workers) =>
      all.flatMap((worker) => worker.backends.filter(({ label }) => label === name));
    const seen = of(workers);
    const total = (count: (backend: (typeof seen)[number]) => number): number =>
      seen.reduce((all, one) => all + count(one), 0);
    const up = total((one) => (one.up ? 1 : 0));
    const before = past.backends.get(name);
    return {
      name,
      url: seen[0]?.url ?? spec.split(',')[0] ?? spec,
      weight,
      origin: from === undefined ? origin : 'discovered',
      ...(from === undefined ? {} : { from }),
      ...(isUnverified(spec) ? { verify: false as const } : {}),
      weightOrigin: reweighted || origin === 'runtime' ? 'runtime' : 'given',
      state: stateOf(backend, seen),
      up,
      active: of(finishing).reduce(
        (all, one) => all + one.active,
        total((one) => one.active),
      ),
      requests: total((one) => one.requests) + (before?.requests ?? 0),
      failures: total((one) => one.failures) + (before?.failures ?? 0),
      idle: total((one) => one.idle),
      figures: sumFigures([
        before?.figures ?? NO_FIGURES,
        ...seen.map(({ figures }) => figures ?? NO_FIGURES),
      ]),
    };
  });
  return {
    url: of.url,
    pid: of.pid,
    method: of.wanted.method,
    methodOrigin: of.wanted.method === of.given.method ? 'given' : 'runtime',
    requests: sum((worker) => worker.requests) + past.requests,
    active: under((worker) => worker.active),
    queued: under((worker) => worker.queued),
    shed: sum((worker) => worker.shed) + past.shed,
    connections: under((worker) => worker.connections),
    own: sumFigures([past.own, ...workers.map(({ own }) => own ?? NO_FIGURES)]),
    backends,
    workers: workers.map(({ pid, requests, active, connections }) => ({
      pid,
      requests,
      active,
      connections,
    })),
    retiring,
  };
}

/** Each process judges for itself: a backend is out where all of those that find it up have taken it out. */
function stateOf({ drained }: DesiredBackend, seen: readonly BackendStats[]): BackendRow['state'] {
  if (drained) return 'drained';
  const up = seen.filter((one) => one.up);
  if (up.length === 0) return 'down';
  return up.every(({ circuit }) => circuit === 'open') ? 'ejected' : 'up';
}

/** For Prometheus. */
export function metricsOf(view: BalancerView): string {
  return balancerMetrics({ ...view, workers: view.workers.length });
}

export function statsJsonOf(view: BalancerView): BalancerStatsJson {
  return balancerStats({ ...view, workers: view.workers.length });
}
