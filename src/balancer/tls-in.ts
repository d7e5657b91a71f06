import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { EDGE } from '../core/config.ts';
import { reason } from '../core/errors.ts';
import type { Certificates } from './certificates.ts';
import type { Connection } from './connection.ts';

/**
 * Makes TLS connections of accepted ones. The server of node:tls that does it never listens: connections are handed to
 * it, so that a PROXY header may come before the handshake.
 */
export class TlsDoor {
  readonly #server: Server;
  readonly #gates = new Map<string, TlsGate>();

  /** `protocols`: what ALPN offers, the best first. */
  constructor(certificates: Certificates, protocols: readonly string[]) {
    this.#server = createServer({
      SNICallback: (servername, done) => done(null, certificates.contextFor(servername)),
      // Of clients that name no host; the session tickets are this context's too.
      ...certificates.defaults,
      ...(protocols.length === 0 ? {} : { ALPNProtocols: [...protocols] }),
      handshakeTimeout: EDGE.handshakeMs,
    });
    certificates.onChange((defaults) => this.#server.setSecureContext(defaults));
    this.#server.on('secureConnection', (socket) => {
      const gate = this.#gates.get(nameOf(socket));
      if (gate === undefined) socket.destroy();
      else gate.secured(socket);
    });
    this.#server.on('tlsClientError', (error, socket) =>
      this.#gates.get(nameOf(socket))?.failed(reason(error)),
    );
  }

  /** `open` is called once, after the handshake; `refused` in its place where that fails, or lasts past `until`. */
  begin(
    wire: Socket,
    until: number,
    open: (socket: TLSSocket) => void,
    refused: (why: string) => void,
  ): Connection {
    const name = nameOf(wire);
    const gate = new TlsGate(wire, until, open, refused, () => {
      if (this.#gates.get(name) === gate) this.#gates.delete(name);
    });
    this.#gates.set(name, gate);
    // Half a handshake is worth nothing: a FIN ends it. Nothing else hears one while the TLS socket reads.
    wire.allowHalfOpen = false;
    this.#server.emit('connection', wire);
    return gate;
  }
}

/** Both ends of a TCP connection: no two that are open have the same. */
function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** A connection whose TLS handshake is under way. */
class TlsGate implements Connection {
  readonly #wire: Socket;
  readonly #until: number;
  readonly #open: (socket: TLSSocket) => void;
  readonly #leave: () => void;
  readonly #closed: () => void;
  #why: string | null = null;

  constructor(
    wire: Socket,
    until: number,
    open: (socket: TLSSocket) => void,
    refused: (why: string) => void,
    leave: () => void,
  ) {
    this.#wire = wire;
    this.#until = until;
    this.#open = open;
    this.#leave = leave;
    this.#closed = () => {
      leave();
      refused(this.#why ?? 'closed before the end of the TLS handshake');
    };
    wire.once('close', this.#closed);
  }

  secured(socket: TLSSocket): void {
    // From here on each side ends by itself.
    socket.allowHalfOpen = true;
    this.#leave();
    this.#wire.off('close', this.#closed);
    this.#open(socket);
  }

  failed(why: string): void {
    this.#why ??= why;
    this.#wire.destroy();
  }

  check(now: number): void {
    if (now > this.#until) this.failed('no TLS handshake in time');
  }

  stop(): void {
    this.#wire.destroy();
  }

  destroy(): void {
    this.#wire.destroy();
  }
}
