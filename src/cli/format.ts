import type { Lang } from '../core/lang.ts';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Bytes for people, decimal units as disks and networks use: `26 B`, `1,5 MB` (id), `1.5 MB` (en). */
export function bytesText(bytes: number, lang: Lang): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${numberText(value, lang, unit === 0 || value >= 100 ? 0 : 1)} ${UNITS[unit] ?? ''}`;
}

export function numberText(value: number, lang: Lang, digits = 0): string {
  return value.toLocaleString(lang, { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

/** Milliseconds below a second, seconds above. */
export function durationText(ms: number, lang: Lang): string {
  if (ms < 10) return `${numberText(ms, lang, 1)} ms`;
  return ms < 1000
    ? `${numberText(ms, lang)} ms`
    : `${numberText(ms / 1000, lang, 2)} ${lang === 'id' ? 'dtk' : 's'}`;
}

/** Columns padded to their widest cell; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
