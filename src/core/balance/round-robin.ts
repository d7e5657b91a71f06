import type { BackendView, Method } from './method.ts';

/**
 * Each request starts one backend further. The turn is counted over the backends that are up, so that one that is
 * down does not give its neighbour twice the work of the others.
 */
export function roundRobin(): Method {
  let turn = 0;
  return {
    name: 'round-robin',
    usesWeights: false,
    order(backends: readonly BackendView[]): readonly number[] {
      const up: number[] = [];
      for (const backend of backends) if (backend.up) up.push(backend.index);
      if (up.length < 2) return up;
      const start = turn % up.length;
      turn = (turn + 1) % Number.MAX_SAFE_INTEGER;
      return start === 0 ? up : [...up.slice(start), ...up.slice(0, start)];
    },
  };
}
