import type { Lang } from '../core/lang.ts';
import { shortNumber } from './report/numbers.ts';
import { strategyText } from './report/words.ts';
import type { Row } from './row.ts';
import type { ScenarioCell } from './scenarios.ts';

/**
 * The cells of a scenario with other sizes, to try it out quickly. Cells that differed in their size only are one then,
 * and each keeps in mind for what size its claims were meant.
 */
export function resized(
  cells: readonly ScenarioCell[],
  { nodes, queries }: { readonly nodes?: number | undefined; readonly queries?: number | undefined },
): ScenarioCell[] {
  const known = new Set<string>();
  return cells.flatMap((one) => {
    const cell = { ...one.cell, nodes: nodes ?? one.cell.nodes, queries: queries ?? one.cell.queries };
    const key = JSON.stringify(nodes === undefined ? cell : { ...cell, queries: 0 });
    if (known.has(key)) return [];
    known.add(key);
    const { meant = one.cell.nodes } = one;
    return [{ ...one, cell, ...(one.claims === undefined || meant === cell.nodes ? {} : { meant }) }];
  });
}

/** What a row is about, with the number of nodes that it really had. */
export function titleText(
  row: Row,
  { title, meant }: Pick<ScenarioCell, 'title' | 'meant'>,
  lang: Lang,
): string {
  const what = title?.[lang] ?? `${row.graph}, ${strategyText(row)}`;
  const count = shortNumber(row.nodes, lang);
  const other = meant === undefined ? '' : shortNumber(meant, lang);
  if (lang === 'id') return `${what}, ${count} node${other === '' ? '' : ` (sasaran untuk ${other})`}`;
  return `${what}, ${count} nodes${other === '' ? '' : ` (goal for ${other})`}`;
}
