import { LIBRARY } from '../core/config.ts';

/**
 * Work in steps, in which others get their turn every `LIBRARY.sliceMs`: what a stranger sent may take seconds.
 * @throws what a step throws, and the signal's reason
 */
export async function inSteps<T>(steps: Generator<undefined, T, undefined>, signal: AbortSignal): Promise<T> {
  for (let began = performance.now(); ;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - began < LIBRARY.sliceMs) continue;
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    began = performance.now();
  }
}
