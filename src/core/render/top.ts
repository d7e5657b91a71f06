import { figuresSince, NO_FIGURES, requestsOf, sumFigures, type Figures } from '../balance/figures.ts';
import { quantile } from '../balance/latency.ts';
import type { Lang } from '../lang.ts';
import { formatBytes, formatMs, formatNumber } from '../load/format.ts';

/** What the live view needs of a balancer at one moment. */
export interface TopView {
  readonly url: string;
  readonly method: string;
  /** Requests under way, waiting for a backend among them, and client connections. */
  readonly active: number;
  readonly queued: number;
  readonly connections: number;
  readonly backends: readonly TopBackend[];
  /** What no backend answered: refusals, and requests that found none. */
  readonly own: Figures;
}

export interface TopBackend {
  readonly name: string;
  readonly state: string;
  readonly weight: number;
  readonly active: number;
  readonly figures: Figures;
}

export interface TopSample {
  /** ms, monotonic. */
  readonly at: number;
  readonly view: TopView;
}

const WORDS = {
  id: {
    server: 'server',
    state: 'keadaan',
    weight: 'bobot',
    rate: 'permintaan/dtk',
    active: 'aktif',
    bad: '5xx/dtk',
    again: 'ulang/dtk',
    method: 'metode',
    queued: 'antre',
    connections: 'koneksi',
    own: '(balancer)',
    down: 'mati',
    up: 'siap',
    drained: 'dikosongkan',
    ejected: 'dikeluarkan',
    per: '/dtk',
    quit: 'Ctrl+C untuk keluar',
  },
  en: {
    server: 'server',
    state: 'state',
    weight: 'weight',
    rate: 'requests/s',
    active: 'active',
    bad: '5xx/s',
    again: 'retries/s',
    method: 'method',
    queued: 'queued',
    connections: 'connections',
    own: '(balancer)',
    down: 'down',
    up: 'up',
    drained: 'drained',
    ejected: 'ejected',
    per: '/s',
    quit: 'Ctrl+C to leave',
  },
} as const;
const BLOCKS = '▁▂▃▄▅▆▇█';
/** Columns of a row, and which go first where the terminal is narrow. */
const KEEP = [0, 3, 8, 6, 1, 7, 5, 9, 10, 2, 4] as const;
/** Samples that a rate is taken over: a second alone jumps. */
const SMOOTH = 3;

/** Lines of the live view, none longer than `columns`; `samples` are in order of time, the last one is now. */
export function topLines(samples: readonly TopSample[], columns: number, lang: Lang): readonly string[] {
  const now = samples.at(-1);
  if (now === undefined) return [];
  const words = WORDS[lang];
  const before = samples.at(-1 - SMOOTH) ?? samples[0] ?? now;
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const { view } = now;
  const rates = rateHistory(samples);
  const line = sparkline(rates, Math.max(10, Math.min(60, columns - 24)));
  const busiest = Math.max(1, ...view.backends.map((each) => requestsOf(changeOf(each, before))));
  const rows = view.backends.map((each) => {
    const figures = changeOf(each, before);
    const requests = requestsOf(figures);
    return [
      printable(each.name),
      isState(each.state) ? words[each.state] : printable(each.state),
      String(each.weight),
      perSecond(requests, seconds, lang),
      bar(requests / busiest, 12),
      String(each.active),
      formatMs(quantile(figures.latency, 0.5), lang),
      formatMs(quantile(figures.latency, 0.9), lang),
      formatMs(quantile(figures.latency, 0.99), lang),
      perSecond(figures.answers[5] ?? 0, seconds, lang),
      perSecond(figures.retries, seconds, lang),
    ];
  });
  const own = figuresSince(view.own, before.view.own);
  if (requestsOf(view.own) > 0)
    rows.push([words.own, '', '', perSecond(requestsOf(own), seconds, lang), '', '', '', '', '', '', '']);
  const heads = [
    words.server,
    words.state,
    words.weight,
    words.rate,
    '',
    words.active,
    'p50 ms',
    'p90 ms',
    'p99 ms',
    words.bad,
    words.again,
  ];
  const bytes = sumFigures(view.backends.map((each) => changeOf(each, before))).bytes / seconds;
  return [
    `${printable(view.url)}  ${words.method} ${printable(view.method)}`,
    `${formatNumber(rates.at(-1) ?? 0, 0, lang)} ${words.rate}  ${line}`,
    `${view.active} ${words.active}  ${view.queued} ${words.queued}  ${view.connections} ${words.connections}  ${formatBytes(bytes, lang)}${words.per}`,
    '',
    ...grid([heads, ...rows], columns),
    '',
    words.quit,
  ].map((text) => text.slice(0, columns).trimEnd());
}

function isState(state: string): state is 'up' | 'down' | 'drained' | 'ejected' {
  return state === 'up' || state === 'down' || state === 'drained' || state === 'ejected';
}

/** Requests a second between each sample and the one before. */
function rateHistory(samples: readonly TopSample[]): readonly number[] {
  return samples.slice(1).map((sample, at) => {
    const before = samples[at] ?? sample;
    const seconds = Math.max(0.001, (sample.at - before.at) / 1000);
    const own = figuresSince(sample.view.own, before.view.own);
    const all = [...sample.view.backends.map((each) => changeOf(each, before)), own];
    return all.reduce((sum, figures) => sum + requestsOf(figures), 0) / seconds;
  });
}

function changeOf(backend: TopBackend, before: TopSample): Figures {
  const earlier = before.view.backends.find(({ name }) => name === backend.name);
  return figuresSince(backend.figures, earlier?.figures ?? NO_FIGURES);
}

function perSecond(count: number, seconds: number, lang: Lang): string {
  const rate = count / seconds;
  return formatNumber(rate, rate > 0 && rate < 10 ? 1 : 0, lang);
}

/** The last `width` values as blocks of eighths of the largest of them. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const most = Math.max(...shown, 0);
  return shown
    .map((value) => BLOCKS[most === 0 ? 0 : Math.min(7, Math.floor((8 * value) / most))] ?? ' ')
    .join('');
}

function bar(share: number, width: number): string {
  const full = Math.round(Math.min(1, share) * width);
  return '█'.repeat(full) + '░'.repeat(width - full);
}

/** Numbers to the right, words to the left; columns that do not fit are left out, the least telling ones first. */
function grid(rows: readonly (readonly string[])[], columns: number): readonly string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const kept = new Set<number>();
  let room = columns;
  for (const at of KEEP) {
    const needed = (widths[at] ?? 0) + (kept.size === 0 ? 0 : 2);
    if (needed > room && kept.size > 0) continue;
    kept.add(at);
    room -= needed;
  }
  return rows.map((row) =>
    row
      .map((cell, at) => (at < 2 || at === 4 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .filter((_, at) => kept.has(at))
      .join('  '),
  );
}

/** A name from outside must not move the cursor. */
function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}
