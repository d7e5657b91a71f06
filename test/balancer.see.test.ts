import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { execPath, kill } from 'node:process';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import type { BalancerView } from '../src/balancer/view.ts';
import { top } from '../src/cli/balancer/top.ts';
import type { Context } from '../src/cli/context.ts';
import type { BalancerStatsJson } from '../src/core/render/balancer-stats.ts';
import { balance, RawClient } from './balancer.kit.ts';
import { afterwards, temporaryFolder, until } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { start, type Run } from './support/run.ts';

const NO_LOG = ['--log', 'none', '--log-db', 'none'];

/** A server whose path is the status it answers with. */
async function statusServer(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    const status = Number((request.url ?? '').slice(1));
    response.writeHead(status >= 200 ? status : 200).end('hello');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterwards(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Place {
  readonly run: Run;
  readonly folder: string;
  readonly port: number;
  readonly name: string;
  readonly stats: string;
  readonly ask: (path: string, times: number) => Promise<void>;
  /** Of `/stats`. */
  readonly figures: () => Promise<BalancerStatsJson>;
  /** A sample of `/metrics` by its name and labels. */
  readonly metric: (sample: string) => Promise<number | undefined>;
  readonly view: () => Promise<BalancerView>;
}

async function place(t: TestContext, ...args: readonly string[]): Promise<Place> {
  const folder = await temporaryFolder(t);
  const name = await statusServer(t);
  const usual = ['--json', '--lang', 'en', '--listen', '127.0.0.1:0', '--stats', ':0'];
  const run = start(t, ['balancer', ...usual, '--backend', `http://${name}`, ...args], { cwd: folder });
  const ready = await run.ready();
  const [port, stats] = [Number(ready['port']), String(ready['stats'])];
  return {
    run,
    folder,
    port,
    name,
    stats,
    ask: async (path, times) => {
      for (let at = 0; at < times; at += 1) {
        const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { Connection: 'close' } });
        await answer.text();
      }
    },
    figures: async () => (await (await fetch(`${stats}/stats`)).json()) as BalancerStatsJson,
    metric: async (sample) => {
      const all = await (await fetch(`${stats}/metrics`)).text();
      const line = all.split('\n').find((one) => one.startsWith(`${sample} `));
      return line === undefined ? undefined : Number(line.slice(sample.length + 1));
    },
    view: async () => {
      const { out } = await inProcess(['balancer', 'ls', '--json'], folder);
      return JSON.parse(out) as BalancerView;
    },
  };
}

test('every request is counted by who answered it, its status and its time, whatever is logged', async (t) => {
  const { run, folder, name, port, stats, ask, figures, metric } = await place(t, '--access-log', 'off');
  assert.match(stats, /^http:\/\/127\.0\.0\.1:\d+$/);
  await ask('/200', 5);
  await ask('/404', 2);
  await ask('/500', 3);
  const socket = connect(port, '127.0.0.1').end('nonsense\r\n\r\n');
  await once(socket.resume(), 'close');
  const { requests, own, backends } = await figures();
  const [backend] = backends;
  assert.deepEqual([requests, own.requests, own.statuses['4xx']], [11, 1, 1]);
  assert.deepEqual(backend?.answered.statuses, { none: 0, '1xx': 0, '2xx': 5, '3xx': 0, '4xx': 2, '5xx': 3 });
  assert.equal(backend?.answered.bytes, 50);
  assert.ok((backend?.answered.latencyMs.p50 ?? 0) > 0);
  const labels = `backend="${name}"`;
  assert.equal(await metric(`kelana_balancer_requests_total{${labels},status="5xx"}`), 3);
  assert.equal(await metric('kelana_balancer_requests_total{backend="",status="4xx"}'), 1);
  assert.equal(await metric(`kelana_balancer_request_seconds_count{${labels}}`), 10);
  assert.equal(await metric(`kelana_balancer_request_seconds_bucket{${labels},le="+Inf"}`), 10);
  await run.end();
  const log = await readFile(join(folder, 'combined_log.txt'), 'utf8');
  assert.equal(log.split('\n').filter((line) => line.includes('/200') || line.includes('/404')).length, 0);
  assert.equal(log.split('\n').filter((line) => line.includes('/500')).length, 3, log);
});

