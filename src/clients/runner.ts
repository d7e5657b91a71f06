import { randomUUID } from 'node:crypto';
import { CLIENTS } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { Tally, type Report } from '../core/load/report.ts';
import { begins, closedLoop, dueInAll, openLoop, type Quota } from '../core/load/schedule.ts';
import type { Progress } from '../core/load/table.ts';
import { Client } from './client.ts';
import { Failure } from './connection.ts';
import { unreachable } from './faults.ts';
import { createHistogram } from './histogram.ts';
import type { Payload } from './payload.ts';
import type { Target } from './target.ts';
import type { Watcher } from './watcher.ts';

export interface Plan extends Quota {
  readonly target: Target;
  readonly payload: Payload;
  readonly clients: number;
  /** Requests a second in all, or null for as many as are answered. */
  readonly rate: number | null;
  readonly timeoutMs: number;
  /** Bytes of each reply that the watcher wants to see. */
  readonly keepBytes: number;
}

export interface RunOptions {
  readonly signal: AbortSignal;
  readonly watcher?: Watcher;
  /** Called every `CLIENTS.progressMs`. */
  readonly onProgress?: (progress: Progress) => void;
}

/**
 * Connects all clients, then lets each send its requests, one at a time. An abort ends at once with the report of
 * what was done; requests under way then are not counted.
 * @throws KelanaError SERVER_UNREACHABLE where the first client cannot connect, OPEN_FILES
 */
export async function runClients(plan: Plan, options: RunOptions): Promise<Report> {
  const clients = Array.from({ length: plan.clients }, () => new Client(plan.target, plan));
  const stop = (): void => clients.forEach((client) => client.stop());
  options.signal.addEventListener('abort', stop, { once: true });
  if (options.signal.aborted) stop();
  try {
    await connectAll(clients, plan.target);
    return await drive(clients, plan, options);
  } finally {
    options.signal.removeEventListener('abort', stop);
    stop();
  }
}

/** The first client alone, so that a server that is not there is told at once; then the others, some at a time. */
async function connectAll(clients: readonly Client[], target: Target): Promise<void> {
  const [first, ...others] = clients;
  await first?.connect().catch((thrown: unknown) => {
    if (!(thrown instanceof Failure)) throw thrown;
    if (!first.stopped) throw unreachable(target, thrown.code, thrown);
  });
  const queue = others.values();
  const worker = async (): Promise<void> => {
    for (const client of queue) {
      if (client.stopped) return;
      try {
        await client.connect();
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        // Any other fault is met again, and counted, by the client's first request.
        if (thrown.code === 'EMFILE' || thrown.code === 'ENFILE') {
          throw new KelanaError(
            'OPEN_FILES',
            { wanted: clients.length, need: clients.length + 100, why: thrown.code },
            thrown,
          );
        }
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS.connectsAtOnce }, worker));
}

async function drive(clients: readonly Client[], plan: Plan, options: RunOptions): Promise<Report> {
  const tally = new Tally(createHistogram(), createHistogram());
  const schedule = plan.rate === null ? closedLoop : openLoop(plan.rate, plan.clients);
  const start = performance.now();
  const elapsed = (): number => performance.now() - start;
  let begun = 0;

  const lane = async (client: Client, number: number): Promise<void> => {
    for (let index = 0; begins(plan, schedule, number, index, elapsed()); index += 1) {
      const due = schedule.due(number, index);
      if (due !== null) await client.waitUntil(start + due);
      if (client.stopped) return;
      begun += 1;
      options.watcher?.began(number, index);
      const request = plan.payload.request(number, index, randomUUID());
      const exchange = await client.send(request, due === null ? null : start + due);
      if (exchange === null) return;
      tally.add(exchange.outcome);
      options.watcher?.ended(number, index, exchange);
    }
  };

  const total = plan.requests === null ? null : plan.requests * plan.clients;
  const timer = setInterval(() => {
    options.onProgress?.({
      done: tally.ok + tally.failed,
      total,
      failed: tally.failed,
      seconds: elapsed() / 1000,
      durationSeconds: plan.durationMs === null ? null : plan.durationMs / 1000,
      p50: tally.responsePercentile(50),
      p99: tally.responsePercentile(99),
    });
  }, CLIENTS.progressMs);
  try {
    await Promise.all(clients.map(lane));
  } finally {
    clearInterval(timer);
  }
  const interrupted = options.signal.aborted;
  const wanted =
    plan.rate === null || plan.durationMs === null ? begun : dueInAll(plan.rate, plan.durationMs);
  return tally.report({
    clients: plan.clients,
    seconds: elapsed() / 1000,
    notSent: interrupted ? 0 : Math.max(0, wanted - begun),
    interrupted,
  });
}
