import { setTimeout as sleep } from 'node:timers/promises';
import { CLIENTS } from '../core/config.ts';
import type { Outcome } from '../core/load/report.ts';
import { countsFrom } from '../core/load/schedule.ts';
import { Connection, Failure, type Answer, type Send } from './connection.ts';
import type { Target } from './target.ts';

/** An outcome with what the server said. */
export interface Exchange {
  readonly outcome: Outcome;
  readonly status: number | null;
  /** First bytes of the response's body, at most what the client was told to keep. */
  readonly body: Uint8Array;
  /** In words, where it failed. */
  readonly detail: string;
}

export interface ClientOptions {
  readonly timeoutMs: number;
  /** Bytes of each response's body to keep. */
  readonly keepBytes: number;
}

/** Faults of the connection, which say nothing of the request: it is repeated with the same Idempotency-Key. */
const BROKEN = new Set(['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'CLOSED', 'TRUNCATED']);
/** A balancer's word for the same: its connection to the server broke. */
const BAD_GATEWAY = 502;

/** One client with one connection, made again when it broke or the server closed it. */
export class Client {
  /** Connections made so far. */
  connections = 0;
  readonly #target: Target;
  readonly #options: ClientOptions;
  readonly #stop = new AbortController();
  #connection: Connection | null = null;

  constructor(target: Target, options: ClientOptions) {
    this.#target = target;
    this.#options = options;
  }

  get stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** @throws Failure */
  async connect(): Promise<void> {
    await this.#usable();
  }

  /** Ends at once: what is under way never settles into an outcome, `send` gives null. */
  stop(): void {
    this.#stop.abort();
    this.#connection?.close(new Failure('STOPPED'));
  }

  /** Waits until `at` (`performance.now()`), to the millisecond below, or until stopped. */
  async waitUntil(at: number): Promise<void> {
    const ms = Math.floor(at - performance.now());
    if (ms > 0) await this.#sleep(ms);
  }

  /**
   * Sends one request, and again after a broken connection, `CLIENTS.retryWaitsMs.length` times at most.
   * @param due `performance.now()` at which it was to be sent, or null for now
   * @returns null where the client was stopped before the answer
   */
  async send(request: { send: Send; bytes: number }, due: number | null): Promise<Exchange | null> {
    const start = countsFrom(due, performance.now());
    for (let retries = 0; !this.stopped; retries += 1) {
      const result = await this.#attempt(request.send);
      if (this.stopped) return null;
      const wait = CLIENTS.retryWaitsMs[retries];
      if (result instanceof Failure) {
        if (wait === undefined || !BROKEN.has(result.code)) return failed(result, retries);
      } else if (result.status !== BAD_GATEWAY || wait === undefined) {
        return answered(result, start, request.bytes, retries);
      }
      await this.#sleep(wait);
    }
    return null;
  }

  async #attempt(send: Send): Promise<Answer | Failure> {
    try {
      const connection = await this.#usable();
      return await connection.exchange(send, this.#options.timeoutMs);
    } catch (thrown) {
      if (thrown instanceof Failure) return thrown;
      throw thrown;
    }
  }

  async #usable(): Promise<Connection> {
    if (this.#connection?.usable === true) return this.#connection;
    const connection = new Connection(this.#target, this.#options.keepBytes);
    this.#connection = connection;
    await connection.ready;
    this.connections += 1;
    return connection;
  }

  async #sleep(ms: number): Promise<void> {
    try {
      await sleep(ms, undefined, { signal: this.#stop.signal });
    } catch (thrown) {
      if (!this.stopped) throw thrown;
    }
  }
}

function answered(answer: Answer, start: number, sent: number, retries: number): Exchange {
  const ok = answer.status >= 200 && answer.status < 300;
  const { status, server, body } = answer;
  const outcome: Outcome = ok
    ? {
        ok,
        server,
        firstByteMs: answer.firstByteAt - start,
        responseMs: answer.doneAt - start,
        sent,
        received: answer.received,
        retries,
      }
    : { ok, server, code: `HTTP_${status}`, retries };
  return { outcome, status, body, detail: ok ? '' : `HTTP ${status}` };
}

function failed(failure: Failure, retries: number): Exchange {
  return {
    outcome: { ok: false, server: null, code: failure.code, retries },
    status: null,
    body: new Uint8Array(0),
    detail: failure.message,
  };
}
