import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Workshop } from './workshop.ts';

export interface LiarOptions {
  readonly name: string;
  readonly share: string;
  readonly bytesPerSecond: number;
}

export interface Liar {
  readonly pid: number;
  readonly port: number;
  /** Wrong blocks that it gave. */
  lies(): Promise<number>;
  stop(): Promise<void>;
}

/** A provider whose blocks are wrong (see liar-child.ts). */
export async function startLiar(workshop: Workshop, options: LiarOptions): Promise<Liar> {
  const { name, share, bytesPerSecond } = options;
  const folder = join(workshop.folder, name);
  await mkdir(folder);
  const url = new URL('liar-child.ts', import.meta.url);
  const child = workshop.fork(url, [folder, share, String(bytesPerSecond)]);
  const { port } = await child.message<{ port: number }>();
  return {
    pid: child.pid,
    port,
    lies: async () => (await child.ask<{ lies: number }>({})).lies,
    stop: () => child.stop('SIGKILL'),
  };
}
