import type { Lang, Text } from '../lang.ts';
import { showable } from '../render/escape.ts';
import { formatBytes, formatClock, formatMs, formatNumber } from './format.ts';
import type { Report, Times } from './report.ts';

const WORDS = {
  requests: { id: 'Permintaan', en: 'Requests' },
  ok: { id: 'berhasil', en: 'ok' },
  failed: { id: 'gagal', en: 'failed' },
  retries: { id: 'diulang', en: 'retried' },
  notSent: { id: 'tidak sempat dikirim', en: 'due but not sent' },
  time: { id: 'Waktu', en: 'Time' },
  perSecond: { id: 'permintaan/s', en: 'requests/s' },
  response: { id: 'Waktu respon', en: 'Response time' },
  firstByte: { id: 'Byte pertama', en: 'First byte' },
  max: { id: 'maks', en: 'max' },
  mean: { id: 'rata-rata', en: 'mean' },
  servers: { id: 'Server', en: 'Server' },
  errors: { id: 'Gagal karena', en: 'Failed with' },
  interrupted: { id: 'Dihentikan; ini yang sempat selesai.', en: 'Interrupted; this is what was done.' },
} as const satisfies Record<string, Text>;

const LABEL = 16;
const NUMBER = 10;
const MAX_COLUMNS = 80;

/** The report for a person, as lines of at most `columns` (and 80) characters. Names from outside are made harmless. */
export function reportLines(report: Report, lang: Lang, columns: number): string[] {
  const width = Math.max(40, Math.min(columns, MAX_COLUMNS));
  const number = (value: number, digits = 0): string => formatNumber(value, digits, lang);
  const extras = [
    `${number(report.ok)} ${WORDS.ok[lang]}`,
    `${number(report.failed)} ${WORDS.failed[lang]}`,
    ...(report.retries > 0 ? [`${number(report.retries)} ${WORDS.retries[lang]}`] : []),
    ...(report.notSent > 0 ? [`${number(report.notSent)} ${WORDS.notSent[lang]}`] : []),
  ];
  const rates = [
    `${number(report.requestsPerSecond, 1)} ${WORDS.perSecond[lang]}`,
    `${formatBytes(report.bytesPerSecond, lang)}/s`,
  ];
  const lines = [
    ...(report.interrupted ? [WORDS.interrupted[lang], ''] : []),
    ...fold(WORDS.requests[lang], number(report.requests), extras, width),
    ...fold(WORDS.time[lang], `${number(report.seconds, 2)} s`, rates, width),
    '',
    ...timesTable(report, lang, width),
  ];
  const servers = Object.entries(report.servers);
  if (servers.length > 0) lines.push('', ...shares(WORDS.servers[lang], servers, lang, width));
  const errors = Object.entries(report.errors);
  if (errors.length > 0) lines.push('', ...shares(WORDS.errors[lang], errors, lang, width));
  return lines;
}

/** `label value  part, part`, the parts on lines of their own where they do not fit. */
function fold(label: string, value: string, parts: readonly string[], width: number): string[] {
  const head = `${label.padEnd(LABEL)}${value.padStart(NUMBER)}`;
  const whole = `${head}   ${parts.join(', ')}`;
  return whole.length <= width ? [whole] : [head, ...parts.map((part) => `  ${part}`)];
}

function timesTable(report: Report, lang: Lang, width: number): string[] {
  const point = lang === 'id' ? ',' : '.';
  const columns: ReadonlyArray<readonly [string, keyof Times]> = [
    ['p50', 'p50'],
    ['p90', 'p90'],
    ['p99', 'p99'],
    [`p99${point}9`, 'p999'],
    [WORDS.max[lang], 'max'],
    [WORDS.mean[lang], 'mean'],
  ];
  const rows: ReadonlyArray<readonly [string, Times]> = [
    [WORDS.response[lang], report.responseMs],
    [WORDS.firstByte[lang], report.firstByteMs],
  ];
  if (width < LABEL + NUMBER * columns.length) {
    return rows.flatMap(([label, times]) => [
      `${label} (ms)`,
      ...columns.map(
        ([name, key]) => `  ${name.padEnd(LABEL - 2)}${formatMs(times[key], lang).padStart(NUMBER)}`,
      ),
    ]);
  }
  return [
    'ms'.padEnd(LABEL) + columns.map(([name]) => name.padStart(NUMBER)).join(''),
    ...rows.map(
      ([label, times]) =>
        label.padEnd(LABEL) + columns.map(([, key]) => formatMs(times[key], lang).padStart(NUMBER)).join(''),
    ),
  ];
}

/** Names with their counts, their share and a bar of it. */
function shares(
  title: string,
  counts: ReadonlyArray<readonly [string, number]>,
  lang: Lang,
  width: number,
): string[] {
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const names = counts.map(([name]) => clip(showable(name), width - 2 * NUMBER - 2));
  const label = Math.max(LABEL, ...names.map((name) => name.length));
  const room = width - label - 2 * NUMBER - 2;
  return [
    title,
    ...counts.map(([, count], index) => {
      const share = total === 0 ? 0 : count / total;
      const percent = `${formatNumber(share * 100, 1, lang)} %`;
      const bar = room > 0 ? '█'.repeat(Math.round(share * Math.min(room, 30))) : '';
      const name = (names[index] ?? '').padEnd(label);
      return `${name}${formatNumber(count, 0, lang).padStart(NUMBER)}${percent.padStart(NUMBER)}  ${bar}`.trimEnd();
    }),
  ];
}

function clip(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

export interface Progress {
  readonly done: number;
  /** Requests of the whole run, or null where only its time is known. */
  readonly total: number | null;
  readonly failed: number;
  readonly seconds: number;
  readonly durationSeconds: number | null;
  readonly p50: number | null;
  readonly p99: number | null;
}

/** One line to rewrite in place: done/total, rate, percentiles, failures, time left. */
export function progressLine(progress: Progress, lang: Lang, columns: number): string {
  const number = (value: number): string => formatNumber(value, 0, lang);
  const rate = progress.seconds > 0 ? progress.done / progress.seconds : 0;
  const of = progress.total === null ? '' : `/${number(progress.total)}`;
  const byCount =
    progress.total === null || rate === 0
      ? Number.POSITIVE_INFINITY
      : (progress.total - progress.done) / rate;
  const byTime =
    progress.durationSeconds === null
      ? Number.POSITIVE_INFINITY
      : progress.durationSeconds - progress.seconds;
  const left = Math.min(byCount, byTime);
  const parts = [
    `${number(progress.done)}${of}`,
    `${number(rate)}/s`,
    `p50 ${formatMs(progress.p50, lang)} ms`,
    `p99 ${formatMs(progress.p99, lang)} ms`,
    `${number(progress.failed)} ${WORDS.failed[lang]}`,
    ...(Number.isFinite(left) ? [`${lang === 'id' ? 'sisa' : 'left'} ${formatClock(left)}`] : []),
  ];
  return clip(parts.join('  '), Math.max(10, columns - 1));
}
