import { LIMITS } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';

/**
 * How fast bytes may go, by weekday and hour. The text of a limit:
 *
 *     limit = rule { ";" rule }              the first rule that holds now counts; where none does there is no limit
 *     rule  = [ days ] [ hours ] rate        without days: every day; without hours: the whole day
 *     days  = day [ "-" day ] { "," … }      mon … sun, or sen sel rab kam jum sab min, or the full names
 *     hours = HH:MM "-" HH:MM                up to 24:00; over midnight they belong to the day on which they begin
 *     rate  = number unit | "unlimited" | "0"
 */
export interface Limit {
  /** As it was written, with single spaces. */
  readonly text: string;
  readonly rules: readonly Rule[];
}

interface Rule {
  /** By number of the weekday; null: every day. */
  readonly days: ReadonlySet<number> | null;
  /** Minutes of the day, `to` exclusive; `from` above `to` goes over midnight. */
  readonly hours: { readonly from: number; readonly to: number } | null;
  readonly bytesPerSecond: number | null;
}

/** A moment of the week, in local time. */
export interface WeekTime {
  /** 0 is Sunday, as `Date.getDay()` counts. */
  readonly weekday: number;
  /** Minutes since midnight, 0 to 1439. */
  readonly minutes: number;
}

const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** English and Indonesian names of each day; the first three letters of each name stand for it too. */
const DAYS: readonly (readonly string[])[] = [
  ['sunday', 'minggu', 'ahad'],
  ['monday', 'senin'],
  ['tuesday', 'selasa'],
  ['wednesday', 'rabu'],
  ['thursday', 'kamis'],
  ['friday', 'jumat', "jum'at"],
  ['saturday', 'sabtu'],
];
const DAY_NUMBERS: ReadonlyMap<string, number> = new Map(
  DAYS.flatMap((names, day) => names.flatMap((name) => [[name, day] as const, [name.slice(0, 3), day]])),
);

const RULE =
  /^(?:([a-z']+(?:\s*[-,]\s*[a-z']+)*)\s+)?(?:(\d{1,2}[:.]\d{2}\s*-\s*\d{1,2}[:.]\d{2})\s+)?(\S.*)$/i;
/** The case of `B` tells bytes from bits, so `b` alone is neither. */
const RATE = /^(\d+(?:[.,]\d+)?)\s*([kKmMgG]?)(i?)(?:(B)(?:ps|\/(?:s|dtk))?|([bB]it)(?:\/(?:s|dtk))?|bps)$/;
const NO_LIMIT: ReadonlySet<string> = new Set(['unlimited', 'tanpa-batas', '0']);

/** `name` is what the person wrote the limit after. @throws KelanaError BAD_VALUE */
export function parseLimit(text: string, name: string): Limit {
  const bad = (why: Text): KelanaError => badLimit(text, name, why);
  if (text.length > LIMITS.maxTextChars) {
    throw bad({
      id: `lebih dari ${LIMITS.maxTextChars} karakter`,
      en: `it is longer than ${LIMITS.maxTextChars} characters`,
    });
  }
  const parts = text.split(';').map((part) => part.trim().replace(/\s+/g, ' '));
  if (parts.length > LIMITS.maxRules) {
    throw bad({
      id: `lebih dari ${LIMITS.maxRules} aturan`,
      en: `it has more than ${LIMITS.maxRules} rules`,
    });
  }
  const rules = parts.map((part) => parseRule(part, bad));
  const last = rules.findIndex((rule) => rule.days === null && rule.hours === null);
  if (last >= 0 && last < rules.length - 1) {
    throw bad({
      id: `aturan sesudah '${parts[last] ?? ''}' tidak akan pernah berlaku; tulis yang tanpa hari dan jam di akhir`,
      en: `the rules after '${parts[last] ?? ''}' would never hold; write the one without days and hours last`,
    });
  }
  return { text: parts.join('; '), rules };
}

/** Bytes a second that hold at this time; null: no limit. */
export function rateAt(limit: Limit, at: WeekTime): number | null {
  const rule = limit.rules.find(({ days, hours }) => holds(days, hours, at));
  return rule === undefined ? null : rule.bytesPerSecond;
}

/** When the rate next becomes another one, and minutes until then (1 to a week); null: never. */
export function nextChangeAt(
  limit: Limit,
  now: WeekTime,
): (WeekTime & { readonly inMinutes: number }) | null {
  const current = rateAt(limit, now);
  const edges = new Set([0]);
  for (const { hours } of limit.rules) {
    if (hours !== null) edges.add(hours.from).add(hours.to % DAY_MINUTES);
  }
  const from = now.weekday * DAY_MINUTES + now.minutes;
  const waits = DAYS.flatMap((_, day) =>
    [...edges].map((edge) => (day * DAY_MINUTES + edge - from + WEEK_MINUTES) % WEEK_MINUTES),
  );
  for (const inMinutes of waits.toSorted((one, other) => one - other)) {
    const at = (from + inMinutes) % WEEK_MINUTES;
    const then = { weekday: Math.floor(at / DAY_MINUTES), minutes: at % DAY_MINUTES };
    if (rateAt(limit, then) !== current) return { ...then, inMinutes };
  }
  return null;
}

