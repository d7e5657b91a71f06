import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { startBalancer, type Balancer } from '../src/balancer/balancer.ts';
import type { EdgeOptions } from '../src/balancer/edge-options.ts';
import type { BalanceOptions } from '../src/core/balance/options.ts';
import type { BackendSpec } from '../src/core/balance/spec.ts';
import type { EventBody } from '../src/core/events.ts';
import type { Bench } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';

/** What the tests of the balancer's edges share: certificates, and a balancer with edges. */

export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface Made {
  readonly cert: string;
  readonly key: string;
  /** The certificate as PEM, to be trusted. */
  readonly pem: string;
}

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A certificate for these names that signs itself, in two files of `folder`. */
export async function certificate(folder: string, name: string, ...names: readonly string[]): Promise<Made> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: `CN=${names[0] ?? 'kelana.test'}`,
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + 86_400_000),
      signingAlgorithm: EC,
      keys,
      extensions: [
        new BasicConstraintsExtension(true),
        new SubjectAlternativeNameExtension(
          names.map((value) => ({
            type: /^[0-9.]+$/.test(value) ? ('ip' as const) : ('dns' as const),
            value,
          })),
        ),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = (pkcs8.match(/.{1,64}/g) ?? []).join('\n');
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const pem = `${made.toString('pem')}\n`;
  await writeFile(files.cert, pem);
  await writeFile(files.key, `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`);
  return { ...files, pem };
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
    edges,
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
