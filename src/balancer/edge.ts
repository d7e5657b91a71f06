import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { BALANCER, EDGE } from '../core/config.ts';
import { HoldTable } from '../core/balance/rate.ts';
import { sourceOf } from '../core/http/ip.ts';
import type { Certificates } from './certificates.ts';
import { ClientConnection } from './client.ts';
import { factsOf, type ClientFacts, type Connection } from './connection.ts';
import { H2Connection } from './h2.ts';
import { ProxyGate, type Trusted } from './proxy-in.ts';
import { RedirectConnection } from './redirect.ts';
import type { Shared } from './shared.ts';
import { TcpRelay } from './tcp.ts';
import { TlsDoor } from './tls-in.ts';

/** What a listening address speaks. `redirect` answers plain requests with the address of HTTPS, on that port. */
export interface Door {
  readonly scheme: 'http' | 'https';
  readonly redirect: number | null;
}

export interface EdgeRules {
  readonly mode: 'http' | 'tcp';
  readonly certificates: Certificates | null;
  /** Set where every connection has to begin with a PROXY header, from one of these. */
  readonly trusted: Trusted | null;
  /** Connections at once: in all, and of one source. */
  readonly maxConnections: number;
  readonly maxPerSource: number;
}

/**
 * The way of a connection from the listening socket to what serves it, step by step:
 *
 *   accepted ─► PROXY header ─► places of its source ─► TLS handshake ─► HTTP/1.1, HTTP/2, TCP or the redirect
 *
 * At each step it is one Connection, with a deadline, in `open`. What is turned away is reported, at most once in
 * `reportMs` for each reason.
 */
export class Edge {
  readonly open = new Set<Connection>();
  readonly #rules: EdgeRules;
  readonly #shared: Shared;
  readonly #held: HoldTable;
  readonly #tls: TlsDoor | null;
  /** Connections that the look at deadlines which runs has still to come to. */
  #unlooked = 0;
  readonly #reports = new Map<string, { at: number; more: number }>();

  constructor(rules: EdgeRules, shared: Shared) {
    this.#rules = rules;
    this.#shared = shared;
    this.#held = new HoldTable(rules.maxPerSource);
    const { certificates, mode } = rules;
    this.#tls =
      certificates === null ? null : new TlsDoor(certificates, mode === 'tcp' ? [] : ['h2', 'http/1.1']);
  }

  /** Called by the listener's server for each connection. */
  accept(wire: Socket, door: Door): void {
    // Each step hears `close`; a reset by the client is no fault of ours.
    wire.on('error', () => {});
    if (this.open.size >= this.#rules.maxConnections) {
      wire.destroy();
      this.#report('TOO_MANY_CONNECTIONS', 'no place for another connection');
      return;
    }
    const facts = factsOf(wire, door.scheme);
    const { trusted } = this.#rules;
    if (trusted === null) this.#admit(facts, door);
    else if (!trusted(facts.address)) {
      wire.destroy();
      this.#report('PROXY_REFUSED', `${facts.address} may not say for whom it speaks`);
    } else {
      const until = this.#shared.clock() + EDGE.proxyHeaderMs;
      const gate: ProxyGate = new ProxyGate(
        facts,
        until,
        (known) => {
          this.open.delete(gate);
          this.#admit(known, door);
        },
        (why) => {
          this.open.delete(gate);
          this.#report('PROXY_REFUSED', `${facts.address}: ${why}`);
        },
      );
      this.open.add(gate);
    }
  }

  /** Begins a look at the deadlines of all connections, `BALANCER.sweepPart` of them in each turn of the loop. */
  check(): void {
    // With so many that one look outlasts the pause between two, the next one is left out.
    if (this.#unlooked > 0) return;
    this.#unlooked = this.open.size;
    this.#look(this.open.values());
  }

  /** What comes meanwhile is at the end, and too young to be late. */
  #look(rest: Iterator<Connection>): void {
    const now = this.#shared.clock();
    const part = Math.min(this.#unlooked, BALANCER.sweepPart);
    this.#unlooked -= part;
    for (let left = part; left > 0; left -= 1) {
      const next = rest.next();
      if (next.done === true) {
        this.#unlooked = 0;
        return;
      }
      next.value.check(now);
    }
    if (this.#unlooked > 0) setImmediate(() => this.#look(rest));
  }

  #admit(facts: ClientFacts, door: Door): void {
    const { wire } = facts;
    const source = sourceOf(facts.address);
    if (wire.destroyed || this.#shared.closing) {
      wire.destroy();
      return;
    }
    if (!this.#held.take(source)) {
      wire.resetAndDestroy();
      this.#report('TOO_MANY_CONNECTIONS', `${facts.address} holds as many connections as it may`);
      return;
    }
    if (door.scheme === 'http' || this.#tls === null) {
      this.#serve(wire, facts, door, null, source);
      return;
    }
    const gate = this.#tls.begin(
      wire,
      this.#shared.clock() + EDGE.handshakeMs,
      (socket) => {
        this.open.delete(gate);
        this.#serve(socket, facts, door, socket.alpnProtocol === 'h2' ? 'h2' : null, source);
      },
      (why) => {
        this.open.delete(gate);
        this.#held.release(source);
        this.#report('TLS_REFUSED', `${facts.address}: ${why}`);
      },
    );
    this.open.add(gate);
  }

  #serve(socket: Socket, facts: ClientFacts, door: Door, protocol: 'h2' | null, source: string): void {
    let over = false;
    const gone = (): void => {
      if (over) return;
      over = true;
      this.open.delete(connection);
      this.#held.release(source);
    };
    const connection = this.#connection(socket, facts, door, protocol, gone);
    this.open.add(connection);
    if (this.#shared.closing) connection.stop();
  }

  #connection(
    socket: Socket,
    facts: ClientFacts,
    door: Door,
    protocol: 'h2' | null,
    gone: () => void,
  ): Connection {
    const shared = this.#shared;
    if (this.#rules.mode === 'tcp') return new TcpRelay(socket, facts, shared, gone);
    if (door.redirect !== null) return new RedirectConnection(socket, facts, shared, door.redirect, gone);
    if (protocol === 'h2' && socket instanceof TLSSocket)
      return new H2Connection(socket, facts, shared, gone);
    const connection = new ClientConnection(socket, facts, shared, gone);
    // The PROXY header's step paused it.
    if (socket.readableFlowing === false) socket.resume();
    return connection;
  }

  #report(code: string, detail: string): void {
    const now = this.#shared.clock();
    const last = this.#reports.get(code);
    if (last !== undefined && now - last.at < EDGE.reportMs) {
      last.more += 1;
      return;
    }
    const more =
      last === undefined || last.more === 0 ? '' : ` (and ${last.more} more since the last report)`;
    this.#reports.set(code, { at: now, more: 0 });
    this.#shared.emit({ type: 'error', who: this.#shared.who, code, detail: detail + more });
  }
}