function holds(days: Rule['days'], hours: Rule['hours'], { weekday, minutes }: WeekTime): boolean {
  const on = (day: number): boolean => days === null || days.has(day);
  if (hours === null) return on(weekday);
  if (hours.from < hours.to) return on(weekday) && minutes >= hours.from && minutes < hours.to;
  return (on(weekday) && minutes >= hours.from) || (on((weekday + 6) % 7) && minutes < hours.to);
}

function parseRule(part: string, bad: (why: Text) => KelanaError): Rule {
  const [, days, hours, rate = ''] = RULE.exec(part) ?? [];
  if (part === '') throw bad({ id: 'ada aturan yang kosong', en: 'a rule of it is empty' });
  return {
    days: days === undefined ? null : parseDays(days, bad),
    hours: hours === undefined ? null : parseHours(hours, bad),
    bytesPerSecond: parseRate(rate, bad),
  };
}

function parseDays(text: string, bad: (why: Text) => KelanaError): ReadonlySet<number> {
  const numberOf = (name: string): number => {
    const day = DAY_NUMBERS.get(name.trim().toLowerCase());
    if (day !== undefined) return day;
    throw bad({
      id: `'${name.trim()}' bukan hari; tulis sen, sel, rab, kam, jum, sab, atau min`,
      en: `'${name.trim()}' is no day; write mon, tue, wed, thu, fri, sat or sun`,
    });
  };
  const days = new Set<number>();
  for (const item of text.split(',')) {
    const ends = item.split('-').map(numberOf);
    const [first = 0, last = first] = ends;
    if (ends.length > 2) {
      throw bad({
        id: `'${item.trim()}' bukan rentang hari; tulis mis. sen-jum`,
        en: `'${item.trim()}' is no range of days; write for example mon-fri`,
      });
    }
    for (let day = first; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === last) break;
    }
  }
  return days;
}

function parseHours(text: string, bad: (why: Text) => KelanaError): { from: number; to: number } {
  const [from = 0, to = 0] = text.split('-').map((time) => {
    const [hour = 0, minute = 0] = time.split(/[:.]/).map(Number);
    return minute < 60 && hour * 60 + minute <= DAY_MINUTES ? hour * 60 + minute : Number.NaN;
  });
  if (Number.isNaN(from + to) || from === DAY_MINUTES || from === to) {
    throw bad({
      id: `'${text}' bukan jam; tulis 00:00 sampai 24:00, mis. 08:00-17:00, dan awal yang lain dari akhirnya`,
      en: `'${text}' is no time of day; write 00:00 to 24:00, as in 08:00-17:00, with a start that is not its end`,
    });
  }
  return { from, to };
}

function parseRate(text: string, bad: (why: Text) => KelanaError): number | null {
  if (NO_LIMIT.has(text.toLowerCase())) return null;
  const match = RATE.exec(text);
  if (match === null) {
    throw bad({
      id: `'${text}' bukan laju; tulis byte seperti 5MB/s, bit seperti 40Mbit/s, atau unlimited`,
      en: `'${text}' is no rate; write bytes as in 5MB/s, bits as in 40Mbit/s, or unlimited`,
    });
  }
  const [, number = '', prefix = '', binary, bytes] = match;
  const unit = (binary === 'i' ? 1024 : 1000) ** ' kmg'.indexOf(prefix.toLowerCase() || ' ');
  const rate = (Number(number.replace(',', '.')) * unit) / (bytes === undefined ? 8 : 1);
  if (rate >= LIMITS.leastBytesPerSecond && rate <= LIMITS.mostBytesPerSecond) return rate;
  const least = LIMITS.leastBytesPerSecond / 1000;
  throw bad({
    id: `'${text}' di luar ${least}kB/s sampai 1000GB/s; tanpa batas ditulis unlimited atau 0`,
    en: `'${text}' is outside ${least}kB/s to 1000GB/s; for no limit write unlimited or 0`,
  });
}

function badLimit(text: string, name: string, why: Text): KelanaError {
  const value = text.length > 80 ? `${text.slice(0, 80)}…` : text;
  return new KelanaError('BAD_VALUE', {
    value,
    name,
    why,
    example: {
      id: `${name} 5MB/s, atau ${name} "sen-jum 08:00-17:00 5MB/s; unlimited"`,
      en: `${name} 5MB/s, or ${name} "mon-fri 08:00-17:00 5MB/s; unlimited"`,
    },
  });
}