test('the figures are shown to GET alone, and to nobody who drips or asks for more than there is', async (t) => {
  const { stats } = await place(t, ...NO_LOG);
  const metrics = await fetch(`${stats}/metrics`);
  assert.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(await metrics.text(), /^# HELP kelana_balancer_requests_active /);
  for (const [method, path, status] of [
    ['POST', '/metrics', 405],
    ['DELETE', '/stats', 405],
    ['GET', '/', 404],
    ['GET', '/../etc/passwd', 404],
    ['GET', '/stats?x=1', 200],
  ] as const) {
    const body = method === 'POST' ? { body: 'x'.repeat(100_000) } : {};
    const answer = await fetch(stats + path, { method, ...body });
    assert.equal(answer.status, status, `${method} ${path}`);
    await answer.text();
  }
  const long = connect(Number(new URL(stats).port), '127.0.0.1');
  long
    .on('error', () => undefined)
    .write(`GET /stats HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`);
  const [said] = (await once(long, 'data')) as [Buffer];
  assert.match(said.toString('latin1'), /^HTTP\/1\.1 431 /);
  long.destroy();
});

test('sums over processes go on where one dies, and where all are replaced', async (t) => {
  const { view, ask, metric, folder, name } = await place(t, '--workers', '2', ...NO_LOG);
  const counted = `kelana_balancer_requests_total{backend="${name}",status="2xx"}`;
  await ask('/200', 20);
  assert.equal(await metric(counted), 20);
  const [victim] = (await view()).workers;
  kill(victim?.pid ?? 0, 'SIGKILL');
  await until('a new process', async () => {
    const { workers } = await view();
    return workers.length === 2 && workers.every(({ pid }) => pid !== victim?.pid);
  });
  assert.equal(await metric(counted), 20);
  await ask('/200', 10);
  assert.equal(await metric(counted), 30);
  assert.equal((await inProcess(['balancer', 'upgrade', '--json'], folder)).code, 0);
  assert.equal(await metric(counted), 30);
  await ask('/200', 10);
  await until('the old ones are gone', async () => (await view()).retiring.length === 0);
  assert.equal(await metric(counted), 40);
  const { requests, backends } = await view();
  assert.deepEqual([requests, backends[0]?.requests], [40, 40]);
});

test('the same is on the socket of commands, and what a SIGHUP leaves waiting is in the log', async (t) => {
  const { run, folder, port, ask, name } = await place(t);
  await ask('/200', 2);
  const socketPath = join(folder, '.kelana', `balancer-${port}`, 'balancer.sock');
  const read = async (path: string): Promise<string> => {
    const asked = request({ socketPath, path }).end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return await text(answer);
  };
  assert.match(await read('/metrics'), /^kelana_balancer_requests_total\{.*status="2xx"\} 2$/m);
  assert.equal((JSON.parse(await read('/stats')) as BalancerStatsJson).requests, 2);
  await writeFile(
    join(folder, 'kelana.toml'),
    `[balancer]\nmethod = "ewma"\nqueue = 7\ndata = ".other"\nbackend = ["http://${name}"]\n`,
  );
  run.child.kill('SIGHUP');
  const log = join(folder, 'combined_log.txt');
  const said = await until('the log', async () => {
    const lines = await readFile(log, 'utf8');
    return lines.includes('dijalankan ulang') ? lines : null;
  });
  assert.match(said, /menunggu kelana balancer upgrade: queue\./);
  assert.match(said, /menunggu dijalankan ulang: data\./);
});

test('of a tunnel the time to its 101 counts, not how long it lasted', async (t) => {
  const server = createServer().on('upgrade', (_, socket) => {
    socket.on('error', () => undefined);
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  afterwards(t, () => server.close());
  const bench = await balance(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const client = new RawClient(bench.balancer.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  await client.reads('101');
  bench.skip(60_000);
  client.send('ping');
  await client.reads('ping');
  client.socket.destroy();
  const figures = await until('the end of the tunnel', () => {
    const found = bench.balancer.stats().backends[0]?.figures;
    return found?.answers[1] === 1 ? found : null;
  });
  assert.ok(figures.latency.sumMs < 30_000, String(figures.latency.sumMs));
});

test('top gives one snapshot where nobody watches, and a line of JSON each time', async (t) => {
  const { ask, folder, name, run, port } = await place(t, ...NO_LOG);
  await ask('/200', 3);
  const shown = await inProcess(['balancer', 'top', '--interval', '0.1'], folder);
  assert.equal(shown.code, 0);
  assert.match(shown.out, new RegExp(`^http://127.0.0.1:${port} +method round-robin\n`));
  assert.match(shown.out, new RegExp(`${name} +up +1 `));
  assert.ok(!shown.out.includes('Ctrl+C') && !shown.out.includes('\x1b'));
  const json = await inProcess(['balancer', 'top', '--json', '--once'], folder);
  const snapshot = JSON.parse(json.out) as BalancerStatsJson & { at: number };
  assert.deepEqual([snapshot.requests, snapshot.backends[0]?.answered.requests], [3, 3]);
  const stream = start(t, ['balancer', 'top', '--json', '--interval', '0.1'], { cwd: folder });
  await until('three lines', () => stream.out.split('\n').length > 3);
  stream.child.kill('SIGINT');
  assert.equal((await stream.ended).code, 0);
  await run.end();
  assert.match((await inProcess(['balancer', 'top', '--once'], folder)).err, /No balancer is running/);
  assert.equal((await inProcess(['balancer', 'ls', '--once'], folder)).code, 2);
});

test('the live view draws in place, at the size of its terminal, and leaves the terminal as it was', async (t) => {
  const { view } = await place(t, ...NO_LOG);
  const stop = new AbortController();
  const size = { columns: 100, rows: 24 };
  let written = '';
  let resized = (): void => undefined;
  const context: Context = {
    args: [],
    env: {},
    cwd: '.',
    stdin: Readable.from([]),
    interactive: true,
    terminal: true,
    columns: 100,
    color: false,
    lang: 'en',
    pid: 0,
    execPath,
    uptime: () => 0,
    memory: () => 0,
    signal: stop.signal,
    screen: {
      size: () => size,
      onResize: (handler) => {
        resized = handler;
        return () => {
          resized = () => assert.fail('heard after the end');
        };
      },
    },
    out: () => undefined,
    write: (text) => {
      written += text;
    },
    err: () => undefined,
    say: () => undefined,
    flush: () => Promise.resolve(),
  };
  const frames = (): readonly string[] => written.split('\x1b[H').slice(1);
  const running = top(context, { intervalMs: 100, once: false, json: false, look: view });
  await until('two frames', () => frames().length >= 2);
  size.columns = 40;
  size.rows = 5;
  const before = frames().length;
  resized();
  const frame = (frames()[before] ?? '').replaceAll('\x1b[K', '').replaceAll('\x1b[J', '');
  assert.equal(frame.split('\r\n').length, 5);
  assert.ok(frame.split('\r\n').every((line) => line.length < 40));
  stop.abort();
  assert.equal(await running, 0);
  assert.ok(written.startsWith('\x1b[?1049h\x1b[?25l'));
  assert.ok(written.endsWith('\x1b[?25h\x1b[?1049l'));
});
