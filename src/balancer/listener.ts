import { createServer, type Server, type Socket } from 'node:net';
import { KelanaError, reason } from '../core/errors.ts';

/** Addresses a name is bound to: localhost is both loopbacks, so that no client depends on which it tries first. */
function addressesOf(host: string): readonly string[] {
  return host === 'localhost' ? ['127.0.0.1', '::1'] : [host];
}

export interface Listener {
  readonly port: number;
  /** Stops accepting; resolves when the last connection is gone. */
  close(): Promise<void>;
}

/** @throws KelanaError PORT_IN_USE, BAD_ADDRESS */
export async function listen(
  host: string,
  port: number,
  accept: (socket: Socket) => void,
  failed: (thrown: Error) => void,
): Promise<Listener> {
  const servers: Server[] = [];
  const [first = host, ...others] = addressesOf(host);
  const bound = await bind(first, port, accept, failed).catch((thrown: unknown) => {
    throw explain(host, port, thrown);
  });
  servers.push(bound.server);
  for (const other of others) {
    try {
      servers.push((await bind(other, bound.port, accept, failed)).server);
    } catch (thrown) {
      // Without IPv6, IPv4 is enough. A port of our own asking that another process holds there is told.
      if (port === 0 || reason(thrown) !== 'EADDRINUSE') continue;
      await Promise.all(servers.map(closeServer));
      throw explain(other, port, thrown);
    }
  }
  return {
    port: bound.port,
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
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, () => {
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
