import type { GetEvent } from '../control/operations.ts';
import type { SearchEvent } from '../core/ports.ts';

/**
 * The same events, but for a verdict that a person cut short: that not all nodes answered says nothing then.
 * @throws what `signal` is aborted with, in place of that verdict
 */
export async function* unlessCutShort<T extends SearchEvent | GetEvent>(
  events: AsyncIterable<T>,
  signal: AbortSignal,
): AsyncGenerator<T> {
  for await (const event of events) {
    if (event.type === 'verdict' && event.verdict !== 'found') signal.throwIfAborted();
    yield event;
  }
}
