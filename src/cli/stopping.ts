import type { Context } from './context.ts';

/** Resolves when the process is asked to stop (SIGINT, SIGTERM, SIGHUP). */
export function untilStopped(context: Context): Promise<void> {
  return new Promise((resolve) => {
    if (context.signal.aborted) resolve();
    // The timer keeps the process alive: a listener on a signal alone does not.
    const alive = setInterval(() => undefined, 2 ** 30);
    const stop = (): void => {
      clearInterval(alive);
      resolve();
    };
    if (context.signal.aborted) stop();
    else context.signal.addEventListener('abort', stop, { once: true });
  });
}
