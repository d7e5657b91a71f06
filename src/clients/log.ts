import type { Emit } from '../core/events.ts';
import { perSecond, type Report } from '../core/load/report.ts';
import type { Payload } from './payload.ts';
import type { Target } from './target.ts';
import type { Watcher } from './watcher.ts';

const MANAGER = 'client manager';

/** The reply's text: the `reply` of a JSON answer, what it says was stored, else the body as it is. */
export function replyOf(body: Uint8Array): string {
  const text = new TextDecoder().decode(body);
  const reply = field(text, 'reply');
  if (typeof reply === 'string') return reply;
  const stored = storedOf(body);
  return stored === null ? text : `${stored.name} (${stored.size} B), CID ${stored.cid}`;
}

export interface Stored {
  readonly name: string;
  readonly size: number;
  readonly cid: string;
}

/** What an answer to an upload says was stored; null where it says no such thing. */
export function storedOf(body: Uint8Array): Stored | null {
  const text = new TextDecoder().decode(body);
  const [name, size, cid] = ['name', 'size', 'cid'].map((key) => field(text, key));
  return typeof name === 'string' && typeof size === 'number' && typeof cid === 'string'
    ? { name, size, cid }
    : null;
}

/** One field of a JSON object, or undefined where the text is none. */
export function field(json: string, name: string): unknown {
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    return (value as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
}

/** Reports each request as events: sent, reply, response time, latency to first byte, throughput. */
export function requestLog(emit: Emit, target: Target, payload: Payload): Watcher {
  const to = target.authority;
  const what = payload.what;
  return {
    began: (client, index) => {
      if (payload.file !== null) return;
      emit({ type: 'message.sent', who: nameOf(client), to, text: payload.text(client, index) });
    },
    ended: (client, _, exchange) => {
      const who = nameOf(client);
      const { outcome } = exchange;
      if (!outcome.ok) {
        emit({ type: 'error', who, code: outcome.code, detail: exchange.detail });
        return;
      }
      if (payload.file !== null) {
        emit({ type: 'file.sent', who, to, name: payload.file.name, bytes: payload.file.size });
      }
      const seconds = outcome.responseMs / 1000;
      const bytes = outcome.sent + outcome.received;
      const from = outcome.server ?? to;
      emit({ type: 'message.received', who, from, text: replyOf(exchange.body) });
      emit({ type: 'request.response-time', who, what, seconds });
      emit({ type: 'request.latency', who, what, seconds: outcome.firstByteMs / 1000 });
      emit({
        type: 'request.throughput',
        who,
        what,
        seconds,
        bytes,
        bytesPerSecond: perSecond(bytes, seconds),
      });
    },
  };
}

/** Reports a whole run: percentiles in place of each request's times, each kind of failure once, and the end. */
export function logRun(emit: Emit, payload: Payload, report: Report, percentiles: boolean): void {
  const who = MANAGER;
  if (percentiles) {
    for (const name of ['p50', 'p99'] as const) {
      const what = `${payload.what} ${name}`;
      const response = report.responseMs[name];
      const firstByte = report.firstByteMs[name];
      if (response !== null) emit({ type: 'request.response-time', who, what, seconds: response / 1000 });
      if (firstByte !== null) emit({ type: 'request.latency', who, what, seconds: firstByte / 1000 });
    }
    for (const [code, count] of Object.entries(report.errors)) {
      emit({ type: 'error', who, code, detail: `${count} × ${payload.what}` });
    }
  }
  const { clients, requests, ok, failed, seconds, bytesPerSecond } = report;
  emit({ type: 'clients.ended', who, clients, requests, ok, failed, seconds, bytesPerSecond });
}

/** `client 1` for the first. */
function nameOf(client: number): string {
  return `client ${client + 1}`;
}
