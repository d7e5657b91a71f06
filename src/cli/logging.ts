import { resolve } from 'node:path';
import type { Emit } from '../core/events.ts';
import { showable } from '../core/render/escape.ts';
import type { Problem } from '../telemetry/batcher.ts';
import { createFileSink } from '../telemetry/file.ts';
import { createHub, type Sink } from '../telemetry/hub.ts';
import { createSqliteSink } from '../telemetry/sqlite.ts';
import type { Context } from './context.ts';
import type { Values } from './values.ts';

/** The combined log of one part: emit into it, and close it last, so that the last events are written. */
export interface Log {
  readonly emit: Emit;
  close(): Promise<void>;
}

/**
 * Opens the sinks that the options `log`, `log-db` and `log-lang` (LOGGING in command.ts) name; paths are relative to
 * the working directory, "none" turns a sink off. Never fails: a log that cannot be written is reported on stderr,
 * once, and tried again, as no part may stop because of its log.
 */
export async function openLog(context: Context, values: Values): Promise<Log> {
  const onProblem = (problem: Problem): void => context.err(problemText(context, problem));
  const sinks: Sink[] = [];
  const file = logPath(context, values, 'log');
  const lang = values.text('log-lang') === 'en' ? 'en' : 'id';
  if (file !== null) sinks.push(createFileSink({ path: file, lang, onProblem }));
  const database = logPath(context, values, 'log-db');
  if (database !== null) sinks.push(createSqliteSink({ path: database, onProblem }));
  const hub = createHub({ now: Date.now, sinks });
  await hub.start();
  return { emit: hub.emit, close: () => hub.stop() };
}

/** The absolute path of a log, or null where it is turned off. */
export function logPath(context: Context, values: Values, option: 'log' | 'log-db'): string | null {
  const given = values.text(option) ?? 'none';
  return given === 'none' ? null : resolve(context.cwd, given);
}

function problemText({ lang }: Context, { path, why, lost }: Problem): string {
  const text =
    lost === null
      ? {
          id: `kelana: log '${path}' tidak bisa ditulis (${why}).\n  → Bagian ini jalan terus dan terus mencoba; periksa ruang disk (df -h) dan izinnya`,
          en: `kelana: log '${path}' cannot be written (${why}).\n  → This part goes on and keeps trying; check free space (df -h) and permissions`,
        }
      : {
          id: `kelana: ${lost} event terakhir tidak tertulis ke log '${path}' (${why}).\n  → Periksa ruang disk (df -h) dan izinnya`,
          en: `kelana: the last ${lost} events were not written to log '${path}' (${why}).\n  → Check free space (df -h) and permissions`,
        };
  return text[lang].split('\n').map(showable).join('\n');
}
