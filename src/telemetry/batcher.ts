import { LOG } from '../core/config.ts';
import { reason } from '../core/errors.ts';
import type { KelanaEvent } from '../core/events.ts';
import type { Sink } from './hub.ts';
import { EventQueue, type QueueLimits } from './queue.ts';

/** What a sink writes to. */
export interface Store {
  /** Resolves to how many events, from the first on, are written whole. Rejects when none could be. */
  write(events: readonly KelanaEvent[]): Promise<number>;
  close(): Promise<void>;
}

export interface Problem {
  readonly sink: string;
  readonly path: string;
  readonly why: string;
  /** Events lost for good; null while the sink still tries. */
  readonly lost: number | null;
}

export interface BatcherOptions {
  readonly name: string;
  readonly path: string;
  /** Told once per outage, and at the end if events were lost. */
  readonly onProblem: (problem: Problem) => void;
  readonly limits?: QueueLimits;
  readonly flushMs?: number;
  readonly retryMs?: number;
  readonly stopMs?: number;
}

/**
 * A sink that gathers events for `flushMs` and writes them in one go; while many come, for `LOG.busyTimes` as long or
 * until they are a whole batch, as the calls around a write cost what hundreds of its lines do. While its store fails it keeps what fits its
 * queue, counts what does not, and tries again every `retryMs`.
 */
export function createBatcher(store: Store, options: BatcherOptions): Sink {
  const {
    name,
    path,
    onProblem,
    flushMs = LOG.flushMs,
    retryMs = LOG.retryMs,
    stopMs = LOG.stopMs,
  } = options;
  const queue = new EventQueue(name, options.limits);
  const { maxBatch } = options.limits ?? LOG;
  /** ms for which events are gathered now. */
  let gatherMs = flushMs;
  let timer: ReturnType<typeof setTimeout> | null = null;
  let writing: Promise<boolean> | null = null;
  let failing = false;
  let why = '';
  let stopped = false;

  const plan = (ms: number): void => {
    if (timer !== null || stopped) return;
    timer = setTimeout(() => {
      timer = null;
      void flush();
    }, ms);
    // A part that ends calls stop; a sink alone is no reason for a process to stay.
    timer.unref();
  };

  const hurry = (): void => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    plan(0);
  };

  /** True where the batch, or some of it, was written. */
  const writeOne = async (): Promise<boolean> => {
    const batch = queue.batch();
    gatherMs = batch.taken >= maxBatch / LOG.busyPart ? flushMs * LOG.busyTimes : flushMs;
    try {
      const written = await store.write(batch.events);
      if (written === 0) throw new Error('nothing was written');
      queue.done(batch, written);
      failing = false;
      return true;
    } catch (thrown) {
      why = reason(thrown);
      if (!failing) onProblem({ sink: name, path, why, lost: null });
      failing = true;
      return false;
    }
  };

  const flush = (): Promise<boolean> => {
    writing ??= writeOne().finally(() => {
      writing = null;
      if (!queue.empty) plan(failing ? retryMs : queue.length >= maxBatch ? 0 : gatherMs);
    });
    return writing;
  };

  const drain = async (): Promise<void> => {
    await writing;
    // A sink that was failing gets one more attempt: the disk may have room again by now.
    while (!queue.empty && (await flush())) await writing;
    await store.close();
  };

  return {
    name,
    start: () => Promise.resolve(),
    add: (event, size) => {
      if (stopped) return;
      queue.push(event, size);
      plan(gatherMs);
      if (queue.length === maxBatch && !failing && writing === null) hurry();
    },
    stop: async () => {
      if (stopped) return;
      stopped = true;
      if (timer !== null) clearTimeout(timer);
      const late = await within(stopMs, drain());
      if (late || !queue.empty) {
        const lost = queue.length + queue.dropped;
        if (lost > 0) onProblem({ sink: name, path, why: late ? `> ${stopMs} ms` : why, lost });
      }
    },
  };
}

/** Resolves to true where the work neither ended nor failed in time; it is then left to itself. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(true), ms);
  });
  const ended = work.then(
    () => false,
    () => false,
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}
