import type { Desired, Given } from '../core/balance/changes.ts';
import type { FleetStats } from './fleet.ts';

/** A running balancer, as `kelana balancer ls --json` prints it. Counts are sums over the processes that serve now. */
export interface BalancerView {
  readonly url: string;
  /** Of the process that holds the sockets; it stays the same over upgrades. */
  readonly pid: number;
  readonly method: string;
  readonly methodOrigin: Origin;
  readonly requests: number;
  readonly active: number;
  readonly connections: number;
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
  readonly origin: Origin;
  /** Where the weight comes from. */
  readonly weightOrigin: Origin;
  readonly state: 'up' | 'down' | 'drained';
  /** Processes that find it up, of those that serve. */
  readonly up: number;
  readonly active: number;
  readonly requests: number;
  readonly failures: number;
  readonly idle: number;
}

export function viewOf(of: {
  readonly url: string;
  readonly pid: number;
  readonly wanted: Desired;
  readonly given: Given;
  readonly fleet: FleetStats;
}): BalancerView {
  const { workers, retiring } = of.fleet;
  const sum = (count: (worker: (typeof workers)[number]) => number): number =>
    workers.reduce((total, worker) => total + count(worker), 0);
  const backends = of.wanted.backends.map(
    ({ name, weight, origin, reweighted, drained, spec }): BackendRow => {
      const seen = workers.flatMap((worker) => worker.backends.filter(({ label }) => label === name));
      const total = (count: (backend: (typeof seen)[number]) => number): number =>
        seen.reduce((all, backend) => all + count(backend), 0);
      const up = total((backend) => (backend.up ? 1 : 0));
      return {
        name,
        url: seen[0]?.url ?? spec.split(',')[0] ?? spec,
        weight,
        origin,
        weightOrigin: reweighted || origin === 'runtime' ? 'runtime' : 'given',
        state: drained ? 'drained' : up > 0 ? 'up' : 'down',
        up,
        active: total((backend) => backend.active),
        requests: total((backend) => backend.requests),
        failures: total((backend) => backend.failures),
        idle: total((backend) => backend.idle),
      };
    },
  );
  return {
    url: of.url,
    pid: of.pid,
    method: of.wanted.method,
    methodOrigin: of.wanted.method === of.given.method ? 'given' : 'runtime',
    requests: sum((worker) => worker.requests),
    active: sum((worker) => worker.active),
    connections: sum((worker) => worker.connections),
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
