import { kindOf, type KelanaEvent } from '../events.ts';
import type { Lang } from '../lang.ts';
import { showable } from './escape.ts';
import { SENTENCES } from './sentences.ts';

/** The last millisecond of the year 9999: what `YYYY-MM-DD` can say. */
const LAST_MS = 253_402_300_799_999;

/**
 * `YYYY-MM-DD HH:MM:SS` of a time (ms since the Unix epoch) at an offset from UTC in minutes, east positive.
 * Times that four digits of a year cannot say become the nearest that they can.
 */
export function stamp(at: number, offsetMinutes: number): string {
  const local = Number.isFinite(at) ? at + offsetMinutes * 60_000 : 0;
  return new Date(Math.min(LAST_MS, Math.max(0, local))).toISOString().slice(0, 19).replace('T', ' ');
}

/** One event as one line, without its newline: `YYYY-MM-DD HH:MM:SS - sentence`; `localTime` as `stamp` gives it. */
export function renderLine(event: KelanaEvent, lang: Lang, localTime: string): string {
  // Each sentence takes its own event; which one that is, is only known at run time.
  const sentence = SENTENCES[event.type][lang] as (event: KelanaEvent) => string;
  return `${localTime} - ${sentence(event)}`;
}

/** One event as one line of JSON, with its time for people and its kind; safe to print on a terminal. */
export function renderJson(event: KelanaEvent): string {
  const json = JSON.stringify({ time: isoTime(event.at), kind: kindOf(event.type), ...event });
  // JSON itself leaves C1, DEL and format characters as they are; \uXXXX per UTF-16 unit is still JSON.
  return showable(json) === json
    ? json
    : json.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function isoTime(at: number): string {
  return new Date(Number.isFinite(at) ? Math.min(LAST_MS, Math.max(0, at)) : 0).toISOString();
}
