import type { Socket } from 'node:net';

/** What the balancer does with each of its clients' connections, whatever they speak. */
export interface Connection {
  /** Ends what has waited too long. `now` in ms. */
  check(now: number): void;
  /** The balancer stops: an idle connection ends now, a busy one after what runs. */
  stop(): void;
  destroy(): void;
}

/** Who a connection is from, as far as is known for sure. */
export interface ClientFacts {
  /** IP address and port of the client; what a trusted proxy says of it where PROXY is taken. */
  readonly address: string;
  readonly port: number;
  /** What the client connected to. */
  readonly local: { readonly address: string; readonly port: number };
  readonly scheme: 'http' | 'https';
  /** The TCP connection below, which a reset must reach. */
  readonly wire: Socket;
}

export function factsOf(wire: Socket, scheme: ClientFacts['scheme']): ClientFacts {
  let local: ClientFacts['local'] | null = null;
  return {
    address: plain(wire.remoteAddress),
    port: wire.remotePort ?? 0,
    // Asked of the system only where a backend is told, by a PROXY header.
    get local() {
      return (local ??= { address: plain(wire.localAddress), port: wire.localPort ?? 0 });
    },
    scheme,
    wire,
  };
}

/** An IPv4 client of a dual-stack listener is an IPv4 client. */
function plain(address: string | undefined): string {
  return (address ?? '').replace(/^::ffff:/, '');
}

/**
 * Bytes that were written to a connection and that the system has not taken: a figure that changes while its peer
 * reads. node:net has no such figure in its types, so it is looked at; what does not have it counts as 0.
 */
export function unsent(wire: Socket): number {
  const { _handle: handle } = wire as unknown as { _handle?: { readonly writeQueueSize?: unknown } | null };
  const size = handle?.writeQueueSize;
  return typeof size === 'number' ? size : 0;
}

/**
 * Ends a connection so that no client takes what it has for a whole answer: by a reset and no FIN, since a FIN is a
 * proper end where the body runs to the close. `resetAndDestroy()` sends that FIN first, and on a socket that is
 * shutting down it leaks the handle; so what it sets is set here, and the socket destroyed at once.
 */
export function resetWire(socket: Socket, wire: Socket): void {
  if (!socket.writableEnded) Object.assign(wire, { resetAndClosing: true });
  socket.destroy();
}
