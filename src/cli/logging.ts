import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Emit, KelanaEvent } from '../core/events.ts';
import { createHub, type Sink } from '../telemetry/hub.ts';
import type { Context } from './context.ts';
import type { Values } from './options.ts';

/** The combined log of one part: emit into it, and close it last, so that the last events are written. */
export interface Log {
  readonly emit: Emit;
  close(): Promise<void>;
}

/**
 * Opens the sinks that the options `log`, `log-db` and `log-lang` (LOGGING in command.ts) name; paths are relative to
 * the working directory, "none" turns a sink off. Never fails: a log that cannot be written is reported on stderr.
 */
export async function openLog(context: Context, values: Values): Promise<Log> {
  const sinks: Sink[] = [];
  const file = values.text('log') ?? 'none';
  if (file !== 'none') sinks.push(plainFile(resolve(context.cwd, file)));
  const hub = createHub({ now: Date.now, sinks });
  await hub.start();
  return { emit: hub.emit, close: () => hub.stop() };
}

function plainFile(path: string): Sink {
  let last: Promise<void> = Promise.resolve();
  const write = (event: KelanaEvent): Promise<void> =>
    appendFile(path, `${JSON.stringify(event)}\n`).catch(() => undefined);
  return {
    name: 'file',
    start: () => Promise.resolve(),
    add: (event) => {
      last = last.then(() => write(event));
    },
    stop: () => last,
  };
}
