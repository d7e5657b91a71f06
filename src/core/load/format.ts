import type { Lang } from '../lang.ts';

const formatters = new Map<string, Intl.NumberFormat>();

/** `1.234,5` in Indonesian, `1,234.5` in English. */
export function formatNumber(value: number, digits: number, lang: Lang): string {
  const key = `${lang}${digits}`;
  let formatter = formatters.get(key);
  if (formatter === undefined) {
    formatter = new Intl.NumberFormat(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    formatters.set(key, formatter);
  }
  return formatter.format(value);
}

/** Milliseconds with three significant digits below 100 and none after the point above; `–` for no value. */
export function formatMs(ms: number | null, lang: Lang): string {
  if (ms === null) return '–';
  return formatNumber(ms, ms < 10 ? 2 : ms < 100 ? 1 : 0, lang);
}

/** Decimal units, as network rates are given. */
export function formatBytes(bytes: number, lang: Lang): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${formatNumber(value, unit === 0 ? 0 : 2, lang)} ${units[unit] ?? ''}`;
}

/** `1:05` or `2:03:09`. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  const hours = Math.floor(minutes / 60);
  return hours > 0 ? `${hours}:${two(minutes % 60)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
