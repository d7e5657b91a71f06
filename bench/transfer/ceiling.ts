/**
 * The ceiling: the least that a file can cost which is sent encrypted, hashed and written, with the tools of Node.js.
 * One `node:tls` connection (TLS 1.3, P-256 certificate), synchronous reads of 256 KiB into pooled buffers at the
 * sender; at the receiver `onread` straight into shared blocks of 1 MiB, and one thread that hashes (SHA-256) and
 * writes them. No protocol, no resume, no check of who is there: kelana does more, and is measured against this.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Order } from './ceiling-receiver.ts';
import { certificateFile } from './certificate.ts';
import type { Contender } from './contender.ts';

export const ceiling: Contender = {
  name: 'ceiling',
  note: 'raw node:tls, hashed and written by one thread',
  async start(workshop, material) {
    const folder = join(workshop.folder, 'ceiling');
    await mkdir(folder, { recursive: true });
    const pem = await certificateFile(folder);
    const sender = workshop.fork(new URL('./ceiling-sender.ts', import.meta.url), [material.path, pem]);
    const receiver = workshop.fork(new URL('./ceiling-receiver.ts', import.meta.url));
    const port = await sender.message<number>();
    const into = join(folder, 'in');
    await mkdir(into);
    return {
      pids: { sender: [sender.pid], receiver: [receiver.pid] },
      folder: into,
      async transfer(meter) {
        const path = join(into, material.name);
        const order: Order = { port, path, size: material.bytes };
        meter.start();
        await receiver.ask<{ digests: readonly string[] }>(order);
        meter.stop();
        return path;
      },
      close: async () => {
        await Promise.all([sender.stop(), receiver.stop()]);
      },
    };
  },
};
