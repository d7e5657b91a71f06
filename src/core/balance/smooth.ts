import type { Ask, BackendView, Method } from './method.ts';

/**
 * Smooth weighted turns, as nginx takes them: each choice gives every backend its weight as credit, takes the one with
 * the most, and charges it the sum of all weights. So among backends that stay available, weights w of sum W give each
 * exactly w of every W choices, spread as evenly as they can be (5:1:1 is a a b a c a a).
 */
function smooth(name: 'round-robin' | 'weighted'): Method {
  /** Credit by slot. What is not available keeps its credit, which is less than the sum of the weights. */
  const credit: number[] = [];
  const usesWeights = name === 'weighted';
  return {
    name,
    usesWeights,
    keySource: null,
    choose<T extends BackendView>(
      list: readonly T[],
      tried: readonly BackendView[],
      _ask: Ask,
    ): T | undefined {
      let best: T | undefined;
      let most = 0;
      let sum = 0;
      for (const backend of list) {
        if (!backend.available || (tried.length > 0 && tried.includes(backend))) continue;
        const weight = usesWeights ? backend.weight * backend.ramp : backend.ramp;
        const now = (credit[backend.index] ?? 0) + weight;
        credit[backend.index] = now;
        sum += weight;
        if (best !== undefined && now <= most) continue;
        best = backend;
        most = now;
      }
      if (best !== undefined) credit[best.index] = most - sum;
      return best;
    },
  };
}

/** Each backend in turn; one that is not available leaves its turns to all others alike. */
export function roundRobin(): Method {
  return smooth('round-robin');
}

export function weighted(): Method {
  return smooth('weighted');
}
