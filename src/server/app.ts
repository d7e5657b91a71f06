import type { FastifyInstance } from 'fastify';
import type { Emit } from '../core/events.ts';
import type { Lang } from '../core/lang.ts';
import type { MailboxPort, OverlayPort, WritableLibraryPort } from '../core/ports.ts';
import type { Gate } from './gate.ts';
import type { Metrics } from './metrics.ts';
import type { Sweeper } from './sweep.ts';
import type { Tail } from './tail.ts';

/** What every route may use. */
export interface App {
  readonly http: FastifyInstance;
  /** The server's name: in `X-Kelana-Server`, in replies, and `who` of its events. */
  readonly who: () => string;
  /** Language of replies to clients that do not say theirs. */
  readonly lang: Lang;
  readonly mailbox: MailboxPort;
  readonly library: WritableLibraryPort;
  readonly overlay: OverlayPort;
  readonly emit: Emit;
  readonly metrics: Metrics;
  readonly tail: Tail;
  readonly transfers: Gate;
  readonly searches: Gate;
  readonly sweeper: Sweeper;
  /** ms a reader may leave its socket full. */
  readonly slowReaderMs: number;
  /** Aborted when the server stops: streams without an end of their own end then. */
  readonly stopping: AbortSignal;
}
