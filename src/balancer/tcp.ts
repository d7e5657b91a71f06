import type { Socket } from 'node:net';
import { BALANCER } from '../core/config.ts';
import { reason } from '../core/errors.ts';
import { hostPort } from './address.ts';
import type { Backend } from './backend.ts';
import { resetWire, type ClientFacts, type Connection } from './connection.ts';
import { dial } from './dial.ts';
import { causeOf, type OwnReply } from './reply.ts';
import type { Shared } from './shared.ts';
import { Turn, type Next, type Waiter } from './turn.ts';

/**
 * One client's connection in TCP mode: chooses a backend, and joins the two byte for byte. Nothing is read of the client
 * before a backend is there, so a connect that fails goes to the next one; after that nothing is repeated.
 * Either side may close its half and go on reading (RFC 9293 section 3.6).
 */
export class TcpRelay implements Connection, Waiter {
  readonly #socket: Socket;
  readonly #facts: ClientFacts;
  readonly #shared: Shared;
  readonly #startedAt: number;
  readonly #turn: Turn;
  #upstream: Socket | null = null;
  #joined = false;
  #halfClosed = false;
  #over = false;
  #received = 0;
  #sent = 0;
  #movedAt: number;
  readonly #gone: () => void;

  constructor(socket: Socket, facts: ClientFacts, shared: Shared, gone: () => void) {
    this.#socket = socket;
    this.#facts = facts;
    this.#shared = shared;
    this.#gone = gone;
    this.#turn = new Turn(shared.turns, null, facts.address, this);
    this.#startedAt = this.#movedAt = shared.clock();
    shared.active += 1;
    const next = this.#turn.begin(this.#startedAt);
    socket.pause();
    let failed = false;
    socket.on('error', () => {
      failed = true;
    });
    socket.on('close', () => {
      this.#end(failed ? 'client-reset' : 'closed', failed);
      this.#closed();
    });
    this.#follow(next);
  }

  granted(backend: Backend): void {
    this.#attempt(backend);
  }

  expired(reply: OwnReply): void {
    this.#shared.own.because(causeOf(reply));
    this.#end('no-server', true);
  }

  check(now: number): void {
    const { connectMs, tunnelMs } = this.#shared.balance.timeouts;
    const waited = now - this.#movedAt;
    if (this.#over) {
      // What is left to be read by one side has as long as it would have had before.
      if (waited > tunnelMs) this.destroy();
    } else if (!this.#joined) {
      // One that waits for room is the queue's to end.
      if (this.#upstream !== null && waited > connectMs) this.#failed('no connection in time');
    } else if (waited > (this.#halfClosed ? Math.min(tunnelMs, BALANCER.tunnelHalfClosedMs) : tunnelMs))
      this.#end('idle', true);
  }

  /** What is joined has the time that the balancer gives it; there is no moment at which it is done. */
  stop(): void {
    if (!this.#joined) this.#end('stopped', true);
  }

  destroy(): void {
    this.#end('stopped', true);
    this.#upstream?.destroy();
    this.#socket.destroy();
  }

  #follow(next: Next): void {
    if (next === null) return;
    if ('status' in next) {
      this.#shared.own.because(causeOf(next));
      this.#end('no-server', true);
    } else this.#attempt(next);
  }

  #attempt(backend: Backend): void {
    const now = this.#shared.clock();
    this.#movedAt = now;
    this.#turn.take(backend, now);
    // What the methods compare is how long it takes to connect.
    this.#turn.sent(now);
    const upstream = dial(backend.link, {
      client: { source: this.#facts, destination: this.#facts.local },
      ready: () => this.#join(upstream),
    });
    this.#upstream = upstream;
    let why: string | null = null;
    upstream.on('error', (error) => {
      why = reason(error);
    });
    upstream.on('close', () => {
      if (this.#upstream !== upstream) return;
      if (this.#joined) {
        this.#end(why === null ? 'closed' : 'server-reset', why !== null);
        this.#closed();
      } else this.#failed(why ?? 'closed');
    });
  }

  /** No connection to this backend: the next one, as nothing was sent. */
  #failed(why: string): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    upstream?.destroy();
    if (!this.#over) this.#follow(this.#turn.broke(why, false, true, false, this.#shared.clock()));
  }

  #join(upstream: Socket): void {
    this.#joined = true;
    this.#movedAt = this.#shared.clock();
    this.#turn.answered(200, this.#movedAt);
    this.#pass(this.#socket, upstream, (bytes) => {
      this.#received += bytes;
    });
    this.#pass(upstream, this.#socket, (bytes) => {
      this.#sent += bytes;
    });
    this.#socket.resume();
  }

  #pass(from: Socket, to: Socket, count: (bytes: number) => void): void {
    from.on('data', (bytes: Buffer) => {
      this.#movedAt = this.#shared.clock();
      count(bytes.length);
      if (!to.write(bytes)) from.pause();
    });
    to.on('drain', () => {
      this.#movedAt = this.#shared.clock();
      from.resume();
    });
    from.on('end', () => {
      this.#halfClosed = true;
      to.end();
    });
  }

  #end(outcome: string, broken: boolean): void {
    if (this.#over) return;
    this.#over = true;
    const shared = this.#shared;
    const upstream = this.#upstream;
    // What one side sent before it closed still goes to the other; a reset goes on as a reset.
    if (broken) {
      if (upstream !== null && !upstream.destroyed) resetWire(upstream, upstream);
      if (!this.#socket.destroyed) resetWire(this.#socket, this.#facts.wire);
    } else {
      upstream?.end();
      this.#socket.end();
    }
    shared.active -= 1;
    shared.requests += 1;
    const now = shared.clock();
    // There is no status; one that found no backend counts as HTTP's would.
    const { backend } = this.#turn;
    if (backend === null) shared.own.ended(503, now - this.#startedAt, 0, 0);
    else backend.tally.ended(0, now - this.#startedAt, this.#sent, 0);
    this.#turn.release(outcome === 'server-reset' ? 'bad' : 'left', now);
    shared.emit({
      type: 'balancer.connection',
      who: shared.who,
      client: hostPort(this.#facts.address, this.#facts.port),
      backend: backend?.label ?? '-',
      seconds: (now - this.#startedAt) / 1000,
      received: this.#received,
      sent: this.#sent,
      outcome,
    });
  }

  /** One of the two has closed. */
  #closed(): void {
    if (this.#socket.destroyed && this.#upstream?.destroyed !== false) this.#gone();
  }
}
