import type { Lang } from '../../core/lang.ts';
import { FIGURE_TEXT, type Judgement } from '../claims.ts';
import type { Row } from '../row.ts';
import { percentText, shortNumber } from './numbers.ts';
import { strategyText, WORDS } from './words.ts';

interface Column {
  readonly word: keyof typeof WORDS;
  readonly width: number;
  readonly left?: boolean;
  readonly text: (row: Row, lang: Lang) => string;
}

const number = (value: (row: Row) => number) => (row: Row, lang: Lang) => shortNumber(value(row), lang);

/** Of fixed width, so that each row can be shown when it is done. */
const COLUMNS: readonly Column[] = [
  { word: 'graph', width: 9, left: true, text: ({ graph }) => graph },
  { word: 'nodes', width: 9, text: number(({ nodes }) => nodes) },
  { word: 'strategy', width: 14, left: true, text: strategyText },
  { word: 'copies', width: 8, text: ({ copies }) => copies },
  { word: 'churn', width: 6, text: ({ churn }, lang) => (churn === 0 ? '-' : percentText(churn, lang)) },
  { word: 'queries', width: 7, text: number(({ queries }) => queries) },
  { word: 'found', width: 7, text: number(({ found }) => found) },
  { word: 'absent', width: 9, text: number(({ absent }) => absent) },
  { word: 'incomplete', width: 9, text: number(({ incomplete }) => incomplete) },
  { word: 'falseAbsent', width: 5, text: number(({ falseAbsent }) => falseAbsent) },
  { word: 'messages', width: 9, text: number(({ messagesMean }) => messagesMean) },
  { word: 'p95', width: 9, text: number(({ messagesP95 }) => messagesP95) },
  { word: 'hops', width: 8, text: number(({ hopsMean }) => hopsMean) },
  { word: 'rounds', width: 8, text: number(({ roundsMean }) => roundsMean) },
  { word: 'peak', width: 8, text: number(({ peak }) => peak) },
  { word: 'bytes', width: 8, text: number(({ bytesMean }) => bytesMean / 1000) },
];

export function tableHead(lang: Lang): string {
  return COLUMNS.map(({ word, width, left }) => fit(WORDS[word][lang], width, left)).join(' ');
}

export function tableLine(row: Row, lang: Lang): string {
  return COLUMNS.map(({ width, left, text }) => fit(text(row, lang), width, left)).join(' ');
}

function fit(text: string, width: number, left = false): string {
  const cut = text.length > width ? `${text.slice(0, width - 1)}…` : text;
  return left ? cut.padEnd(width) : cut.padStart(width);
}

/** `✓ messages a query 7.84 (at most 10)`. */
export function judgementLine(judgement: Judgement, lang: Lang): string {
  const { figure, result, ok } = judgement;
  const mark = ok === null ? '·' : ok ? '✓' : '✗';
  const shown = result === null ? '-' : shortNumber(result, lang);
  return `  ${mark} ${FIGURE_TEXT[figure][lang]} ${shown} (${goalText(judgement, lang)})`;
}

export function goalText({ kind, value, ratio, share = 0 }: Judgement, lang: Lang): string {
  const number = shortNumber(value, lang);
  if (kind === 'most') return lang === 'id' ? `paling banyak ${number}` : `at most ${number}`;
  if (kind === 'least') return lang === 'id' ? `paling sedikit ${number}` : `at least ${number}`;
  const times = ratio === null ? '' : `, × ${ratio.toLocaleString(lang, { maximumFractionDigits: 3 })}`;
  const within = share === 0 ? '' : ` ± ${percentText(share, lang)}`;
  return `${lang === 'id' ? 'makalah' : 'paper'} ${number}${within}${times}`;
}
