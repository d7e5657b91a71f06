import { parentPort, workerData } from 'node:worker_threads';
import { asKelanaError } from '../core/errors.ts';
import { OPENED, type Calls, type Op, type Request, type Response, type WorkerData } from './protocol.ts';
import { Store } from './store.ts';

/** The thread in which a store's waits (fsync, locks of other processes) hold up nobody else. */
const port = parentPort;
if (port === null) throw new Error('worker.ts runs in a worker thread only');
const { path, busyTimeoutMs } = workerData as WorkerData;

function reply(seq: number, work: () => Calls[Op]['answer']): boolean {
  let response: Response;
  try {
    response = { seq, ok: true, answer: work() };
  } catch (thrown) {
    const { code, params } = asKelanaError(thrown);
    response = { seq, ok: false, code, params };
  }
  port?.postMessage(response);
  return response.ok;
}

let store: Store | null = null;
const opened = reply(OPENED, () => {
  store = new Store(path, busyTimeoutMs);
  return null;
});

function answer(held: Store, request: Request): Calls[Op]['answer'] {
  switch (request.op) {
    case 'append':
      return held.appendAll(request.ask);
    case 'list':
      return held.list(request.ask.after, request.ask.limit, request.ask.room);
    case 'latest':
      return held.latest();
    case 'check':
      held.check();
      break;
    case 'close':
      held.close();
      break;
  }
  return null;
}

if (opened) {
  port.on('message', (request: Request) => {
    reply(request.seq, () => {
      if (store === null) throw new Error('the store is not open');
      return answer(store, request);
    });
  });
}
