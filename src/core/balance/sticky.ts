import type { Ask, BackendView, Method } from './method.ts';

/**
 * Who brings the cookie of an available backend stays with it; anybody else is given one by `otherwise`. Whoever sends the
 * answer then sets the cookie anew (src/balancer/turn.ts).
 */
export function sticky(cookie: string, otherwise: Method): Method {
  return {
    name: 'sticky',
    usesWeights: otherwise.usesWeights,
    keySource: { from: 'cookie', name: cookie },
    choose<T extends BackendView>(
      list: readonly T[],
      tried: readonly BackendView[],
      ask: Ask,
    ): T | undefined {
      if (ask.key !== null) {
        for (const backend of list) {
          if (backend.stickyId !== ask.key) continue;
          if (backend.available && !tried.includes(backend)) return backend;
          break;
        }
      }
      return otherwise.choose(list, tried, ask);
    },
  };
}
