import type { Outcome } from '../core/balance/breaker.ts';
import type { RequestHead } from '../core/http/request.ts';
import type { Backend } from './backend.ts';
import { isOurs } from './descriptors.ts';
import { badGateway, exhausted, unavailable, type OwnReply } from './reply.ts';
import type { Turns } from './turns.ts';

/** Whom a turn tells where its request had to wait. */
export interface Waiter {
  /** There is room on this backend. */
  granted(backend: Backend): void;
  /** It waited too long. */
  expired(reply: OwnReply): void;
}

/** Where a request goes next: to a backend, nowhere with an answer of our own, or null: the waiter hears later. */
export type Next = Backend | OwnReply | null;

const NONE: readonly Backend[] = [];

/**
 * One request's way to the backends: which one it is on, which failed it, and what they are told of it. Every backend
 * that is taken is given back by one of `broke`, `ended`.
 */
export class Turn {
  /** Null for a connection in TCP mode. */
  readonly request: RequestHead | null;
  readonly client: string;
  readonly waiter: Waiter;
  readonly #turns: Turns;
  backend: Backend | null = null;
  attempts = 0;
  tried: readonly Backend[] = NONE;
  /** The connection is one that was idle: it may have been closed by a healthy server. */
  reused = false;
  #held = false;
  #probe = false;
  #startedAt = 0;
  /** The whole request is on its way to the backend, since `#sentAt`. */
  #awaiting = false;
  #sentAt = 0;
  #judged = false;
  #waiting = false;

  constructor(turns: Turns, request: RequestHead | null, client: string, waiter: Waiter) {
    this.#turns = turns;
    this.request = request;
    this.client = client;
    this.waiter = waiter;
  }

  /** In the queue. */
  get waiting(): boolean {
    return this.#waiting;
  }

  /** First choice: or the answer of a balancer that has too much to do. */
  begin(now: number): Next {
    return this.#turns.overloaded() ?? this.#choose(false, now);
  }

  /** The request is given to a backend, on a connection of its pool or a new one. */
  take(backend: Backend, now: number): void {
    this.#waiting = false;
    this.attempts += 1;
    if (backend.pool.size === 0) this.#turns.opening();
    this.backend = backend;
    backend.active += 1;
    backend.requests += 1;
    this.#held = true;
    this.#probe = backend.breaker.took();
    this.#startedAt = now;
    this.#awaiting = false;
    this.#judged = false;
  }

  /** The whole request was written. */
  sent(now: number): void {
    if (this.#awaiting || this.#judged || this.backend === null) return;
    this.#awaiting = true;
    this.#sentAt = now;
    this.backend.score.sent(now);
  }

  /** The head of the answer is there. Statuses that speak of the server, not of the request, count as failures. */
  answered(status: number, now: number): void {
    this.#judge(status >= 500 && status !== 501 && status !== 505 ? 'bad' : 'good', now);
  }

  /**
   * The connection broke, or was never made, before a byte of an answer. `again`: the request may be repeated;
   * `touched`: something of it was written, so that a repeat costs its budget.
   */
  broke(reason: string, connected: boolean, again: boolean, touched: boolean, now: number): Next {
    const backend = this.backend;
    if (backend === null) return unavailable();
    if (!connected && isOurs(reason)) {
      this.release('left', now);
      this.#turns.backends.makeRoom();
      return exhausted();
    }
    const stale = connected && this.reused;
    // A connection that was closed while it idled says nothing of the server: the new one will.
    this.release(stale && again ? 'left' : 'bad', now);
    if (connected) this.#turns.backends.suspected(backend);
    else this.#turns.backends.failed(backend, reason);
    if (!again) return badGateway('the server closed the connection before a whole answer');
    if (touched && !this.#turns.budget.retry(now))
      return badGateway('the server closed the connection, and too many requests were sent again already');
    if (stale && backend.available) return backend;
    if (!stale) this.tried = [...this.tried, backend];
    return this.#choose(touched, now);
  }

  /** Gives the backend back, and says what became of the request where that is not known from its answer. */
  release(outcome: Outcome, now: number): void {
    const backend = this.backend;
    if (this.#waiting) {
      this.#waiting = false;
      this.#turns.leave(this);
    }
    if (backend === null || !this.#held) return;
    this.#held = false;
    if (outcome === 'bad') backend.failures += 1;
    this.#judge(outcome, now);
    this.#turns.backends.released(backend);
  }

  /** The Set-Cookie line by which the client stays with its backend, with its CRLF; empty where there is none to set. */
  cookieOver(scheme: 'http' | 'https'): string {
    return this.backend === null || this.request === null
      ? ''
      : this.#turns.backends.cookieFor(this.request, this.backend, scheme);
  }

  #choose(touched: boolean, now: number): Next {
    const backend = this.#turns.choose(this, now);
    if (backend !== undefined) return backend;
    if (!this.#turns.hasHope(this.tried)) {
      const last = this.#turns.lastResort(this.tried);
      if (last !== undefined) return last;
      // Once something was written it is a request that failed, not one that found no server.
      return touched ? badGateway('no other server is up') : unavailable();
    }
    const full = this.#turns.wait(this, now);
    this.#waiting = full === null;
    return full;
  }

  /** Tells score and breaker once what this attempt says of the backend. */
  #judge(outcome: Outcome, now: number): void {
    const backend = this.backend;
    if (backend === null) return;
    if (this.#judged) {
      // A good head, and then a body that broke.
      if (outcome === 'bad') this.#turns.backends.judged(backend, 'bad', false, now);
      return;
    }
    this.#judged = true;
    const ms = now - (this.#awaiting ? this.#sentAt : this.#startedAt);
    if (outcome === 'bad') {
      if (this.#awaiting) backend.score.failed(ms, now);
      else backend.score.fault(ms, now);
      backend.refresh(now);
    } else if (this.#awaiting) {
      if (outcome === 'good') backend.score.answered(ms, now);
      else backend.score.dropped(now);
    }
    this.#awaiting = false;
    this.#turns.backends.judged(backend, outcome, this.#probe, now);
  }
}
