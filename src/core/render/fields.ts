import type { EventBody, EventType, KelanaEvent, Verdict } from '../events.ts';

export type BodyOf<T extends EventType> = Extract<EventBody, { type: T }>;

type FieldOf<V> = [V] extends [Verdict]
  ? 'verdict'
  : [V] extends [string]
    ? 'text'
    : [V] extends [readonly string[]]
      ? 'texts'
      : [V] extends [number]
        ? 'number'
        : [V] extends [number | null]
          ? 'number or null'
          : [V] extends [true | undefined]
            ? 'flag'
            : 'params';
export type Field = 'verdict' | 'text' | 'texts' | 'number' | 'number or null' | 'flag' | 'params';

type Table = {
  readonly [T in EventType]: {
    readonly [K in Exclude<keyof BodyOf<T>, 'type'>]: FieldOf<BodyOf<T>[K]>;
  };
};

const who = 'text';
const request = { who, what: 'text', seconds: 'number' } as const;
const scan = { files: 'number', hashed: 'number', bytes: 'number', seconds: 'number' } as const;
const rate = { seconds: 'number', bytes: 'number', bytesPerSecond: 'number' } as const;

/** The fields of every event at run time; the compiler holds it to the union in events.ts. */
export const FIELDS: Table = {
  'node.ready': { who, peerId: 'text', files: 'number' },
  'server.ready': { who, url: 'text' },
  'balancer.ready': { who, url: 'text', method: 'text', backends: 'texts' },
  'neighbour.added': { who, neighbour: 'text' },
  'neighbour.removed': { who, neighbour: 'text', reason: 'text' },
  'peer.banned': { who, peer: 'text', reason: 'text' },
  'client.connected': { who, client: 'text' },
  'client.disconnected': { who, client: 'text', requests: 'number' },
  'message.sent': { who, to: 'text', text: 'text' },
  'message.received': { who, from: 'text', text: 'text' },
  'offer.sent': { who, to: 'text', name: 'text', bytes: 'number' },
  'offer.received': { who, from: 'text', name: 'text', bytes: 'number' },
  'offer.ended': { who, peer: 'text', name: 'text', outcome: 'text' },
  'request.response-time': request,
  'request.latency': request,
  'request.throughput': { who, what: 'text', ...rate },
  'search.received': { who, query: 'text', from: 'text' },
  'search.found': { who, name: 'text', holder: 'text' },
  'search.response-time': { who, holder: 'text', seconds: 'number' },
  'search.ended': {
    who,
    query: 'text',
    verdict: 'verdict',
    asked: 'number',
    missing: 'texts',
    seconds: 'number',
  },
  'library.scanning': { who, ...scan },
  'library.scanned': { who, ...scan },
  'file.stored': { who, name: 'text', cid: 'text', bytes: 'number' },
  'file.sent': { who, to: 'text', name: 'text', bytes: 'number' },
  'file.downloaded': { who, from: 'text', name: 'text', path: 'text', bytes: 'number' },
  total: { who, ...rate },
  'balancer.request': {
    who,
    client: 'text',
    backend: 'text',
    method: 'text',
    target: 'text',
    status: 'number',
    seconds: 'number',
    bytes: 'number',
    retries: 'number',
    cut: 'flag',
  },
  'backend.up': { who, backend: 'text' },
  'backend.down': { who, backend: 'text', reason: 'text' },
  'balancer.changed': { who, what: 'text', subject: 'text', value: 'number or null' },
  'balancer.connection': {
    who,
    client: 'text',
    backend: 'text',
    seconds: 'number',
    received: 'number',
    sent: 'number',
    outcome: 'text',
  },
  'balancer.certificates': { who, names: 'texts' },
  'balancer.waiting': { who, options: 'texts', needs: 'text' },
  'backend.ejected': { who, backend: 'text', reason: 'text', seconds: 'number' },
  'backend.readmitted': { who, backend: 'text' },
  'part.started': { who, part: 'text', pid: 'number' },
  'part.exited': { who, part: 'text', reason: 'text', restartSeconds: 'number or null' },
  'part.stopped': { who, part: 'text' },
  'clients.ended': {
    who,
    clients: 'number',
    requests: 'number',
    ok: 'number',
    failed: 'number',
    seconds: 'number',
    bytesPerSecond: 'number',
  },
  'log.dropped': { who, sink: 'text', count: 'number' },
  error: { who, code: 'text', detail: 'text', params: 'params' },
};

const CHECKS: Readonly<Record<Field, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  texts: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
  number: (value) => typeof value === 'number',
  'number or null': (value) => value === null || typeof value === 'number',
  flag: (value) => value === undefined || value === true,
  params: (value) => value === undefined || (isObject(value) && Object.values(value).every(isParam)),
  verdict: (value) => value === 'found' || value === 'absent' || value === 'incomplete',
};

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One of ErrorParams: a text, a number, or a sentence in both languages. */
function isParam(value: unknown): boolean {
  if (typeof value === 'string' || typeof value === 'number') return true;
  return isObject(value) && typeof value['id'] === 'string' && typeof value['en'] === 'string';
}

/** Whether a value is an event this version knows, so that a row written by anything else cannot break a reader. */
export function isEvent(value: unknown): value is KelanaEvent {
  if (typeof value !== 'object' || value === null) return false;
  const row = value as Readonly<Record<string, unknown>>;
  const type = row['type'];
  if (typeof row['at'] !== 'number' || typeof type !== 'string' || !Object.hasOwn(FIELDS, type)) return false;
  const fields: Readonly<Record<string, Field>> = FIELDS[type as EventType];
  return Object.entries(fields).every(([name, field]) => CHECKS[field](row[name]));
}

/** Reads an event from its JSON; null where it is none. */
export function parseEvent(json: string): KelanaEvent | null {
  try {
    const value: unknown = JSON.parse(json);
    return isEvent(value) ? value : null;
  } catch {
    return null;
  }
}
