import type { Lang } from '../../core/lang.ts';

/** Three significant digits, or whole above 1,000: what can be told apart, and no more. */
export function shortNumber(value: number, lang: Lang): string {
  const size = Math.abs(value);
  const digits =
    size === 0 || size >= 100
      ? 0
      : size >= 10
        ? 1
        : size >= 1
          ? 2
          : Math.min(6, 2 - Math.floor(Math.log10(size)));
  return value.toLocaleString(lang, { maximumFractionDigits: digits });
}

/** `1.5 M`, `20 k`: for axes. */
export function axisNumber(value: number, lang: Lang): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${shortNumber(value / 1e6, lang)} M`;
  return size >= 1e4 ? `${shortNumber(value / 1e3, lang)} k` : shortNumber(value, lang);
}

export function percentText(share: number, lang: Lang, digits = 1): string {
  return `${(100 * share).toLocaleString(lang, { maximumFractionDigits: digits })} %`;
}
