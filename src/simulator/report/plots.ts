import type { Lang, Text } from '../../core/lang.ts';
import type { Row } from '../row.ts';
import { barChart, dotChart, type Bar } from './charts.ts';
import { lineChart, type Line } from './line-chart.ts';
import { percentText, shortNumber } from './numbers.ts';
import { strategyText } from './words.ts';

export interface Plot {
  readonly title: string;
  readonly what: string;
  readonly svg: string;
}

const TEXT = {
  messages: { id: 'Pesan per query', en: 'Messages per query' },
  messagesWhat: {
    id: 'Batang: rata-rata. Garis tegak: 95 persen dari semua query tidak melebihinya. Garis putus-putus: rata-rata terendah sampai tertinggi dari benih-benih.',
    en: 'Bar: mean. Upright line: 95 percent of all queries do not exceed it. Dashed: lowest to highest mean of the seeds.',
  },
  hops: { id: 'Lompatan sampai temuan pertama', en: 'Hops to the first hit' },
  hopsWhat: {
    id: 'Tautan dan panggilan yang dilalui query sampai ke pemegang berkas; garis tegak: 95 persen.',
    en: 'Links and dials that the query crossed to the holder; upright line: 95 percent.',
  },
  load: { id: 'Beban per node', en: 'Load per node' },
  loadWhat: {
    id: 'Pesan yang tiba di satu node per query: node tengah, yang lebih sibuk dari 99 persen, dan yang tersibuk.',
    en: 'Messages that arrive at one node per query: the median node, the one busier than 99 percent, and the busiest.',
  },
  recall: { id: 'Ketemu saat node pergi', en: 'Recall under churn' },
  recallWhat: {
    id: 'Bagian yang ditemukan dari yang masih ada dan terjangkau, bila sekian node pergi selama query.',
    en: 'Share found of what is still there and can be reached, when so many nodes leave during the query.',
  },
  growth: { id: 'Pertumbuhan', en: 'Growth' },
  growthWhat: {
    id: 'Rata-rata pesan per query menurut jumlah node.',
    en: 'Mean messages per query over the number of nodes.',
  },
  perQuery: { id: 'pesan per query', en: 'messages per query' },
  hop: { id: 'lompatan', en: 'hops' },
  left: { id: 'node yang pergi', en: 'nodes that leave' },
  found: { id: 'ketemu', en: 'found' },
  nodes: { id: 'node', en: 'nodes' },
  median: { id: 'tengah', en: 'median' },
  busiest: { id: 'tersibuk', en: 'busiest' },
  copy: { id: 'salinan', en: 'copy' },
  copies: { id: 'salinan', en: 'copies' },
  churn: { id: 'pergi', en: 'churn' },
} as const satisfies Record<string, Text>;

/** The plots that these rows can fill. */
export function plots(rows: readonly Row[], lang: Lang): Plot[] {
  const say = (key: keyof typeof TEXT): string => TEXT[key][lang];
  const shown = rows.toSorted((a, b) => (heading(a, lang) < heading(b, lang) ? -1 : 1));
  const bar = (row: Row, value: number, mark: number): Bar => ({
    label: strategyText(row),
    heading: heading(row, lang),
    series: row.strategy,
    value,
    mark,
  });
  const list: Plot[] = [];
  const sizes = linesOf(
    rows,
    ({ nodes }) => nodes,
    ({ messagesMean }) => messagesMean,
    byCopies,
  );
  if (sizes.length > 0) {
    const about = { label: say('growth'), unit: say('perQuery'), xUnit: say('nodes'), log: true, lang };
    list.push({ title: say('growth'), what: say('growthWhat'), svg: lineChart(sizes, about) });
  }
  const recalls = linesOf(
    rows,
    ({ churn }) => churn,
    ({ recall }) => recall,
    strategyText,
  );
  if (recalls.length > 0) {
    const text = (share: number): string => percentText(share, lang);
    const about = { label: say('recall'), unit: say('found'), xUnit: say('left'), log: false, lang };
    const svg = lineChart(recalls, { ...about, text, xText: text });
    list.push({ title: say('recall'), what: say('recallWhat'), svg });
  }
  list.push({
    title: say('messages'),
    what: say('messagesWhat'),
    svg: barChart(
      shown.map((row) => ({
        ...bar(row, row.messagesMean, row.messagesP95),
        low: row.messagesMin,
        high: row.messagesMax,
      })),
      { label: say('messages'), unit: say('perQuery'), lang },
    ),
  });
  const found = shown.filter((row) => row.found > 0);
  if (found.length > 0) {
    const bars = found.map((row) => bar(row, row.hopsMean, row.hopsP95));
    const svg = barChart(bars, { label: say('hops'), unit: say('hop'), lang });
    list.push({ title: say('hops'), what: say('hopsWhat'), svg });
  }
  const dots = shown.map((row) => ({
    label: strategyText(row),
    heading: heading(row, lang),
    series: row.strategy,
    values: [row.loadMedian, row.loadP99, row.peak],
  }));
  const names = [say('median'), '99 %', say('busiest')];
  const svg = dotChart(dots, names, { label: say('load'), unit: say('perQuery'), lang });
  list.push({ title: say('load'), what: say('loadWhat'), svg });
  return list;
}

/** What rows of one group have in common. */
function heading(row: Row, lang: Lang): string {
  const copies =
    row.copies === 'keywords'
      ? row.copies
      : `${row.copies} ${TEXT[row.copies === '1' ? 'copy' : 'copies'][lang]}`;
  const churn = row.churn === 0 ? '' : ` · ${percentText(row.churn, lang)} ${TEXT.churn[lang]}`;
  return `${row.graph} ${shortNumber(row.nodes, lang)} · ${copies}${churn}`;
}

function byCopies(row: Row): string {
  return `${strategyText(row)} · ${row.copies}`;
}

/** Lines of rows that differ in `x`; none where all have the same. */
function linesOf(
  rows: readonly Row[],
  x: (row: Row) => number,
  y: (row: Row) => number | null,
  name: (row: Row) => string,
): Line[] {
  const lines = new Map<string, { series: string; points: [number, number][] }>();
  for (const row of rows) {
    const value = y(row);
    if (value === null) continue;
    const key = name(row);
    const one = lines.get(key) ?? { series: row.strategy, points: [] };
    if (!one.points.some(([at]) => at === x(row))) one.points.push([x(row), value]);
    lines.set(key, one);
  }
  return [...lines]
    .filter(([, { points }]) => points.length > 1)
    .map(([key, { series, points }]) => ({ name: key, series, points: points.sort(([a], [b]) => a - b) }));
}
