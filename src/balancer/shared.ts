import type { AccessLog } from '../core/balance/access-log.ts';
import type { Tally } from '../core/balance/figures.ts';
import type { BalanceOptions } from '../core/balance/options.ts';
import type { Emit } from '../core/events.ts';
import type { Backends } from './backends.ts';
import type { Forwarding } from './forwarding.ts';
import type { Turns } from './turns.ts';

/** What all connections of one balancer share. */
export interface Shared {
  /** Its label in events; the port is known once it listens. */
  who: string;
  readonly backends: Backends;
  readonly forwarding: Forwarding;
  readonly turns: Turns;
  readonly balance: BalanceOptions;
  readonly emit: Emit;
  /** Which requests are told of one by one. */
  readonly access: AccessLog;
  /** Of the requests that no backend answered. */
  readonly own: Tally;
  /** ms, monotonic. */
  readonly clock: () => number;
  /** The time as a Date field has it. */
  readonly date: () => string;
  /** Set once when the balancer stops: no connection is kept after its running request. */
  stopping: boolean;
  /** Requests answered, and running. */
  requests: number;
  active: number;
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
