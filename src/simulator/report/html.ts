import type { Lang, Text } from '../../core/lang.ts';
import { FIGURE_TEXT, type Judgement } from '../claims.ts';
import type { PrintsReport } from '../prints-report.ts';
import type { Row } from '../row.ts';
import type { Scenario } from '../scenarios.ts';
import { plots } from './plots.ts';
import { percentText, shortNumber } from './numbers.ts';
import { printsLines } from './prints.ts';
import { STYLE } from './style.ts';
import { escapeHtml } from './svg.ts';
import { goalText } from './table.ts';
import { strategyText, WORDS } from './words.ts';

export interface Reported {
  /** Over all seeds. */
  readonly row: Row;
  readonly single: readonly Row[];
  readonly judgements: readonly Judgement[];
  readonly title: string;
}

export interface About {
  readonly scenario: Scenario | null;
  readonly seed: number;
  readonly seeds: number;
  readonly prints: PrintsReport | null;
  readonly lang: Lang;
}

const TEXT = {
  title: { id: 'Simulasi pencarian', en: 'Simulated searches' },
  goals: { id: 'Sasaran dan hasil', en: 'Goals and results' },
  all: { id: 'Semua angka', en: 'All figures' },
  claim: { id: 'ukuran', en: 'figure' },
  goal: { id: 'sasaran', en: 'goal' },
  result: { id: 'hasil', en: 'result' },
  row: { id: 'baris', en: 'row' },
  yes: { id: 'tercapai', en: 'met' },
  no: { id: 'meleset', en: 'missed' },
} as const satisfies Record<string, Text>;

/** One page with everything in it: no script, nothing that is fetched. Every text from outside is escaped. */
export function htmlReport(reported: readonly Reported[], about: About): string {
  const { lang, scenario } = about;
  const name = scenario === null ? TEXT.title[lang] : `${TEXT.title[lang]}: ${scenario.name}`;
  const rows = reported.map(({ row }) => row);
  const body = [
    `<h1>${escapeHtml(name)}</h1>`,
    `<p>${escapeHtml([scenario?.summary[lang], setUp(rows, about)].filter((text) => text !== undefined).join('. '))}</p>`,
    goalsSection(reported, about),
    ...plots(rows, lang).map(
      ({ title, what, svg }) =>
        `<section><h2>${escapeHtml(title)}</h2><p>${escapeHtml(what)}</p>${svg}</section>`,
    ),
    `<section><h2>${TEXT.all[lang]}</h2><div class="scroll">${table(rows, lang)}</div></section>`,
    `<footer>${footer(about)}</footer>`,
  ];
  return `<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(name)}</title>
<style>${STYLE}</style>
</head>
<body><main>
${body.join('\n')}
</main></body>
</html>
`;
}

function setUp(rows: readonly Row[], { seed, seeds, lang }: About): string {
  const queries = shortNumber(
    rows.reduce((sum, row) => sum + row.queries, 0),
    lang,
  );
  return lang === 'id'
    ? `${rows.length} susunan, ${queries} query, benih ${seed}${seeds > 1 ? ` sampai ${seed + seeds - 1}` : ''}.`
    : `${rows.length} set-ups, ${queries} queries, seed ${seed}${seeds > 1 ? ` to ${seed + seeds - 1}` : ''}.`;
}

function goalsSection(reported: readonly Reported[], { lang, prints }: About): string {
  const lines = reported.flatMap(({ judgements, title }) =>
    judgements.map((judgement) => {
      const { ok, result, figure } = judgement;
      const verdict = ok === null ? '' : ok ? TEXT.yes[lang] : TEXT.no[lang];
      const cells = [
        `<td class="text">${escapeHtml(title)}</td>`,
        `<td class="text">${escapeHtml(FIGURE_TEXT[figure][lang])}</td>`,
        `<td>${escapeHtml(goalText(judgement, lang))}</td>`,
        `<td>${result === null ? '–' : shortNumber(result, lang)}</td>`,
        `<td class="${ok === false ? 'no' : 'ok'}">${verdict}</td>`,
      ];
      return `<tr>${cells.join('')}</tr>`;
    }),
  );
  if (lines.length === 0) return '';
  const head = `<tr><th class="text">${TEXT.row[lang]}</th><th class="text">${TEXT.claim[lang]}</th><th>${TEXT.goal[lang]}</th><th>${TEXT.result[lang]}</th><th></th></tr>`;
  const about = prints === null ? '' : `<p>${printsLines(prints, lang).map(escapeHtml).join('<br>')}</p>`;
  return `<section><h2>${TEXT.goals[lang]}</h2><div class="scroll"><table>${head}${lines.join('')}</table></div>${about}</section>`;
}

interface Column {
  readonly word: keyof typeof WORDS;
  readonly text: (row: Row, lang: Lang) => string;
  readonly left?: boolean;
}

const number = (value: (row: Row) => number) => (row: Row, lang: Lang) => shortNumber(value(row), lang);

const COLUMNS: readonly Column[] = [
  { word: 'graph', text: ({ graph }) => graph, left: true },
  { word: 'nodes', text: number(({ nodes }) => nodes) },
  { word: 'strategy', text: strategyText, left: true },
  { word: 'copies', text: ({ copies }) => copies },
  { word: 'churn', text: ({ churn }, lang) => percentText(churn, lang) },
  { word: 'queries', text: number(({ queries }) => queries) },
  { word: 'found', text: number(({ found }) => found) },
  { word: 'absent', text: number(({ absent }) => absent) },
  { word: 'incomplete', text: number(({ incomplete }) => incomplete) },
  { word: 'falseAbsent', text: number(({ falseAbsent }) => falseAbsent) },
  { word: 'messages', text: number(({ messagesMean }) => messagesMean) },
  { word: 'p95', text: number(({ messagesP95 }) => messagesP95) },
  { word: 'hops', text: number(({ hopsMean }) => hopsMean) },
  { word: 'rounds', text: number(({ roundsMean }) => roundsMean) },
  { word: 'peak', text: number(({ peak }) => peak) },
  { word: 'bytes', text: number(({ bytesMean }) => bytesMean / 1000) },
  { word: 'recall', text: ({ recall }, lang) => (recall === null ? '–' : percentText(recall, lang)) },
];

function table(rows: readonly Row[], lang: Lang): string {
  const side = ({ left }: Column): string => (left === true ? ' class="text"' : '');
  const head = COLUMNS.map((column) => `<th${side(column)}>${WORDS[column.word][lang]}</th>`).join('');
  const lines = rows.map((row) => {
    const cells = COLUMNS.map((column) => `<td${side(column)}>${escapeHtml(column.text(row, lang))}</td>`);
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<table><tr>${head}</tr>${lines.join('')}</table>`;
}

function footer({ lang }: About): string {
  return lang === 'id'
    ? 'Dibuat oleh <code>kelana simulate</code>. Benih yang sama memberi angka yang sama; satu putaran adalah waktu satu pesan.'
    : 'Made by <code>kelana simulate</code>. The same seed gives the same figures; a round is the time of one message.';
}
