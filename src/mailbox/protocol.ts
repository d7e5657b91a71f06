import type { ErrorCode, ErrorParams } from '../core/errors.ts';
import type { MailboxMessage } from '../core/ports.ts';
import type { Appended, Arrival } from './store.ts';

/** What a thread may be asked, and what each question is answered with. */
export type CallMap<Calls> = {
  readonly [K in keyof Calls]: { readonly ask: unknown; readonly answer: unknown };
};

/** Of the thread that holds the mailbox of servers. */
export interface Calls {
  append: { ask: readonly Arrival[]; answer: readonly Appended[] };
  list: {
    ask: { readonly after: number; readonly limit: number; readonly room: string | undefined };
    answer: readonly MailboxMessage[];
  };
  latest: { ask: null; answer: number };
  check: { ask: null; answer: null };
}

/** `close` is an op of every thread. */
export interface Request {
  readonly seq: number;
  readonly op: string;
  readonly ask: unknown;
}

export type Response =
  | { readonly seq: number; readonly ok: true; readonly answer: unknown }
  | { readonly seq: number; readonly ok: false; readonly code: ErrorCode; readonly params: ErrorParams };

export interface WorkerData {
  readonly path: string;
  readonly busyTimeoutMs: number;
}

/** `seq` of the first response, which says whether the store could be opened. */
export const OPENED = 0;
