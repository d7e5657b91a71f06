/** Figures of repeated measurements, goals, and how both are shown. */

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Null without values. */
export function spreadOf(values: readonly number[]): Spread | null {
  const sorted = values.toSorted((one, other) => one - other);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return null;
  const middle = (sorted.length - 1) / 2;
  const median = ((sorted[Math.floor(middle)] ?? min) + (sorted[Math.ceil(middle)] ?? max)) / 2;
  return { min, median, max };
}

export interface Goal {
  readonly what: string;
  /** Null where it could not be measured. */
  readonly value: number | null;
  readonly limit: number;
  readonly sense: 'at least' | 'at most' | 'below';
  readonly unit: string;
}

export type Judgement = 'ok' | 'missed' | 'open';

export function judge({ value, limit, sense }: Goal): Judgement {
  if (value === null) return 'open';
  const ok = sense === 'at least' ? value >= limit : sense === 'at most' ? value <= limit : value < limit;
  return ok ? 'ok' : 'missed';
}

const SIGNS = { 'at least': '≥', 'at most': '≤', below: '<' } as const;
const WORDS = { ok: 'ok    ', missed: 'MISSED', open: '–     ' } as const;

export function goalText(goal: Goal): string {
  const { what, value, limit, sense, unit } = goal;
  const shown = value === null ? 'not measured' : `${digits(value)}${unit}`;
  return `  ${WORDS[judge(goal)]} ${what}: ${shown}, goal ${SIGNS[sense]} ${digits(limit)}${unit}`;
}

/** Three digits that count, as no measurement here has more. */
export function digits(value: number): string {
  if (value === 0 || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2).replace(/\.0+$/, '');
}

/** The median, and in brackets from where to where. */
export function spreadText(spread: Spread | null): string {
  if (spread === null) return '–';
  const { min, median, max } = spread;
  return `${digits(median)} (${digits(min)}–${digits(max)})`;
}

/** Columns aligned: the first to the left, all others to the right. */
export function tableOf(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((text, at) => (at === 0 ? text.padEnd(widths[at] ?? 0) : text.padStart(widths[at] ?? 0)))
        .join('  '),
    )
    .join('\n');
}
