import { KINDS, type Kind } from '../events.ts';
import type { Lang, Text } from '../lang.ts';
import { showable } from './escape.ts';

/** One row of `countsSql` and of `statsSql`. */
export interface CountRow {
  readonly who: string;
  readonly kind: string;
  readonly n: number;
  readonly bytes: number | null;
  readonly seconds: number | null;
}
export interface MetricRow {
  readonly who: string;
  readonly metric: string;
  readonly n: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** Seconds. */
export interface Spread {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface PartStats {
  readonly who: string;
  readonly events: number;
  readonly responseSeconds: Spread | null;
  readonly latencySeconds: Spread | null;
  /** Bytes over the seconds their requests took: what one request got on average. */
  readonly throughput: {
    readonly bytes: number;
    readonly seconds: number;
    readonly meanBytesPerSecond: number;
  } | null;
  readonly kinds: Readonly<Partial<Record<Kind, number>>>;
}

/**
 * Gathers the rows of both queries by part. A balancer reports a request's time with the request itself (`relay`);
 * that stands for its response time unless it reports response times of its own.
 */
export function foldStats(counts: readonly CountRow[], metrics: readonly MetricRow[]): readonly PartStats[] {
  const spreads = new Map(metrics.map((row) => [`${row.metric} ${row.who}`, row]));
  const spread = (who: string, ...names: readonly string[]): Spread | null => {
    const row = names.map((name) => spreads.get(`${name} ${who}`)).find((found) => found !== undefined);
    if (row === undefined) return null;
    return { count: row.n, p50: row.p50, p90: row.p90, p99: row.p99, max: row.max };
  };
  return [...new Set(counts.map((row) => row.who))].map((who) => {
    const own = counts.filter((row) => row.who === who);
    const bytes = own.reduce((sum, row) => sum + (row.bytes ?? 0), 0);
    const seconds = own.reduce((sum, row) => sum + (row.seconds ?? 0), 0);
    const kinds: Partial<Record<Kind, number>> = {};
    for (const kind of KINDS) {
      const row = own.find((candidate) => candidate.kind === kind);
      if (row !== undefined) kinds[kind] = row.n;
    }
    return {
      who,
      events: own.reduce((sum, row) => sum + row.n, 0),
      responseSeconds: spread(who, 'response-time', 'relay'),
      latencySeconds: spread(who, 'latency'),
      throughput: seconds > 0 ? { bytes, seconds, meanBytesPerSecond: bytes / seconds } : null,
      kinds,
    };
  });
}

const WORDS = {
  event: { id: 'event', en: 'event' },
  events: { id: 'event', en: 'events' },
  response: { id: 'waktu respon', en: 'response time' },
  latency: { id: 'latency', en: 'latency' },
  throughput: { id: 'throughput', en: 'throughput' },
  mean: { id: 'rata-rata', en: 'mean' },
  max: { id: 'maks', en: 'max' },
  kinds: { id: 'jenis', en: 'kinds' },
  none: { id: 'Tidak ada event yang cocok.', en: 'No event matches.' },
} as const satisfies Readonly<Record<string, Text>>;

/** A block of lines for each part; times in seconds with six decimals, as in the log. */
export function renderStats(parts: readonly PartStats[], lang: Lang): string {
  if (parts.length === 0) return WORDS.none[lang];
  return parts.map((part) => blockOf(part, lang).join('\n')).join('\n');
}

function blockOf(part: PartStats, lang: Lang): string[] {
  const label = (word: Text): string => `  ${word[lang].padEnd(14)}`;
  const seconds = (value: number): string => `${value.toFixed(6)}s`;
  const lines = [
    `${showable(part.who)}: ${part.events} ${part.events === 1 ? WORDS.event[lang] : WORDS.events[lang]}`,
  ];
  const { responseSeconds: response, latencySeconds: latency, throughput } = part;
  if (response !== null) {
    const { count, p50, p90, p99, max } = response;
    lines.push(
      `${label(WORDS.response)}n ${count}  p50 ${seconds(p50)}  p90 ${seconds(p90)}  p99 ${seconds(p99)}  ${WORDS.max[lang]} ${seconds(max)}`,
    );
  }
  if (latency !== null) {
    lines.push(
      `${label(WORDS.latency)}n ${latency.count}  p50 ${seconds(latency.p50)}  p99 ${seconds(latency.p99)}`,
    );
  }
  if (throughput !== null) {
    lines.push(
      `${label(WORDS.throughput)}${WORDS.mean[lang]} ${throughput.meanBytesPerSecond.toFixed(6)} bytes/s, ${throughput.bytes} bytes`,
    );
  }
  const kinds = Object.entries(part.kinds).map(([kind, count]) => `${kind} ${count}`);
  lines.push(`${label(WORDS.kinds)}${kinds.join(', ')}`);
  return lines;
}
