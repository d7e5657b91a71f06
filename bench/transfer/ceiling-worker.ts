/** The thread of the ceiling's receiver that hashes and writes (see ceiling.ts). */
import { hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

export const BLOCK = 1024 * 1024;

export type WriteOrder =
  | { readonly type: 'open'; readonly path: string }
  | { readonly type: 'write'; readonly slot: number; readonly index: number; readonly bytes: number }
  | { readonly type: 'close' };

export type Written =
  | { readonly type: 'written'; readonly slot: number; readonly index: number; readonly digest: string }
  | { readonly type: 'closed' };

const slots = workerData as readonly Uint8Array[] | null;
let file = -1;

parentPort?.on('message', (order: WriteOrder) => {
  if (order.type === 'open') file = openSync(order.path, 'w');
  else if (order.type === 'write') {
    const bytes = slots?.[order.slot]?.subarray(0, order.bytes) ?? new Uint8Array(0);
    const digest = hash('sha256', bytes, 'hex');
    for (let from = 0; from < bytes.length;)
      from += writeSync(file, bytes, from, bytes.length - from, order.index * BLOCK + from);
    answer({ type: 'written', slot: order.slot, index: order.index, digest });
  } else {
    fsyncSync(file);
    closeSync(file);
    answer({ type: 'closed' });
  }
});

function answer(written: Written): void {
  parentPort?.postMessage(written);
}
