import type { TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { startBalancer, type Balancer } from '../src/balancer/balancer.ts';
import type { EdgeOptions } from '../src/balancer/edge-options.ts';
import type { BalanceOptions } from '../src/core/balance/options.ts';
import type { BackendSpec } from '../src/core/balance/spec.ts';
import type { EventBody } from '../src/core/events.ts';
import { PLACES, type Bench } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';
import { certificate } from './support/certificate.ts';

/** What the tests of the balancer's edges share: certificates, and a balancer with edges. */

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface EdgeBench extends Bench {
  /** Ends it before the test does. */
  stop(): Promise<void>;
}

/** A balancer with these edges before backends, each a URL or what is configured of it. */
export async function edgeBalancer(
  t: TestContext,
  edges: EdgeOptions,
  backends: readonly (string | (Partial<BackendSpec> & { url: string }))[],
  balance: Partial<BalanceOptions> = {},
): Promise<EdgeBench> {
  const events: EventBody[] = [];
  let skipped = 0;
  const balancer: Balancer = await startBalancer({
    host: '127.0.0.1',
    port: 0,
    backends: backends.map((one) => (typeof one === 'string' ? { url: one } : one)),
    balance,
    edges: { maxConnections: PLACES, ...edges },
    descriptors: null,
    emit: (event) => void events.push(event),
    clock: () => performance.now() + skipped,
  });
  t.after(() => balancer.close());
  return {
    balancer,
    events,
    skip: (ms) => {
      skipped += ms;
    },
    stop: () => balancer.close(),
  };
}

/** A balancer with TLS for `kelana.test`. */
export async function tlsBalancer(
  t: TestContext,
  edges: EdgeOptions,
  ...backends: readonly (string | (Partial<BackendSpec> & { url: string }))[]
): Promise<{ bench: EdgeBench; ca: string }> {
  const made = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  return { bench: await edgeBalancer(t, { certificates: [made], ...edges }, backends), ca: made.pem };
}

/** A TLS connection after its handshake. */
export function tlsClient(t: TestContext, port: number, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'kelana.test', ...options });
    t.after(() => socket.destroy());
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Writes, and resolves to all that is read up to the end. */
export function exchange(socket: TLSSocket, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = '';
    socket.on('data', (bytes: Buffer) => {
      received += bytes.toString('latin1');
    });
    socket.on('end', () => resolve(received));
    socket.on('error', reject);
    socket.write(text, 'latin1');
  });
}
