import type { Ask, BackendView, Method } from './method.ts';

/**
 * The least load for its weight. Among equals the dice decide by weight, so that an idle balancer shares out as
 * weights say and nobody is first by its place in the list.
 */
export function leastConnections(): Method {
  return {
    name: 'least-connections',
    usesWeights: true,
    keySource: null,
    choose<T extends BackendView>(
      list: readonly T[],
      tried: readonly BackendView[],
      ask: Ask,
    ): T | undefined {
      let best: T | undefined;
      let least = Infinity;
      let equals = 0;
      for (const backend of list) {
        if (!backend.available || (tried.length > 0 && tried.includes(backend))) continue;
        const weight = backend.weight * backend.ramp;
        const load = backend.load / weight;
        if (load > least) continue;
        if (load < least) {
          least = load;
          best = backend;
          equals = weight;
          continue;
        }
        // The n-th of equals replaces the one before with its share of all so far: each is as likely as its weight.
        equals += weight;
        if (ask.random() * equals < weight) best = backend;
      }
      return best;
    },
  };
}
