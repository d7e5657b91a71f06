import { createServer, type Server, type Socket } from 'node:net';
import { KelanaError, reason } from '../core/errors.ts';
import { handleOf, type BoundSocket } from './handles.ts';

/** Addresses a name is bound to: localhost is both loopbacks, so that no client depends on which it tries first. */
export function addressesOf(host: string): readonly string[] {
  return host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
}

export interface Listener {
  readonly port: number;
  /** Its sockets, for another process to accept from. */
  bound(): readonly BoundSocket[];
  /** Stops accepting; resolves when the last connection is gone. */
  close(): Promise<void>;
}

/**
 * `given`: sockets that another process has bound already; where there are any, only they are listened on.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS
 */
export async function listen(
  host: string,
  port: number,
  accept: (socket: Socket) => void,
  failed: (thrown: Error) => void,
  given: readonly BoundSocket[] = [],
): Promise<Listener> {
  if (given.length > 0) return await adopt(given, accept, failed);
  const servers: Server[] = [];
  const hosts: string[] = [];
  const [first = host, ...others] = addressesOf(host);
  const bound = await bind(first, port, accept, failed).catch((thrown: unknown) => {
    throw explain(host, port, thrown);
  });
  servers.push(bound.server);
  hosts.push(first);
  for (const other of others) {
    try {
      servers.push((await bind(other, bound.port, accept, failed)).server);
      hosts.push(other);
    } catch (thrown) {
      // Without IPv6, IPv4 is enough. A port of our own asking that another process holds there is told.
      if (port === 0 || reason(thrown) !== 'EADDRINUSE') continue;
      await Promise.all(servers.map(closeServer));
      throw explain(other, port, thrown);
    }
  }
  return listenerOf(servers, hosts, bound.port);
}

async function adopt(
  given: readonly BoundSocket[],
  accept: (socket: Socket) => void,
  failed: (thrown: Error) => void,
): Promise<Listener> {
  const servers: Server[] = [];
  for (const { handle, host, port } of given) {
    servers.push((await bind(host, port, accept, failed, handle)).server);
  }
  const hosts = given.map(({ host }) => host);
  return listenerOf(servers, hosts, given[0]?.port ?? 0);
}

function listenerOf(servers: readonly Server[], hosts: readonly string[], port: number): Listener {
  return {
    port,
    bound: () =>
      servers.flatMap((server, at) => {
        const handle = handleOf(server);
        return handle === null ? [] : [{ host: hosts[at] ?? '', port, handle }];
      }),
    async close() {
      await Promise.all(servers.map(closeServer));
    },
  };
}

async function bind(
  host: string,
  port: number,
  accept: (socket: Socket) => void,
  failed: (thrown: Error) => void,
  handle: BoundSocket['handle'] | null = null,
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(handle ?? { host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  // Accepting may fail later, for want of descriptors: that must not end the process.
  server.on('error', failed);
  const address = server.address();
  return { server, port: address !== null && typeof address === 'object' ? address.port : port };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

function explain(host: string, port: number, thrown: unknown): KelanaError {
  const why = reason(thrown);
  return why === 'EADDRINUSE'
    ? new KelanaError('PORT_IN_USE', { host, port, part: 'balancer', flag: '--listen' }, thrown)
    : new KelanaError('BAD_ADDRESS', { host, port, why, flag: '--listen' }, thrown);
}
