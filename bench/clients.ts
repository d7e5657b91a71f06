/**
 * What a request costs the client manager. Run: node bench/clients.ts [CLIENTS] [SECONDS] [ROUNDS]
 *
 * Clients (default 50) send one POST /messages after another over a keep-alive connection each to a trivial node:http
 * server in a process of its own, which answers 201 with about 100 bytes of JSON. The peer does the same work with
 * node:http's client: an Agent with keepAlive, a new Idempotency-Key per request, both times into HDR histograms, the
 * body counted. Each measurement is a process of its own: one second to warm up, then SECONDS
 * (default 3); rounds (default 5) alternate, so that what else the machine does hits both. Medians are shown:
 *   CPU    µs of CPU of the measuring process per request, all threads
 *   rate   requests/s, which the server's process bounds too
 */
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { Agent, createServer, request } from 'node:http';
import { runClients } from '../src/clients/runner.ts';
import { createHistogram } from '../src/clients/histogram.ts';
import { messagePayload } from '../src/clients/payload.ts';
import { parseTarget } from '../src/clients/target.ts';
import { CLIENTS } from '../src/core/config.ts';
import { Tally } from '../src/core/load/report.ts';

interface Sample {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly cpuMicros: number;
}
type Load = (url: string, clients: number, ms: number) => Promise<Omit<Sample, 'cpuMicros'>>;

const MESSAGE = 'halo dari bangku uji';
const WARM_UP_MS = 1_000;

const PEERS: Readonly<Record<string, Load>> = {
  kelana: (url, clients, ms) => {
    const target = parseTarget(url);
    const plan = {
      target,
      payload: messagePayload(target, MESSAGE, true),
      clients,
      requests: null,
      durationMs: ms,
      rate: null,
      timeoutMs: CLIENTS.timeoutMs,
      keepBytes: 0,
    };
    return runClients(plan, { signal: new AbortController().signal });
  },
  'node:http': async (url, clients, ms) => {
    const agent = new Agent({ keepAlive: true, maxSockets: clients });
    const tally = new Tally(createHistogram(), createHistogram());
    const start = performance.now();
    const lane = async (client: number): Promise<void> => {
      for (let index = 0; performance.now() - start < ms; index += 1) {
        await post(agent, `${url}/messages`, `${MESSAGE} #${client + 1}-${index + 1}`, tally);
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, client) => lane(client)));
    agent.destroy();
    const seconds = (performance.now() - start) / 1000;
    return { requests: tally.ok + tally.failed, failed: tally.failed, seconds };
  },
};

/** One request as the client manager sends it, counted the same way. */
function post(agent: Agent, url: string, text: string, tally: Tally): Promise<void> {
  const body = JSON.stringify({ text });
  const sent = Buffer.byteLength(body);
  const start = performance.now();
  return new Promise((resolve) => {
    const done = (outcome: Parameters<Tally['add']>[0]): void => {
      tally.add(outcome);
      resolve();
    };
    const headers = {
      'User-Agent': 'node',
      Accept: 'application/json',
      'Content-Type': 'application/json',
      'Idempotency-Key': randomUUID(),
      'Content-Length': sent,
    };
    const sending = request(url, { method: 'POST', agent, headers, timeout: CLIENTS.timeoutMs });
    sending.on('response', (response) => {
      const firstByteMs = performance.now() - start;
      const server = String(response.headers['x-kelana-server']);
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.length;
      });
      response.on('end', () => {
        const responseMs = performance.now() - start;
        done({ ok: true, server, firstByteMs, responseMs, sent, received, retries: 0 });
      });
    });
    sending.on('timeout', () => sending.destroy());
    sending.on('error', (error) => done({ ok: false, server: null, code: error.message, retries: 0 }));
    sending.end(body);
  });
}

/** The server's process: reads each request to its end, then answers. */
function serve(): void {
  const server = createServer((incoming, response) => {
    let size = 0;
    incoming.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    incoming.on('end', () => {
      const body = JSON.stringify({ id: randomUUID(), server: 'bench', reply: `diterima: ${size} bytes` });
      response.writeHead(201, {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(body),
        'X-Kelana-Server': 'bench',
      });
      response.end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object') process.send?.(`http://127.0.0.1:${address?.port}`);
  });
  process.on('disconnect', () => process.exit());
}

async function measure(load: Load, url: string, clients: number, ms: number): Promise<void> {
  await load(url, clients, WARM_UP_MS);
  const before = process.cpuUsage();
  const { requests, failed, seconds } = await load(url, clients, ms);
  const { user, system } = process.cpuUsage(before);
  process.send?.({ requests, failed, seconds, cpuMicros: user + system } satisfies Sample);
  process.disconnect?.();
}

/** Runs this file again in the given role and takes its first word. */
function child<T>(...role: string[]): { said: Promise<T>; end: () => void } {
  const forked = fork(import.meta.filename, role);
  const said = new Promise<T>((resolve, reject) => {
    forked.once('message', (message) => resolve(message as T));
    forked.once('error', reject);
    forked.once('exit', (code) => reject(new Error(`the ${role[0]} process ended with ${code}`)));
  });
  return { said, end: () => void forked.kill() };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function compare(clients: number, seconds: number, rounds: number): Promise<void> {
  const server = child<string>('server');
  try {
    const url = await server.said;
    const samples = new Map<string, Sample[]>(Object.keys(PEERS).map((name) => [name, []]));
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, list] of samples) {
        list.push(await child<Sample>('measure', name, url, `${clients}`, `${seconds * 1000}`).said);
      }
    }
    console.log(
      `${clients} clients for ${seconds} s, median of ${rounds}; Node ${process.version}, ${process.platform}`,
    );
    console.log('client        CPU µs/request (min to max)     requests/s   failed');
    const costs = new Map<string, number>();
    for (const [name, list] of samples) {
      const cpu = list.map((sample) => sample.cpuMicros / sample.requests);
      const rate = median(list.map((sample) => sample.requests / sample.seconds));
      const failed = list.reduce((sum, sample) => sum + sample.failed, 0);
      costs.set(name, median(cpu));
      const spread = `(${Math.min(...cpu).toFixed(1)} to ${Math.max(...cpu).toFixed(1)})`;
      console.log(
        `${name.padEnd(12)}${median(cpu).toFixed(1).padStart(10)} ${spread.padEnd(20)}${rate.toFixed(0).padStart(15)}${String(failed).padStart(9)}`,
      );
    }
    const ratio = (costs.get('kelana') ?? 0) / (costs.get('node:http') ?? 1);
    console.log(`kelana / node:http, CPU per request: ${ratio.toFixed(2)}`);
  } finally {
    server.end();
  }
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'server') serve();
else if (role === 'measure') {
  const [name = '', url = '', clients, ms] = rest;
  const load = PEERS[name];
  if (load === undefined) throw new Error(`no client is called '${name}'`);
  await measure(load, url, Number(clients), Number(ms));
} else await compare(Number(role ?? 50), Number(rest[0] ?? 3), Number(rest[1] ?? 5));
