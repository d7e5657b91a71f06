import type { Ask, BackendView, Method } from './method.ts';

/**
 * Draws two different backends by weight and takes the better one (Mitzenmacher 2001): nearly as even as looking at all,
 * and many balancers that see old figures do not all run to the same backend. `two-choices` compares the load for its
 * weight, `ewma` the time an answer takes lately (score.ts) times one more than that load. Where both are equal the
 * first drawn counts, so that an idle balancer shares out as weights say.
 */
function twoOf(name: 'two-choices' | 'ewma'): Method {
  const byWait = name === 'ewma';
  return {
    name,
    usesWeights: true,
    keySource: null,
    choose<T extends BackendView>(
      list: readonly T[],
      tried: readonly BackendView[],
      ask: Ask,
    ): T | undefined {
      const sum = sumOf(list, tried, undefined);
      if (sum === 0) return undefined;
      const first = draw(list, tried, undefined, ask.random() * sum);
      if (first === undefined) return undefined;
      const rest = sumOf(list, tried, first);
      if (rest === 0) return first;
      const second = draw(list, tried, first, ask.random() * rest);
      if (second === undefined) return first;
      // A weight is compared with the mean, so that 100 and 200 are as 1 and 2.
      const mean = sum / list.length;
      let one = (first.load * mean) / (first.weight * first.ramp);
      let two = (second.load * mean) / (second.weight * second.ramp);
      if (byWait) {
        one = (one + 1) * first.wait(ask.now);
        two = (two + 1) * second.wait(ask.now);
      }
      return two < one ? second : first;
    },
  };
}

export function twoChoices(): Method {
  return twoOf('two-choices');
}

export function ewma(): Method {
  return twoOf('ewma');
}

type Views<T> = readonly T[];

function counts(backend: BackendView, tried: readonly BackendView[], but: BackendView | undefined): boolean {
  return backend.available && backend !== but && (tried.length === 0 || !tried.includes(backend));
}

function sumOf(list: Views<BackendView>, tried: Views<BackendView>, but: BackendView | undefined): number {
  let sum = 0;
  for (const backend of list) if (counts(backend, tried, but)) sum += backend.weight * backend.ramp;
  return sum;
}

/** The backend at `at` on a line on which each takes its weight. */
function draw<T extends BackendView>(
  list: Views<T>,
  tried: Views<BackendView>,
  but: BackendView | undefined,
  at: number,
): T | undefined {
  let last: T | undefined;
  let left = at;
  for (const backend of list) {
    if (!counts(backend, tried, but)) continue;
    last = backend;
    left -= backend.weight * backend.ramp;
    if (left < 0) return backend;
  }
  // Rounding may leave a rest at the end of the line.
  return last;
}
