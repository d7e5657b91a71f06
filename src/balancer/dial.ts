import type { LookupAddress } from 'node:dns';
import { readFileSync } from 'node:fs';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { BackendSpec } from '../core/balance/spec.ts';
import { KelanaError, reason } from '../core/errors.ts';
import { proxyHeader, type ProxyAddresses } from '../core/http/proxy-protocol.ts';
import { readDirectly, readingInto, type Received } from './reading.ts';

/** Where a backend is, and what is spoken below HTTP on the way to it. */
export interface BackendLink {
  readonly host: string;
  readonly port: number;
  readonly tls: BackendTls | null;
  /** Version of the PROXY header that each connection begins with. */
  readonly proxy: 1 | 2 | null;
}

export interface BackendTls {
  /** PEM of the authorities to trust in place of the system's. */
  readonly ca: Buffer | null;
  /** False: anyone may pose as the backend. */
  readonly verify: boolean;
}

/** @throws KelanaError CANNOT_READ where the authorities' file is not there */
export function backendLink(host: string, port: number, spec: BackendSpec): BackendLink {
  const proxy = spec.proxy ?? null;
  if (!spec.url.startsWith('https:')) return { host, port, tls: null, proxy };
  return {
    host,
    port,
    tls: { ca: spec.ca === undefined ? null : readAuthorities(spec.ca), verify: spec.verify !== false },
    proxy,
  };
}

/** @throws KelanaError CANNOT_READ */
export function readAuthorities(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw new KelanaError('CANNOT_READ', { path, why: reason(thrown) }, thrown);
  }
}

export interface DialOptions {
  /** Whom the PROXY header names; null where we speak for ourselves. */
  readonly client: ProxyAddresses | null;
  /** Ready to send: connected, and with TLS the backend's certificate is verified. */
  readonly ready: () => void;
  /** Without it the socket has its `data` event as usual. */
  readonly received?: Received;
}

/** A connection to a backend. The socket's `error` and `close` are the caller's to hear. */
export function dial(link: BackendLink, options: DialOptions): Socket {
  const { received } = options;
  const target = {
    host: link.host,
    port: link.port,
    noDelay: true,
    // A tunnel or TCP relay may go on one way after the other has ended; all else is closed at the first FIN.
    allowHalfOpen: true,
    // localhost is IPv4 first, whatever the resolver says, then IPv6; other names go by "happy eyeballs".
    autoSelectFamily: true,
    ...(link.host === 'localhost' ? { lookup: localhost } : {}),
  };
  const onread = received === undefined ? {} : { onread: readingInto(received) };
  if (link.tls === null) {
    const socket = connect({ ...target, ...onread });
    socket.once('connect', () => {
      if (received !== undefined) readDirectly(socket, received);
      introduce(socket, link, options.client);
      options.ready();
    });
    return socket;
  }
  const secure = {
    ...(isIP(link.host) === 0 ? { servername: link.host } : {}),
    ...(link.tls.ca === null ? {} : { ca: link.tls.ca }),
    rejectUnauthorized: link.tls.verify,
    minVersion: 'TLSv1.2' as const,
    ALPNProtocols: ['http/1.1'],
  };
  if (link.proxy === null) {
    const socket = connectTls({ ...target, ...secure, ...onread });
    socket.once('secureConnect', options.ready);
    return socket;
  }
  // The PROXY header comes before the handshake, so TLS goes on top of a connection of its own.
  const wire = connect(target);
  wire.once('connect', () => introduce(wire, link, options.client));
  const socket = connectTls({ ...secure, socket: wire, host: link.host });
  // What breaks the wire before TLS has it is told as the backend's failure.
  wire.on('error', (error) => socket.destroy(error));
  socket.once('secureConnect', options.ready);
  if (received !== undefined) socket.on('data', (bytes: Buffer) => received(bytes, bytes.length));
  return socket;
}

function introduce(socket: Socket, link: BackendLink, client: ProxyAddresses | null): void {
  if (link.proxy !== null) socket.write(proxyHeader(link.proxy, client));
}

type LookupAll = (error: Error | null, addresses: LookupAddress[]) => void;

function localhost(_name: string, _options: unknown, callback: unknown): void {
  (callback as LookupAll)(null, [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]);
}
