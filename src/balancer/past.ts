import { sumFigures, NO_FIGURES, type Figures } from '../core/balance/figures.ts';
import { BALANCER } from '../core/config.ts';
import type { WorkerStats } from './worker.ts';

/** What was counted of one backend. */
export interface BackendCounts {
  readonly requests: number;
  readonly failures: number;
  readonly figures: Figures;
}

/** What processes have counted that serve no longer, so that no sum goes back when one ends. */
export interface PastCounts {
  readonly requests: number;
  readonly shed: number;
  readonly own: Figures;
  /** By name. */
  readonly backends: ReadonlyMap<string, BackendCounts>;
}

export const NO_PAST: PastCounts = { requests: 0, shed: 0, own: NO_FIGURES, backends: new Map() };

/** Backends that were there once; those longest without a process that knew them make way. */
const MOST = 2 * BALANCER.maxBackends;

/** Adds what processes have counted. One of an older version may tell less. */
export function pastWith(past: PastCounts, ended: readonly WorkerStats[]): PastCounts {
  const backends = new Map(past.backends);
  for (const { label, requests, failures, figures } of ended.flatMap((worker) => worker.backends)) {
    const before = backends.get(label);
    backends.delete(label);
    backends.set(label, {
      requests: requests + (before?.requests ?? 0),
      failures: failures + (before?.failures ?? 0),
      figures: sumFigures([figures ?? NO_FIGURES, before?.figures ?? NO_FIGURES]),
    });
  }
  for (const name of backends.keys()) {
    if (backends.size <= MOST) break;
    backends.delete(name);
  }
  return {
    requests: ended.reduce((sum, { requests }) => sum + requests, past.requests),
    shed: ended.reduce((sum, { shed }) => sum + shed, past.shed),
    own: sumFigures([past.own, ...ended.map(({ own }) => own ?? NO_FIGURES)]),
    backends,
  };
}
