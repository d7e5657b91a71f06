import type { ErrorParams } from './errors.ts';

/**
 * Everything that can be reported, as one union. Emitters know only `Emit`; what becomes of an event
 * (log line, SQL row, metric) is decided by the sinks.
 *
 * Units: seconds for durations, bytes for sizes, bytes per second for rates. `who` is the label of the part
 * that reports, for example `localhost:5001`. Text in any field may come from outside: renderers escape it.
 */
export type Verdict = 'found' | 'absent' | 'incomplete';

/** What the seeds ask the log to tell apart, and what `kelana log --kind` filters on. */
export const KINDS = [
  'connection',
  'sent',
  'received',
  'response-time',
  'latency',
  'throughput',
  'search',
  'transfer',
  'status',
  'error',
] as const;
export type Kind = (typeof KINDS)[number];

export const BALANCER_CHANGES = [
  'add',
  'remove',
  'drain',
  'undrain',
  'weight',
  'method',
  'reload',
  'reset',
  'upgrade',
  'discover',
] as const;
export type BalancerChange = (typeof BALANCER_CHANGES)[number];

/** Why a balancer takes a server out: failures in a row, too large a part of all, or its probe failed. */
export const EJECTIONS = ['in-a-row', 'rate', 'probe'] as const;
export type Ejection = (typeof EJECTIONS)[number];

export type EventBody =
  // connection
  | { type: 'node.ready'; who: string; peerId: string; files: number }
  | { type: 'server.ready'; who: string; url: string }
  | { type: 'balancer.ready'; who: string; url: string; method: string; backends: readonly string[] }
  | { type: 'neighbour.added'; who: string; neighbour: string }
  | { type: 'neighbour.removed'; who: string; neighbour: string; reason: string }
  | { type: 'peer.banned'; who: string; peer: string; reason: string }
  | { type: 'client.connected'; who: string; client: string }
  | { type: 'client.disconnected'; who: string; client: string; requests: number }
  // messages
  | { type: 'message.sent'; who: string; to: string; text: string }
  | { type: 'message.received'; who: string; from: string; text: string }
  // offers of files and folders; `outcome` is one of OFFER_OUTCOMES
  | { type: 'offer.sent'; who: string; to: string; name: string; bytes: number }
  | { type: 'offer.received'; who: string; from: string; name: string; bytes: number }
  | { type: 'offer.ended'; who: string; peer: string; name: string; outcome: string }
  // figures of one request, one event each so that the five kinds of the seeds stay apart
  | { type: 'request.response-time'; who: string; what: string; seconds: number }
  | { type: 'request.latency'; who: string; what: string; seconds: number }
  | {
      type: 'request.throughput';
      who: string;
      what: string;
      seconds: number;
      bytes: number;
      bytesPerSecond: number;
    }
  // search
  | { type: 'search.received'; who: string; query: string; from: string }
  | { type: 'search.found'; who: string; name: string; holder: string }
  | { type: 'search.response-time'; who: string; holder: string; seconds: number }
  | {
      type: 'search.ended';
      who: string;
      query: string;
      verdict: Verdict;
      asked: number;
      missing: readonly string[];
      seconds: number;
    }
  // files
  // a scan that takes long, every few seconds and at its end: files known, and what was hashed so far
  | { type: 'library.scanning'; who: string; files: number; hashed: number; bytes: number; seconds: number }
  | { type: 'library.scanned'; who: string; files: number; hashed: number; bytes: number; seconds: number }
  | { type: 'file.stored'; who: string; name: string; cid: string; bytes: number }
  | { type: 'file.sent'; who: string; to: string; name: string; bytes: number }
  | { type: 'file.downloaded'; who: string; from: string; name: string; path: string; bytes: number }
  | { type: 'total'; who: string; seconds: number; bytes: number; bytesPerSecond: number }
  // balancer and supervisor
  | {
      type: 'balancer.request';
      who: string;
      client: string;
      backend: string;
      method: string;
      target: string;
      status: number;
      seconds: number;
      bytes: number;
      retries: number;
      /** Only where it is so: the client got the head of an answer, and not all of it. */
      cut?: true;
    }
  | { type: 'backend.up'; who: string; backend: string }
  | { type: 'backend.down'; who: string; backend: string; reason: string }
  // by command or signal; `what` is one of BALANCER_CHANGES, `subject` the backend or method, `value` the new weight
  | { type: 'balancer.changed'; who: string; what: BalancerChange; subject: string; value: number | null }
  // a connection relayed in TCP mode: bytes from the client, and to it
  | {
      type: 'balancer.connection';
      who: string;
      client: string;
      backend: string;
      seconds: number;
      received: number;
      sent: number;
      outcome: string;
    }
  // names of the certificates in use from now on
  | { type: 'balancer.certificates'; who: string; names: readonly string[] }
  // options whose new values a reload has read, and that wait for `needs`
  | { type: 'balancer.waiting'; who: string; options: readonly string[]; needs: 'upgrade' | 'restart' }
  // taken out because its requests fail (`reason` is one of EJECTIONS), for so many seconds; and back after one that did not
  | { type: 'backend.ejected'; who: string; backend: string; reason: string; seconds: number }
  | { type: 'backend.readmitted'; who: string; backend: string }
  | { type: 'part.started'; who: string; part: string; pid: number }
  | { type: 'part.exited'; who: string; part: string; reason: string; restartSeconds: number | null }
  | { type: 'part.stopped'; who: string; part: string }
  | {
      type: 'clients.ended';
      who: string;
      clients: number;
      requests: number;
      ok: number;
      failed: number;
      seconds: number;
      bytesPerSecond: number;
    }
  | { type: 'log.dropped'; who: string; sink: string; count: number }
  // `detail` is English; with the `params` of a KelanaError the log says it in its own language.
  | { type: 'error'; who: string; code: string; detail: string; params?: ErrorParams };

