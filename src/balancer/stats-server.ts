import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { BALANCER_SEEING } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import { hostPort, type ListenAddress } from './address.ts';
import { metricsOf, statsJsonOf, type BalancerView } from './view.ts';

export interface StatsServer {
  readonly url: string;
  close(): Promise<void>;
}

/** The type of the Prometheus text format. */
export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Shows a balancer's figures over HTTP: `/metrics` and `/stats`, GET only. It changes nothing, and takes little: who
 * asks much is answered from one look at the processes.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS
 */
export async function serveStats(
  { host, port }: ListenAddress,
  view: () => Promise<BalancerView>,
): Promise<StatsServer> {
  let looking: Promise<BalancerView> | null = null;
  const look = (): Promise<BalancerView> =>
    (looking ??= view().finally(() => {
      looking = null;
    }));
  const server = createServer(
    {
      maxHeaderSize: BALANCER_SEEING.maxHeadBytes,
      headersTimeout: BALANCER_SEEING.timeoutMs,
      requestTimeout: BALANCER_SEEING.timeoutMs,
      keepAliveTimeout: BALANCER_SEEING.idleMs,
      connectionsCheckingInterval: 1_000,
    },
    ({ method, url = '' }, response) => {
      const [path = ''] = url.split('?');
      if (path !== '/metrics' && path !== '/stats') answer(response, 404, 'text/plain', 'not found\n');
      else if (method !== 'GET') {
        response.setHeader('Allow', 'GET');
        answer(response, 405, 'text/plain', 'only GET\n');
      } else
        look().then(
          (seen) =>
            path === '/metrics'
              ? answer(response, 200, METRICS_TYPE, metricsOf(seen))
              : answer(response, 200, 'application/json', `${JSON.stringify(statsJsonOf(seen))}\n`),
          () => answer(response, 500, 'text/plain', 'no figures\n'),
        );
    },
  );
  server.maxConnections = BALANCER_SEEING.maxConnections;
  // Who neither asks nor reads for so long is cut off.
  server.setTimeout(BALANCER_SEEING.idleMs);
  await listenOn(server, host, port);
  server.on('error', () => undefined);
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${hostPort(host, bound)}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function answer(response: ServerResponse, status: number, type: string, body: string): void {
  // What stands in a request's body is of no use here, and the connection ends rather than read it.
  if (status !== 200) response.setHeader('Connection', 'close');
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(body);
}

function listenOn(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (thrown) => {
      const why = reason(thrown);
      const flag = '--stats';
      reject(
        why === 'EADDRINUSE'
          ? new KelanaError('PORT_IN_USE', { host, port, part: 'balancer', flag }, thrown)
          : new KelanaError('BAD_ADDRESS', { host, port, why, flag }, thrown),
      );
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners('error');
      resolve();
    });
  });
}
