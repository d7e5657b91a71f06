import type { Lang } from '../../core/lang.ts';
import type { PrintsReport } from '../prints-report.ts';
import { shortNumber } from './numbers.ts';

/** Most bytes of a node's prints, and share of false positives (SEARCH.md). */
const GOAL = { bytes: 2_400, falsePositives: 0.000_01 } as const;

/** What prints cost and how well they tell, beside their goals. */
export function printsLines(report: PrintsReport, lang: Lang): string[] {
  const { files, bytesMean, probes, falsePositives, falseNegatives } = report;
  const share = probes === 0 ? 0 : falsePositives / probes;
  const mark = (ok: boolean): string => (ok ? '✓' : '✗');
  const number = (value: number): string => shortNumber(value, lang);
  if (lang === 'id') {
    return [
      `sidik dari ${number(files)} berkas per node`,
      `  ${mark(bytesMean <= GOAL.bytes)} byte per node ${number(bytesMean)} (paling banyak ${number(GOAL.bytes)})`,
      `  ${mark(share <= GOAL.falsePositives)} positif palsu ${falsePositives} dari ${number(probes)} (paling banyak 0,001 %)`,
      `  ${mark(falseNegatives === 0)} negatif palsu ${falseNegatives} (harus 0)`,
    ];
  }
  return [
    `prints of ${number(files)} files a node`,
    `  ${mark(bytesMean <= GOAL.bytes)} bytes a node ${number(bytesMean)} (at most ${number(GOAL.bytes)})`,
    `  ${mark(share <= GOAL.falsePositives)} false positives ${falsePositives} of ${number(probes)} (at most 0.001 %)`,
    `  ${mark(falseNegatives === 0)} false negatives ${falseNegatives} (must be 0)`,
  ];
}
