import type { Lang } from '../core/lang.ts';
import type { LimitInfo } from '../core/ports.ts';
import { bytesText } from './format.ts';

export function rateText(bytesPerSecond: number, lang: Lang): string {
  return `${bytesText(bytesPerSecond, lang)}/${lang === 'id' ? 'dtk' : 's'}`;
}

/** The limit that holds now, and until when: `5 MB/s until Fri 17:00`. */
export function holdsText({ bytesPerSecond, changesAt }: LimitInfo, lang: Lang): string {
  const id = lang === 'id';
  const rate = bytesPerSecond === null ? (id ? 'tanpa batas' : 'no limit') : rateText(bytesPerSecond, lang);
  if (changesAt === null) return rate;
  const time = new Date(changesAt).toLocaleString(lang, {
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
  });
  return `${rate} ${id ? 'sampai' : 'until'} ${time}`;
}

/** A limit as a person may write it, in the words of their language. */
export function writtenText(limit: string, lang: Lang): string {
  return lang === 'id'
    ? limit.replaceAll('unlimited', 'tanpa-batas')
    : limit.replaceAll('tanpa-batas', 'unlimited');
}

/** One line for `status`: what moves, and what may. */
export function limitText(info: LimitInfo, lang: Lang): string {
  const moved = rateText(info.movedBytesPerSecond, lang);
  if (info.bytesPerSecond === null) return `${moved}, ${holdsText(info, lang)}`;
  return `${moved}, ${lang === 'id' ? 'batas' : 'limit'} ${holdsText(info, lang)}`;
}
