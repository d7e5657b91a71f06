import { KelanaError } from '../../core/errors.ts';
import { parseSeconds } from '../options.ts';

const DAY_S = 86_400;
const LOCAL = /^(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2}))?)?$/;
const ISO = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/;

/**
 * `--since`: how long ago (`30s`, `10m`, `2h`, `7d`), a local date or time as the log shows it (`2024-10-12`,
 * `2024-10-12 13:00`, `2024-10-12 13:00:05`), or ISO 8601 with its zone. `now` and the result are ms since the epoch.
 * @throws KelanaError BAD_VALUE
 */
export function parseSince(text: string, now: number): number {
  const days = /^(\d+(?:\.\d+)?)d$/.exec(text);
  const seconds = days === null ? parseSeconds(text) : Number(days[1]) * DAY_S;
  if (Number.isFinite(seconds)) return Math.max(0, now - seconds * 1000);
  const at = ISO.test(text) ? Date.parse(text) : localTime(text);
  if (Number.isFinite(at)) return at;
  throw new KelanaError('BAD_VALUE', {
    value: text,
    name: '--since',
    why: {
      id: 'harus lama waktu (10m, 2h, 7d) atau tanggal dan jam',
      en: 'it must be a length of time (10m, 2h, 7d) or a date and time',
    },
    example: '--since 10m, --since "2024-10-12 13:00"',
  });
}

/** NaN where the text is no date, or one that no calendar has. */
function localTime(text: string): number {
  const match = LOCAL.exec(text);
  if (match === null) return Number.NaN;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0));
  const date = new Date(year, month - 1, day, hour, minute, second);
  // Date turns 30 February into 1 March; hours may move with daylight saving, days may not.
  const same = date.getMonth() === month - 1 && date.getDate() === day;
  return same && hour < 24 && minute < 60 && second < 60 ? date.getTime() : Number.NaN;
}
