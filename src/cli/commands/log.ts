import { LOG } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import { KINDS, type KelanaEvent, type Kind } from '../../core/events.ts';
import type { Lang } from '../../core/lang.ts';
import { showable } from '../../core/render/escape.ts';
import { renderJson, renderLine } from '../../core/render/line.ts';
import type { LogFilter } from '../../core/render/sql.ts';
import { renderStats } from '../../core/render/stats.ts';
import { localStamp } from '../../telemetry/file.ts';
import type { LogReader, LogRow } from '../../telemetry/reader.ts';
import { LineReader, lineMatches } from '../../telemetry/textlog.ts';
import { LOGGING, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { logPath } from '../logging.ts';
import type { Values } from '../values.ts';
import { parseSince } from './log-since.ts';
import { chooseSource, openReader, pause } from './log-source.ts';

/** Lines written between waits for stdout to take them. */
const WRITE_LINES = 500;
/** Most that `--limit` takes: what is read of a text file is held until its end is known. */
const MAX_LIMIT = 1_000_000;

export const command: Command = {
  name: 'log',
  summary: {
    id: 'membaca, mengikuti, menyaring, dan merangkum log gabungan',
    en: 'read, follow, filter and sum up the combined log',
  },
  section: 'log',
  options: [
    {
      name: 'follow',
      type: 'flag',
      help: { id: 'terus tampilkan baris baru sampai Ctrl+C', en: 'go on with new lines until Ctrl+C' },
    },
    {
      name: 'since',
      type: 'text',
      value: 'TIME',
      help: {
        id: 'mulai dari: 10m, 2h, 7d, "2024-10-12 13:00", atau ISO 8601',
        en: 'from: 10m, 2h, 7d, "2024-10-12 13:00", or ISO 8601',
      },
    },
    {
      name: 'kind',
      type: 'text',
      value: 'KIND',
      many: true,
      oneOf: KINDS,
      help: { id: `jenis: ${KINDS.join(', ')}`, en: `kind: ${KINDS.join(', ')}` },
    },
    {
      name: 'node',
      type: 'text',
      value: 'LABEL',
      help: {
        id: 'hanya dari bagian ini, misalnya localhost:5001',
        en: 'only of this part, for example localhost:5001',
      },
    },
    {
      name: 'grep',
      type: 'text',
      value: 'TEXT',
      help: {
        id: 'hanya baris yang berisi teks ini (besar kecil huruf sama)',
        en: 'only lines that hold this text (in any case)',
      },
    },
    {
      name: 'limit',
      type: 'count',
      value: 'N',
      max: MAX_LIMIT,
      help: {
        id: `hanya N baris terakhir (${LOG.shownLines} tanpa --since)`,
        en: `only the last N lines (${LOG.shownLines} without --since)`,
      },
    },
    {
      name: 'stats',
      type: 'flag',
      help: {
        id: 'waktu respon, latency, throughput, dan jumlah event tiap bagian',
        en: 'response time, latency, throughput and number of events of each part',
      },
    },
    ...LOGGING,
  ],
  examples: [
    {
      line: 'kelana log --follow',
      what: { id: 'mengikuti semua yang terjadi', en: 'watch everything happen' },
    },
    {
      line: 'kelana log --since 10m --kind search --kind error',
      what: {
        id: 'pencarian dan kesalahan 10 menit terakhir',
        en: 'searches and errors of the last ten minutes',
      },
    },
    {
      line: 'kelana log --node localhost:5001 --grep contoh.txt',
      what: { id: 'satu node, satu file', en: 'one node, one file' },
    },
    {
      line: 'kelana log --stats --since 1h --json',
      what: {
        id: 'angka-angka satu jam terakhir untuk program',
        en: 'the figures of the last hour, for programs',
      },
    },
  ],
  run,
};

/** What was asked, worked out once. */
interface View {
  readonly filter: LogFilter;
  readonly limit: number | undefined;
  /** Whether the limit is the default one, whose effect is pointed out. */
  readonly defaulted: boolean;
  readonly follow: boolean;
  readonly grep: (line: string) => boolean;
  readonly render: (event: KelanaEvent) => string;
}

async function run(context: Context, values: Values): Promise<number> {
  const stats = values.flag('stats');
  const follow = values.flag('follow');
  checkTogether(stats, { follow, limit: values.number('limit') !== undefined });
  const since = values.text('since');
  const text = values.text('grep')?.toLowerCase();
  const who = values.text('node');
  const kinds = values.texts('kind') as readonly Kind[];
  const json = values.flag('json');
  const lang: Lang = values.text('log-lang') === 'en' ? 'en' : 'id';
  const line = (event: KelanaEvent): string => renderLine(event, lang, localStamp(event.at));
  const limit = values.number('limit') ?? (since === undefined ? LOG.shownLines : undefined);
  const grep = (shown: string): boolean => text === undefined || shown.toLowerCase().includes(text);
  const view: View = {
    filter: {
      ...(since === undefined ? {} : { since: parseSince(since, Date.now()) }),
      ...(who === undefined ? {} : { who }),
      kinds,
      grep: text !== undefined,
    },
    limit,
    defaulted: values.number('limit') === undefined,
    follow,
    grep,
    render: json ? renderJson : line,
  };
  const needs = { '--kind': kinds.length > 0, '--node': who !== undefined, '--stats': stats, '--json': json };
  const source = await chooseSource(context, {
    database: logPath(context, values, 'log-db'),
    file: logPath(context, values, 'log'),
    needDatabase: Object.entries(needs).flatMap(([flag, given]) => (given ? [flag] : [])),
    follow,
    grep: (event) => grep(line(event)),
  });
  if (source === null) return EXIT.done;
  if (source.kind === 'file') {
    sayFileOnly(context, source.path);
    await showFile(context, source.path, view);
  } else if (stats) {
    try {
      const parts = source.reader.stats(view.filter);
      context.out(json ? showable(JSON.stringify({ parts })) : renderStats(parts, context.lang));
    } finally {
      source.reader.close();
    }
  } else {
    await showDatabase(context, logPath(context, values, 'log-db') ?? '', source.reader, view, (event) =>
      grep(line(event)),
    );
  }
  // A followed log has no other end than Ctrl+C.
  return context.signal.aborted && !follow ? EXIT.interrupted : EXIT.done;
}

async function showDatabase(
  context: Context,
  path: string,
  first: LogReader,
  view: View,
  grep: (event: KelanaEvent) => boolean,
): Promise<void> {
  let reader: LogReader | null = first;
  let unreadable = 0;
  const show = async (pages: Iterable<readonly LogRow[]>): Promise<void> => {
    for (const page of pages) {
      const lines = page.flatMap((row) => (row.event === null ? [] : [view.render(row.event)]));
      unreadable += page.length - lines.length;
      if (lines.length > 0) context.out(lines.join('\n'));
      await context.flush();
      if (context.signal.aborted) return;
    }
  };
  try {
    let last = reader.newestId();
    if (view.limit !== undefined && view.defaulted && reader.hasMoreThan(view.filter, last, view.limit)) {
      sayCut(context, view.limit);
    }
    await show(reader.pages(view.filter, last, view.limit));
    while (view.follow && !context.signal.aborted) {
      await pause(context.signal);
      if (reader !== null && !reader.current) {
        reader.close();
        [reader, last] = [null, 0];
      }
      reader ??= await openReader(path, grep);
      if (reader === null) continue;
      const newest = reader.newestId();
      await show(reader.newer(view.filter, last, newest));
      last = newest;
    }
  } finally {
    reader?.close();
  }
  if (unreadable > 0) sayUnreadable(context, unreadable);
}

async function showFile(context: Context, path: string, view: View): Promise<void> {
  const reader = new LineReader(path);
  const since = view.filter.since === undefined ? null : localStamp(view.filter.since);
  const { limit } = view;
  let held: string[] = [];
  let seen = 0;
  const write = async (): Promise<void> => {
    if (held.length > 0) context.out(held.map(showable).join('\n'));
    held = [];
    await context.flush();
  };
  try {
    for await (const line of reader.lines()) {
      if (context.signal.aborted) break;
      if (!lineMatches(line, { since, grep: view.grep })) continue;
      seen += 1;
      held.push(line);
      if (limit === undefined && held.length >= WRITE_LINES) await write();
      if (limit !== undefined && held.length > 2 * limit) held = limit === 0 ? [] : held.slice(-limit);
    }
    if (limit !== undefined) held = limit === 0 ? [] : held.slice(-limit);
    if (limit !== undefined && view.defaulted && seen > limit) sayCut(context, limit);
    await write();
    while (view.follow && !context.signal.aborted) {
      await pause(context.signal);
      for await (const line of reader.lines()) {
        if (lineMatches(line, { since, grep: view.grep })) held.push(line);
        if (held.length >= WRITE_LINES) await write();
      }
      await write();
    }
  } finally {
    await reader.close();
  }
}

/** @throws KelanaError USAGE where options exclude each other */
function checkTogether(stats: boolean, others: Readonly<Record<string, boolean>>): void {
  for (const [name, given] of Object.entries(others)) {
    if (!stats || !given) continue;
    throw new KelanaError('USAGE', {
      detail: {
        id: `--stats dan --${name} tidak bisa dipakai bersama; batasi dengan --since.`,
        en: `--stats and --${name} do not go together; narrow it with --since.`,
      },
      command: 'log',
    });
  }
}

function sayCut(context: Context, limit: number): void {
  context.err(
    context.lang === 'id'
      ? `kelana: hanya ${limit} baris terakhir; lebih banyak dengan --limit N atau --since 1d.`
      : `kelana: only the last ${limit} lines; for more use --limit N or --since 1d.`,
  );
}

function sayFileOnly(context: Context, path: string): void {
  const shown = showable(path);
  context.err(
    context.lang === 'id'
      ? `kelana: basis data log tidak ada, jadi '${shown}' dibaca; --kind, --node, --json, dan --stats memerlukan basis data.`
      : `kelana: there is no log database, so '${shown}' is read; --kind, --node, --json and --stats need the database.`,
  );
}

function sayUnreadable(context: Context, count: number): void {
  context.err(
    context.lang === 'id'
      ? `kelana: ${count} event tidak dikenal versi ini dan tidak ditampilkan.`
      : `kelana: ${count} events are not known to this version and are not shown.`,
  );
}
