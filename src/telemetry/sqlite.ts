import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { LOG } from '../core/config.ts';
import { sqlRows, type SqlRows } from '../core/render/sql-rows.ts';
import { createBatcher, type BatcherOptions, type Store } from './batcher.ts';
import type { Sink } from './hub.ts';

/** From the part to the writer thread, and its answer to each. */
export type ToWriter = { readonly rows: SqlRows } | { readonly close: true };
export type FromWriter = { readonly done: true } | { readonly failed: string };

/**
 * The SQLite log. node:sqlite is synchronous: a lock held by another process, or the fsync of a checkpoint on a slow
 * disk, would stop the part that logs. So a thread of its own writes, one transaction per batch, and the part only
 * hands rows over, one batch in flight at a time. The thread ends after `idleMs` without a batch.
 */
export function createSqliteSink({
  idleMs,
  ...options
}: Omit<BatcherOptions, 'name'> & { readonly idleMs?: number }): Sink {
  return createBatcher(createSqliteStore(options.path, idleMs), { ...options, name: 'sqlite' });
}

export function createSqliteStore(path: string, idleMs: number = LOG.idleMs): Store {
  let worker: Worker | null = null;
  let idle: NodeJS.Timeout | undefined;

  /** Threads that were let go and have not ended. */
  const leaving = new Set<Worker>();

  /** It closes the file and ends; a batch that comes meanwhile has a thread of its own. */
  const letGo = (): void => {
    if (worker === null) return;
    const thread = worker;
    worker = null;
    leaving.add(thread);
    thread.once('exit', () => leaving.delete(thread));
    thread.postMessage({ close: true } satisfies ToWriter);
  };

  const ask = (message: ToWriter): Promise<void> =>
    new Promise((resolve, reject) => {
      clearTimeout(idle);
      const thread = (worker ??= startWriter(path, (ended) => {
        if (worker === ended) worker = null;
      }));
      const settle = (error?: Error): void => {
        thread.off('message', onMessage).off('error', settle).off('exit', onExit);
        // An idle writer is no reason for the process to stay; one with a batch in hand is.
        thread.unref();
        idle = setTimeout(letGo, idleMs).unref();
        if (error === undefined) resolve();
        else reject(error);
      };
      const onMessage = (answer: FromWriter): void =>
        settle('failed' in answer ? new Error(answer.failed) : undefined);
      const onExit = (): void => settle(new Error('the writer thread ended'));
      thread.ref();
      thread.on('message', onMessage).on('error', settle).on('exit', onExit);
      thread.postMessage(message);
    });

  return {
    write: async (events) => {
      await ask({ rows: sqlRows(events) });
      return events.length;
    },
    close: async () => {
      if (worker !== null) await ask({ close: true });
      clearTimeout(idle);
      await Promise.all(
        [...leaving].map(async (thread) => {
          thread.ref();
          // A fault in it was told with its batch.
          await once(thread, 'exit').catch(() => null);
        }),
      );
    },
  };
}

function startWriter(path: string, onEnd: (ended: Worker) => void): Worker {
  const worker = new Worker(new URL('./sqlite-writer.ts', import.meta.url), {
    workerData: { path },
    // A batch is at most 1 MiB; this keeps a fault in the thread from taking the machine's memory.
    resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8, stackSizeMb: 1 },
  });
  // Between batches nobody else listens; an unheard 'error' would end the process. The next batch starts a new one.
  worker.on('error', () => onEnd(worker)).on('exit', () => onEnd(worker));
  return worker;
}
