import type { Row } from './row.ts';

/** Comma-separated values as in RFC 4180, but for `\n` line ends; the first line names the fields. */
export function csvHead(row: Row): string {
  return Object.keys(row).join(',');
}

export function csvLine(row: Row): string {
  return Object.values(row).map(cellText).join(',');
}

function cellText(value: string | number | null): string {
  if (value === null) return '';
  const text = String(value);
  // A spreadsheet takes text that begins like a formula for one; names of graph files come from outside.
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