export type EventType = EventBody['type'];

/** An event with its time: `at` in milliseconds since the Unix epoch (UTC). */
export type KelanaEvent = EventBody & { readonly at: number };

/**
 * The only thing an emitter knows. Never throws, never blocks. One that has its time already (`KelanaEvent`) keeps it,
 * and is not changed by its emitter any more.
 */
export type Emit = (event: EventBody) => void;

const KIND_OF: Readonly<Record<EventType, Kind>> = {
  'node.ready': 'connection',
  'server.ready': 'connection',
  'balancer.ready': 'connection',
  'neighbour.added': 'connection',
  'neighbour.removed': 'connection',
  'peer.banned': 'connection',
  'client.connected': 'connection',
  'client.disconnected': 'connection',
  'message.sent': 'sent',
  'message.received': 'received',
  'offer.sent': 'sent',
  'offer.received': 'received',
  'offer.ended': 'transfer',
  'request.response-time': 'response-time',
  'request.latency': 'latency',
  'request.throughput': 'throughput',
  'search.received': 'search',
  'search.found': 'search',
  'search.response-time': 'response-time',
  'search.ended': 'search',
  'library.scanning': 'status',
  'library.scanned': 'status',
  'file.stored': 'transfer',
  'file.sent': 'transfer',
  'file.downloaded': 'transfer',
  total: 'throughput',
  'balancer.request': 'status',
  'backend.up': 'status',
  'backend.down': 'status',
  'balancer.changed': 'status',
  'balancer.connection': 'status',
  'balancer.certificates': 'status',
  'balancer.waiting': 'status',
  'backend.ejected': 'status',
  'backend.readmitted': 'status',
  'part.started': 'status',
  'part.exited': 'status',
  'part.stopped': 'status',
  'clients.ended': 'throughput',
  'log.dropped': 'status',
  error: 'error',
};

export function kindOf(type: EventType): Kind {
  return KIND_OF[type];
}
