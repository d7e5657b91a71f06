import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once as event } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import http2 from 'node:http2';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startBalancer } from '../src/balancer/balancer.ts';
import { fitting } from '../src/balancer/descriptors.ts';
import type { EdgeOptions } from '../src/balancer/edge-options.ts';
import { BALANCER } from '../src/core/config.ts';
import { tlsClient } from './balancer.edge.kit.ts';
import { backend, CLOSE, eventually, get, HELLO, RawClient, statusOf } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';
import { certificate } from './support/certificate.ts';

/** A balancer that may open few files. */

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));

interface Running {
  readonly port: number;
  readonly pid: number;
  readonly log: () => string;
}

async function run(t: TestContext, files: number, ...args: readonly string[]): Promise<Running> {
  const folder = await temporaryFolder(t);
  const log = join(folder, 'log.txt');
  const command = [process.execPath, MAIN, 'balancer', '--json', '--listen', '127.0.0.1:0', '--log', log];
  const child = spawn(
    'sh',
    [
      '-c',
      `ulimit -n ${files} && exec "$@"`,
      'sh',
      ...command,
      '--log-db',
      'none',
      '--log-lang',
      'en',
      ...args,
    ],
    { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const ended = event(child, 'exit');
  t.after(async () => {
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
  });
  const [line] = (await event(createInterface({ input: child.stdout }), 'line', {
    signal: AbortSignal.timeout(15_000),
  })) as [string];
  const { port } = JSON.parse(line) as { port: number };
  return { port, pid: child.pid ?? 0, log: () => (existsSync(log) ? readFileSync(log, 'utf8') : '') };
}

function connect(t: TestContext, port: number): RawClient {
  const client = new RawClient(port);
  t.after(() => client.socket.destroy());
  return client;
}

test('of the files that the system allows half is for clients, so that idle ones take none from requests', async (t) => {
  const back = await backend(t);
  const { port, log } = await run(t, 128, '--backend', back.url);
  const fit = fitting({ connections: 10_000, active: 10_000 }, 128).connections;
  const clients = Array.from({ length: 3 * fit }, () => connect(t, port));
  await eventually(
    () => clients.filter(({ socket }) => socket.closed).length === 2 * fit,
    'the rest to be closed',
  );
  const open = clients.filter(({ socket }) => !socket.closed);
  for (const one of open) one.send(get());
  for (const one of open) assert.equal(statusOf(await one.reads('hello')), 200);
  await eventually(
    () => /may open 128 files, so it takes 32 connections and 32 requests at once/.test(log()),
    'the log',
  );
  assert.doesNotMatch(log(), /is down/);
});

test('the many requests of one HTTP/2 client leave room to accept others', async (t) => {
  const back = await backend(t, ({ head }) => (head.path === '/held' ? undefined : HELLO));
  const { cert, key, pem } = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const { port } = await run(t, 128, '--backend', back.url, '--tls-cert', cert, '--tls-key', key);
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca: pem, servername: 'kelana.test' });
  t.after(() => session.destroy());
  const refused: string[] = [];
  for (let sent = 0; sent < 100; sent += 1) {
    const stream = session.request({ ':path': '/held' });
    stream.setEncoding('utf8').on('data', (text: string) => void refused.push(text));
    stream.on('error', () => undefined);
  }
  await eventually(() => refused.length === 68, 'those for which there is no room');
  assert.ok(refused.every((text) => text.includes('OVERLOADED')));
  // As many as may be there at once, each of which is answered and not dropped.
  const others = Array.from({ length: 31 }, async () => {
    const other = await tlsClient(t, port, { ca: pem });
    other.write(get('/', ''));
    return String((await event(other, 'data'))[0]);
  });
  for (const answer of await Promise.all(others)) assert.match(answer, /OVERLOADED/);
});

test('idle connections to servers make way before there are more than there is room for', async (t) => {
  const backs = [await backend(t), await backend(t), await backend(t)];
  const balancer = await startBalancer({
    host: '127.0.0.1',
    port: 0,
    backends: backs,
    // Two clients, and two connections to servers.
    descriptors: BALANCER.ownDescriptors + 4,
    emit: () => undefined,
  });
  t.after(() => balancer.close());
  const client = connect(t, balancer.port);
  const idle: unknown[] = [];
  for (let sent = 0; sent < 6; sent += 1) {
    client.received = '';
    await client.send(get()).reads('hello');
    idle.push(
      balancer
        .stats()
        .backends.map(({ idle }) => idle)
        .join(''),
    );
  }
  assert.deepEqual(idle, ['100', '110', '011', '101', '011', '011']);
});

test('that fewer requests fit than were wanted is told where a client may have several', async (t) => {
  const pair = await certificate(await temporaryFolder(t), 'kelana', 'kelana.test');
  const told = async (edges: EdgeOptions): Promise<readonly string[]> => {
    const said: string[] = [];
    const balancer = await startBalancer({
      host: '127.0.0.1',
      port: 0,
      backends: [{ url: 'http://127.0.0.1:1' }],
      edges: { maxConnections: 2, ...edges },
      descriptors: BALANCER.ownDescriptors + 10,
      emit: (event) => {
        if (event.type === 'error') said.push(/\d+ connections.*/.exec(event.detail)?.[0] ?? event.detail);
      },
    });
    await balancer.close();
    return said;
  };
  const needs = (own: number): string => `ulimit -n ${BALANCER.ownDescriptors + own} makes room.`;
  const few = `2 connections and 8 requests at once, not 2 and 10000; ${needs(10_002)}`;
  assert.deepEqual(await told({ certificates: [pair] }), [few]);
  assert.deepEqual(await told({ certificates: [pair], mode: 'tcp' }), []);
  assert.deepEqual(await told({}), []);
  const less = `5 connections and 5 requests at once, not 6 and 6; ${needs(12)}`;
  assert.deepEqual(await told({ maxConnections: 6 }), [less]);
});

test('who cannot open another connection blames no server, answers 503, and goes on when it can', async (t) => {
  // Each request needs a connection of its own.
  const back = await backend(t, () => `HTTP/1.1 200 OK\r\n${CLOSE}Content-Length: 5\r\n\r\nhello`);
  const { port, pid, log } = await run(t, 256, '--backend', back.url, '--check-interval', '20ms');
  const one = connect(t, port).send(get('/', CLOSE));
  assert.equal(statusOf(await one.closes()), 200);
  const waits = connect(t, port);
  const allow = (files: number): void =>
    void execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}:256`]);
  // An answer shows that it was accepted.
  await waits.send(get('/', '')).reads('hello');
  waits.received = '';
  const checks = back.heads;
  // A number of a descriptor is the lowest that is free, and those are all below.
  allow(5);
  for (let sent = 0; sent < 3; sent += 1) {
    waits.send(get('/', ''));
    await waits.reads('EXHAUSTED', '}\n');
    waits.received = '';
  }
  allow(256);
  assert.equal(statusOf(await waits.send(get('/', '')).reads('hello')), 200);
  await eventually(() => back.heads > checks + 1, 'checks again');
  // The log was written to again, too.
  await eventually(() => /status 503/.test(log()), 'the log');
  assert.doesNotMatch(log(), /is down/);
});
