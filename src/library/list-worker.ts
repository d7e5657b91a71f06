import { parentPort } from 'node:worker_threads';
import { listNow, type Chunk } from './list-now.ts';

/** Folders to list, or `more` for the next chunk; the answer is a chunk, or null at the end. */
export type ListAsk = { readonly folders: readonly string[]; readonly prefix: string } | 'more';

const port = parentPort;
if (port !== null) {
  let chunks: Iterator<Chunk> | undefined;
  port.on('message', (ask: ListAsk) => {
    if (ask !== 'more') chunks = listNow(ask.folders, (name) => name.startsWith(ask.prefix));
    const next = chunks?.next();
    port.postMessage(next === undefined || next.done === true ? null : next.value);
  });
}
