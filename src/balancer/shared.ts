import type { AccessLog } from '../core/balance/access-log.ts';
import type { Tally } from '../core/balance/figures.ts';
import type { BalanceOptions } from '../core/balance/options.ts';
import type { RateTable } from '../core/balance/rate.ts';
import type { Emit } from '../core/events.ts';
import { sourceOf } from '../core/http/ip.ts';
import { clientOf, originOf, type Origin } from '../core/http/provenance.ts';
import type { RequestHead } from '../core/http/request.ts';
import type { Backends } from './backends.ts';
import type { ClientFacts } from './connection.ts';
import type { Forwarding } from './forwarding.ts';
import { causeOf, type OwnReply } from './reply.ts';
import type { Turns } from './turns.ts';

/** What all connections of one balancer share. */
export interface Shared {
  /** Its label in events; the port is known once it listens. */
  who: string;
  readonly backends: Backends;
  readonly forwarding: Forwarding;
  readonly turns: Turns;
  readonly balance: BalanceOptions;
  /** Requests that each source may make; null where there is no limit. */
  readonly rate: RateTable | null;
  readonly emit: Emit;
  /** Which requests are told of one by one. */
  readonly access: AccessLog;
  /** Of the requests that no backend answered. */
  readonly own: Tally;
  /** ms, monotonic. */
  readonly clock: () => number;
  /** ms since the Unix epoch at a reading of `clock` of just now. */
  readonly time: (reading: number) => number;
  /** The time as a Date field has it. */
  readonly date: () => string;
  /** Set once when the balancer stops: no connection is kept after its running request. */
  stopping: boolean;
  /** It ends now: what has no request yet gets none. Who is replaced serves all that it accepted. */
  closing: boolean;
  /** Requests answered, and running. */
  requests: number;
  active: number;
}

/** What requests on this connection say of where they came from. */
export function originOfClient({ address, scheme }: ClientFacts, { forwarding }: Shared): Origin {
  return originOf(address, scheme, forwarding.form, forwarding.trusts(address));
}

/** 0 where the client may make this request, else ms until it may. */
export function mayAsk(shared: Shared, origin: Origin, head: RequestHead): number {
  if (shared.rate === null) return 0;
  return shared.rate.take(sourceOf(clientOf(head, origin, shared.forwarding.trusts)), shared.clock());
}

/** Counts and reports what was answered and never became a request. */
export function refused(shared: Shared, client: string, reply: OwnReply): void {
  const { status } = reply;
  shared.requests += 1;
  if (status >= 400) shared.own.because(causeOf(reply));
  shared.own.ended(status, 0, 0, 0);
  if (!shared.access.logs(status, false)) return;
  shared.emit({
    type: 'balancer.request',
    who: shared.who,
    client,
    backend: '-',
    method: '-',
    target: '-',
    status,
    seconds: 0,
    bytes: 0,
    retries: 0,
  });
}

/** ms after which the time is asked for again; where it is set anew, events have the old one for as long. */
const TIME_MS = 50;

/** Whole ms since the Unix epoch at a reading of a monotonic clock: to ask for them costs more than this. */
export function timeSource(now: () => number, clock: () => number): (reading: number) => number {
  let asked = Number.NaN;
  let between = 0;
  return (reading) => {
    if (!(Math.abs(reading - asked) < TIME_MS)) {
      asked = reading;
      between = now() - clock();
    }
    return Math.round(reading + between);
  };
}

/** Formats the time once a second, not once a response. */
export function dateSource(now: () => number): () => string {
  let second = -1;
  let text = '';
  return () => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      second = current;
      text = new Date(current * 1000).toUTCString();
    }
    return text;
  };
}
