import { parentPort, workerData } from 'node:worker_threads';
import { asKelanaError } from '../core/errors.ts';
import { OPENED, type CallMap, type Request, type Response, type WorkerData } from './protocol.ts';

/** How each question is answered; called only after the store was opened. */
export type Handlers<Calls extends CallMap<Calls>> = {
  readonly [K in keyof Calls]: (ask: Calls[K]['ask']) => Calls[K]['answer'];
} & { readonly close: () => void };

/** Answers the questions of thread.ts: a thread in which a store's waits (fsync, locks of others) hold up nobody else. */
export function serve<Calls extends CallMap<Calls>>(open: (data: WorkerData) => Handlers<Calls>): void {
  const port = parentPort;
  if (port === null) throw new Error('a store runs in a worker thread only');
  const reply = (seq: number, work: () => unknown): void => {
    let response: Response;
    try {
      response = { seq, ok: true, answer: work() };
    } catch (thrown) {
      const { code, params } = asKelanaError(thrown);
      response = { seq, ok: false, code, params };
    }
    port.postMessage(response);
  };
  let handlers: Handlers<Calls> | null = null;
  reply(OPENED, () => {
    handlers = open(workerData as WorkerData);
    return null;
  });
  if (handlers === null) return;
  const answers = handlers as Readonly<Record<string, (ask: unknown) => unknown>>;
  port.on('message', ({ seq, op, ask }: Request) => {
    reply(seq, () => {
      const answer = Object.hasOwn(answers, op) ? answers[op] : undefined;
      if (answer === undefined) throw new Error(`a store is not asked for ${op}`);
      return answer(ask) ?? null;
    });
  });
}
