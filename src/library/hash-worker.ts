import { parentPort, workerData } from 'node:worker_threads';
import { LIBRARY } from '../core/config.ts';
import { hashNow, type HashSignals } from './hash-now.ts';

/** What the thread is given: the paths of a batch; an answer comes for each, in the same order. */
export type HashJob = readonly string[];

const port = parentPort;
if (port !== null) {
  const signals = workerData as HashSignals;
  const buffer = new Uint8Array(LIBRARY.hashBytes);
  port.on('message', (job: HashJob) => {
    port.postMessage(job.map((path) => hashNow(path, signals, buffer)));
  });
}
