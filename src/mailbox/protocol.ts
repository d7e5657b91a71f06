import type { ErrorCode, ErrorParams } from '../core/errors.ts';
import type { MailboxMessage } from '../core/ports.ts';
import type { Appended, Arrival } from './store.ts';

/** What the main thread may ask of the thread that holds the store, and what each question is answered with. */
export interface Calls {
  append: { ask: readonly Arrival[]; answer: readonly Appended[] };
  list: {
    ask: { readonly after: number; readonly limit: number; readonly room: string | undefined };
    answer: readonly MailboxMessage[];
  };
  latest: { ask: null; answer: number };
  check: { ask: null; answer: null };
  close: { ask: null; answer: null };
}
export type Op = keyof Calls;

export type Request = {
  [K in Op]: { readonly seq: number; readonly op: K; readonly ask: Calls[K]['ask'] };
}[Op];

export type Response =
  | { readonly seq: number; readonly ok: true; readonly answer: Calls[Op]['answer'] }
  | { readonly seq: number; readonly ok: false; readonly code: ErrorCode; readonly params: ErrorParams };

export interface WorkerData {
  readonly path: string;
  readonly busyTimeoutMs: number;
}

/** `seq` of the first response, which says whether the store could be opened. */
export const OPENED = 0;
