/**
 * The receiving half of the ceiling (see ceiling.ts). For each `{ port, path, size }` from its parent it fetches that
 * many bytes into PATH, and answers with the digests of the blocks, in hex, once the file has its name.
 */
import { renameSync } from 'node:fs';
import type { OnReadOpts } from 'node:net';
import { connect, type ConnectionOptions } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { BLOCK, type Written, type WriteOrder } from './ceiling-worker.ts';

export interface Order {
  readonly port: number;
  readonly path: string;
  readonly size: number;
}

/** Blocks in memory: being filled, hashed and written. */
const SLOTS = 16;
/** Free ones at which the socket is paused: what was decrypted by then still comes, 64 KiB at most. */
const SPARE = 2;

const slots = Array.from({ length: SLOTS }, () => new Uint8Array(new SharedArrayBuffer(BLOCK)));
const worker = new Worker(new URL('./ceiling-worker.ts', import.meta.url), { workerData: slots });
const ask = (order: WriteOrder): void => worker.postMessage(order);

process.on('message', ({ port, path, size }: Order) => {
  const free = slots.map((_, slot) => slot);
  const count = Math.ceil(size / BLOCK);
  const digests: string[] = [];
  let index = 0;
  let slot = free.pop() ?? 0;
  let filled = 0;
  let done = 0;

  const handOver = (): void => {
    ask({ type: 'write', slot, index, bytes: filled });
    index += 1;
    filled = 0;
    // Never empty here: the socket is paused while there are spare ones.
    if (index < count) slot = free.pop() ?? 0;
  };
  const room = (): Uint8Array => slots[slot]?.subarray(filled) ?? new Uint8Array(0);
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    minVersion: 'TLSv1.3',
    onread: {
      buffer: room,
      callback: (bytes) => {
        filled += bytes;
        if (filled === BLOCK || index * BLOCK + filled === size) handOver();
        return free.length > SPARE;
      },
    },
  };
  const socket = connect(options);
  socket.on('error', (error) => process.send?.({ error: error.message }));
  const onWritten = (written: Written): void => {
    if (written.type === 'closed') {
      worker.off('message', onWritten);
      socket.destroy();
      renameSync(`${path}.part`, path);
      process.send?.({ digests });
      return;
    }
    digests[written.index] = written.digest;
    free.push(written.slot);
    done += 1;
    if (done === count) ask({ type: 'close' });
    else if (free.length === SPARE + 1) socket.resume();
  };
  worker.on('message', onWritten);
  ask({ type: 'open', path: `${path}.part` });
});
process.on('disconnect', () => process.exit());
