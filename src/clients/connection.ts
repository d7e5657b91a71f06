import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { CLIENTS } from '../core/config.ts';
import { reason } from '../core/errors.ts';
import { AnswerReader, BadAnswer } from './answer.ts';
import { serverName, type Target } from './target.ts';

/**
 * Why an exchange failed: an errno (`ECONNRESET`), or CONNECT_TIMEOUT, RESPONSE_TIMEOUT, CLOSED (by the server before
 * it answered), TRUNCATED (in the middle of its answer), BAD_RESPONSE, SOURCE_CHANGED, STOPPED (by us).
 */
export class Failure extends Error {
  readonly code: string;

  constructor(code: string, detail = code, cause?: unknown) {
    super(detail, cause === undefined ? undefined : { cause });
    this.name = 'Failure';
    this.code = code;
  }
}

export interface Answer {
  readonly status: number;
  readonly server: string | null;
  /** `performance.now()` at the first byte and at the last. */
  readonly firstByteAt: number;
  readonly doneAt: number;
  readonly received: number;
  /** The first bytes of the body, as many as the connection keeps. */
  readonly body: Uint8Array;
}

/**
 * Writes one request; calls `alive` whenever it makes progress, so that a long upload does not time out. A promise it
 * gives settles when the last piece was handed to the socket.
 */
export type Send = (socket: Socket, alive: () => void) => void | Promise<void>;

interface Pending {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (failure: Failure) => void;
  firstByteAt: number;
}

/** One keep-alive HTTP/1.1 connection with at most one request under way. */
export class Connection {
  /** Settles when the connection is made, or fails with a Failure. */
  readonly ready: Promise<void>;
  readonly #socket: Socket;
  readonly #reader: AnswerReader;
  readonly #rejectReady: (failure: Failure) => void;
  #connected = false;
  #timer: NodeJS.Timeout | null = null;
  #timerMs = 0;
  #pending: Pending | null = null;
  #sending = false;
  #failure: Failure | null = null;

  constructor(target: Target, keepBytes: number) {
    this.#reader = new AnswerReader(keepBytes);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.#rejectReady = reject;
    // Whoever awaits `ready` gets the failure; nobody need.
    promise.catch(() => undefined);
    const { host, port } = target;
    if (target.secure) {
      const servername = serverName(target);
      this.#socket = connectTls({
        host,
        port,
        ALPNProtocols: ['http/1.1'],
        ...(servername === undefined ? {} : { servername }),
      });
    } else {
      this.#socket = connectTcp({ host, port });
    }
    this.#socket.setNoDelay(true);
    this.#limit(CLIENTS.connectTimeoutMs);
    this.#socket.once(target.secure ? 'secureConnect' : 'connect', () => {
      this.#connected = true;
      resolve();
    });
    this.#socket.on('data', (chunk) => this.#take(typeof chunk === 'string' ? Buffer.from(chunk) : chunk));
    this.#socket.on('end', () => this.#ended());
    this.#socket.on('error', (error) => this.close(new Failure(reason(error), error.message, error)));
    this.#socket.on('close', () => this.close(new Failure('CLOSED')));
  }

  /** Whether another request may be sent on it. */
  get usable(): boolean {
    return this.#failure === null;
  }

  /**
   * Sends a request and resolves to its answer.
   * @param timeoutMs from now, or from the last `alive` of `send`
   * @throws Failure
   */
  exchange(send: Send, timeoutMs: number): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    if (this.#failure !== null) {
      reject(this.#failure);
      return promise;
    }
    this.#pending = { resolve, reject, firstByteAt: 0 };
    this.#reader.start();
    this.#limit(timeoutMs);
    const sending = send(this.#socket, () => this.#timer?.refresh());
    if (sending !== undefined) {
      this.#sending = true;
      sending.then(
        () => {
          this.#sending = false;
        },
        (thrown: unknown) => this.close(asFailure(thrown)),
      );
    }
    return promise;
  }

  /** Closes at once; what is under way fails with `failure`. */
  close(failure: Failure): void {
    if (this.#failure !== null) return;
    this.#failure = failure;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket.destroy();
    this.#rejectReady(failure);
    this.#pending?.reject(failure);
    this.#pending = null;
  }

  /** One timer per connection, restarted for each request: a new one each would cost more than parsing does. */
  #limit(ms: number): void {
    if (this.#timer !== null && this.#timerMs === ms) {
      this.#timer.refresh();
      return;
    }
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerMs = ms;
    this.#timer = setTimeout(() => this.#late(), ms);
    this.#timer.unref();
  }

  #late(): void {
    if (!this.#connected) this.close(new Failure('CONNECT_TIMEOUT'));
    else if (this.#pending !== null) this.close(new Failure('RESPONSE_TIMEOUT'));
    // With nothing under way the timer of the last request has run out: no fault.
  }

  #take(chunk: Uint8Array): void {
    const now = performance.now();
    if (this.#pending === null) {
      this.close(new Failure('BAD_RESPONSE', 'bytes without a request'));
      return;
    }
    if (this.#pending.firstByteAt === 0) this.#pending.firstByteAt = now;
    try {
      if (this.#reader.push(chunk)) this.#complete(now);
    } catch (thrown) {
      this.close(
        thrown instanceof BadAnswer ? new Failure('BAD_RESPONSE', thrown.message) : asFailure(thrown),
      );
    }
  }

  #ended(): void {
    if (this.#pending !== null && this.#reader.end()) this.#complete(performance.now());
    else
      this.close(
        new Failure(this.#pending !== null && this.#pending.firstByteAt > 0 ? 'TRUNCATED' : 'CLOSED'),
      );
  }

  #complete(now: number): void {
    const pending = this.#pending;
    if (pending === null) return;
    this.#pending = null;
    const reader = this.#reader;
    pending.resolve({
      status: reader.status,
      server: reader.server,
      firstByteAt: pending.firstByteAt,
      doneAt: now,
      received: reader.bodyBytes,
      body: reader.body(),
    });
    // An answer before the whole request was sent: the rest of it must not be taken for a next request.
    if (!reader.keepAlive || this.#sending) this.close(new Failure('CLOSED'));
  }
}

function asFailure(thrown: unknown): Failure {
  return thrown instanceof Failure ? thrown : new Failure(reason(thrown), String(thrown), thrown);
}
