import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOG } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { KelanaEvent } from '../../core/events.ts';
import { LogReader } from '../../telemetry/reader.ts';
import type { Context } from '../context.ts';

/** ms that `--follow` waits for the database after the text file appeared: a writer thread starts in less. */
const DATABASE_GRACE_MS = 2_000;

export type Source =
  | { readonly kind: 'database'; readonly reader: LogReader }
  | { readonly kind: 'file'; readonly path: string };

export interface Wanted {
  /** Absolute paths; null where turned off. */
  readonly database: string | null;
  readonly file: string | null;
  /** Flags given that only the database can answer. */
  readonly needDatabase: readonly string[];
  readonly follow: boolean;
  readonly grep: (event: KelanaEvent) => boolean;
}

/**
 * What to read: the database where there is one, else the text file. With `--follow` it waits for either; null when
 * it was interrupted meanwhile.
 * @throws KelanaError NO_LOG, LOG_NEEDS_DATABASE, DATABASE
 */
export async function chooseSource(context: Context, wanted: Wanted): Promise<Source | null> {
  let told = false;
  let fileSince: number | null = null;
  for (let waited = 0; ; waited += LOG.followMs) {
    if (context.signal.aborted) return null;
    const reader = wanted.database === null ? null : await openReader(wanted.database, wanted.grep);
    if (reader !== null) return { kind: 'database', reader };
    const path = wanted.file !== null && (await exists(wanted.file)) ? wanted.file : null;
    if (path !== null) fileSince ??= waited;
    if (path !== null && wanted.needDatabase.length === 0) {
      const grace = wanted.follow && wanted.database !== null ? DATABASE_GRACE_MS : 0;
      if (fileSince !== null && waited - fileSince >= grace) return { kind: 'file', path };
    }
    if (!wanted.follow) throw missing(wanted, path);
    if (!told) sayWaiting(context, wanted);
    told = true;
    await pause(context.signal);
  }
}

/** Opens the database once its table is there; null before. */
export async function openReader(
  path: string,
  grep: (event: KelanaEvent) => boolean,
): Promise<LogReader | null> {
  if (!(await exists(path))) return null;
  const reader = new LogReader(path, grep);
  try {
    if (reader.ready) return reader;
  } catch (thrown) {
    reader.close();
    throw thrown;
  }
  reader.close();
  return null;
}

/** One wait between looks; ends at once when the command is interrupted. */
export async function pause(signal: AbortSignal): Promise<void> {
  await sleep(LOG.followMs, undefined, { signal }).catch(() => undefined);
}

function missing(wanted: Wanted, path: string | null): KelanaError {
  const database = wanted.database ?? 'none';
  if (path === null) return new KelanaError('NO_LOG', { database, file: wanted.file ?? 'none' });
  const flags = wanted.needDatabase.join(', ');
  return new KelanaError('LOG_NEEDS_DATABASE', { flags, database, file: path });
}

function sayWaiting(context: Context, { database, file }: Wanted): void {
  const names = [database, file].filter((path) => path !== null).map((path) => `'${path}'`);
  context.err(
    context.lang === 'id'
      ? `kelana: menunggu log (${names.join(', ')}); Ctrl+C untuk berhenti.`
      : `kelana: waiting for a log (${names.join(', ')}); Ctrl+C ends it.`,
  );
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
