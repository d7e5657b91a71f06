import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once as event } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Context } from '../src/cli/context.ts';
import { main } from '../src/cli/main.ts';
import { freePort } from './balancer.kit.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const MiB = 1024 * 1024;

interface Running {
  readonly child: ChildProcess;
  readonly ready: { readonly ready: boolean; readonly url: string; readonly port: number };
  readonly folder: string;
}

/** `kelana balancer` as a process of its own, ready. */
async function run(t: TestContext, ...args: readonly string[]): Promise<Running> {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-balancer-'));
  const child = spawn(process.execPath, [MAIN, 'balancer', '--json', '--lang', 'en', ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(async () => {
    if (child.exitCode === null && child.kill('SIGKILL')) await event(child, 'exit');
    await rm(folder, { recursive: true, force: true });
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = (await event(lines, 'line', { signal: AbortSignal.timeout(10_000) })) as [string];
  return { child, ready: JSON.parse(line) as Running['ready'], folder };
}

/** Runs it to its end in this process, for what ends at once. */
async function fails(...args: readonly string[]): Promise<{ code: number; error: string }> {
  let error = '';
  const context: Context = {
    args: ['balancer', '--json', ...args],
    env: {},
    cwd: tmpdir(),
    stdin: Readable.from([]),
    interactive: false,
    terminal: false,
    columns: 80,
    color: false,
    lang: 'en',
    pid: 0,
    execPath: process.execPath,
    uptime: () => 0,
    memory: () => 0,
    write: () => {},
    signal: AbortSignal.timeout(10_000),
    out: () => {},
    err: (text) => {
      error += text;
    },
    say: () => {},
    flush: () => Promise.resolve(),
  };
  return { code: await main(context), error };
}

async function server(t: TestContext, listener: Parameters<typeof createServer>[1]): Promise<string> {
  const http: Server = createServer(listener);
  http.listen(0, '127.0.0.1');
  await event(http, 'listening');
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  return `http://localhost:${(http.address() as AddressInfo).port}`;
}

const NO_LOG = ['--log', 'none', '--log-db', 'none'];

test('the command is ready with one JSON line, serves, logs, and ends with 0 on SIGTERM', async (t) => {
  const url = await server(t, (_, response) => void response.end('halo'));
  const { child, ready, folder } = await run(t, '--listen', 'localhost:0', '--backend', url);
  assert.equal(ready.ready, true);
  assert.equal(ready.url, `http://localhost:${ready.port}`);
  for (const host of ['127.0.0.1', 'localhost']) {
    const response = await fetch(`http://${host}:${ready.port}/`);
    assert.equal(await response.text(), 'halo');
  }
  const started = performance.now();
  child.kill('SIGTERM');
  const [code] = (await event(child, 'exit')) as [number | null];
  assert.equal(code, 0);
  assert.ok(performance.now() - started < 4_000);
  const log = await readFile(join(folder, 'combined_log.txt'), 'utf8');
  assert.ok(log.includes(`localhost:${ready.port}`), log);
});

test('a taken port, a bad address, a bad backend and a useless weight each have their own error', async (t) => {
  const url = await server(t, (_, response) => void response.end());
  const port = new URL(url).port;
  const taken = await fails('--listen', `127.0.0.1:${port}`, ...NO_LOG);
  assert.equal(taken.code, 1);
  assert.match(taken.error, /PORT_IN_USE/);
  assert.match(taken.error, /--listen/);
  const address = await fails('--listen', '192.0.2.1:0', ...NO_LOG);
  assert.match(address.error, /BAD_ADDRESS/);
  for (const args of [
    ['--backend', 'localhost'],
    ['--backend', 'ftp://localhost:1'],
    ['--backend', 'tcp://localhost'],
    ['--backend', 'tcp://localhost:1'],
    ['--backend', 'http://localhost:1,verify=off'],
    ['--backend', 'http://localhost:1/path'],
    ['--backend', 'http://localhost:1,weight=0'],
    ['--backend', 'http://localhost:1,height=2'],
    ['--backend', 'http://localhost:1,weight=2'],
    ['--backend', 'http://localhost:1', '--backend', 'http://localhost:1'],
    ['--backend', 'http://localhost:8000'],
    ['--listen', 'localhost'],
    ['--listen', 'localhost:99999'],
    ['--method', 'no-such'],
  ]) {
    const { code, error } = await fails(...args, ...NO_LOG);
    assert.equal(code, 2, `${args.join(' ')}: ${error}`);
    assert.match(error, /BAD_VALUE/);
  }
});

test('large bodies stream both ways in bounded memory', { skip: process.platform !== 'linux' }, async (t) => {
  const size = 256 * MiB;
  const piece = Buffer.alloc(64 * 1024, 'k');
  let uploaded = 0;
  const url = await server(t, (incoming, response) => {
    if (incoming.method === 'PUT') {
      incoming.on('data', (bytes: Buffer) => {
        uploaded += bytes.length;
      });
      incoming.on('end', () => response.end('stored'));
      return;
    }
    response.setHeader('Content-Length', size);
    let left = size;
    const more = (): void => {
      while (left > 0) {
        left -= piece.length;
        if (!response.write(piece)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  });
  const { child, ready } = await run(t, '--listen', '127.0.0.1:0', '--backend', url, ...NO_LOG);
  const peak = async (): Promise<number> =>
    Number(/VmHWM:\s+(\d+) kB/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024;
  await (await fetch(ready.url)).body?.cancel();
  const before = await peak();

  const download = await fetch(ready.url);
  let downloaded = 0;
  assert.ok(download.body);
  for await (const bytes of download.body) downloaded += bytes.length;
  assert.equal(downloaded, size);

  const upload = httpRequest(ready.url, { method: 'PUT' });
  const answered = event(upload, 'response');
  for (let left = size; left > 0; left -= piece.length)
    if (!upload.write(piece)) await event(upload, 'drain');
  upload.end();
  await answered;
  assert.equal(uploaded, size);

  const grown = (await peak()) - before;
  assert.ok(grown < 128 * MiB, `grew by ${Math.round(grown / MiB)} MiB`);
  t.diagnostic(`grew by ${Math.round(grown / MiB)} MiB over 2 × ${size / MiB} MiB`);
});

test('a reader that stops reading holds back the backend, not the memory of the balancer', async (t) => {
  let written = 0;
  const url = await server(t, (_, response) => {
    const piece = Buffer.alloc(64 * 1024);
    const more = (): void => {
      while (!response.destroyed && written < 256 * MiB) {
        written += piece.length;
        if (!response.write(piece)) {
          response.once('drain', more);
          return;
        }
      }
    };
    more();
  });
  const { ready } = await run(t, '--listen', '127.0.0.1:0', '--backend', url, ...NO_LOG);
  const reader = httpRequest(ready.url).end();
  const [response] = (await event(reader, 'response')) as [{ pause(): void }];
  response.pause();
  let last = -1;
  // What the kernel's buffers hold is written; then it stands still.
  while (written !== last) {
    last = written;
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
  }
  reader.destroy();
  assert.ok(written < 64 * MiB, `${Math.round(written / MiB)} MiB were taken from the backend`);
});

test('a port nobody listens on is told as a backend that is down, not as a failure to start', async (t) => {
  const { ready } = await run(
    t,
    '--listen',
    '127.0.0.1:0',
    '--backend',
    `http://127.0.0.1:${await freePort()}`,
    ...NO_LOG,
  );
  const response = await fetch(ready.url);
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '1');
});
