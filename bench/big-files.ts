import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { spawn, type ChildProcess } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readArguments, wholeNumber } from './arguments.ts';

/**
 * Files larger than memory should ever hold: client → balancer → server and back, and node → node, each compared by
 * SHA-256, with the resident memory of every process. `npm run bench:big -- --http 2048 --p2p 1024` (MiB).
 */
const MiB = 1024 * 1024;
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const values = readArguments(`npm run bench:big -- [--http MiB] [--p2p MiB]`, () =>
  parseArgs({
    options: { http: { type: 'string', default: '2048' }, p2p: { type: 'string', default: '1024' } },
  }),
);
const [httpMiB, p2pMiB] = [wholeNumber('http', values.http), wholeNumber('p2p', values.p2p)];

const QUIET = ['--log', 'none', '--log-db', 'none'];

interface Part {
  readonly name: string;
  readonly child: ChildProcess;
  readonly ready: Readonly<Record<string, unknown>>;
}

interface Memory {
  before: number;
  peak: number;
  after: number;
}

const folder = await mkdtemp(join(tmpdir(), 'kelana-big-'));
const parts: Part[] = [];
try {
  await http(httpMiB * MiB);
  await p2p(p2pMiB * MiB);
} finally {
  for (const { child } of parts) child.kill('SIGTERM');
  await Promise.all(parts.map(({ child }) => ended(child)));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function http(size: number): Promise<void> {
  const path = join(folder, 'besar.bin');
  const wanted = await makeFile(path, size);
  const [port, front] = [await freePort(), await freePort()];
  const server = await start('server', ['server', '--port', String(port), '--p2p-host', '127.0.0.1']);
  const balancer = await start('balancer', [
    'balancer',
    `--listen=localhost:${front}`,
    `--backend=http://localhost:${port}`,
  ]);
  const url = `http://localhost:${front}`;
  const up = await measured([server, balancer], async (watch) => {
    const client = spawnKelana([
      'client',
      '--url',
      url,
      '--file',
      path,
      '--timeout',
      '1h',
      '--json',
      ...QUIET,
    ]);
    watch('client', client);
    const code = await ended(client);
    if (code !== 0) throw new Error(`client: exit ${String(code)}`);
  });
  report(`PUT ${size / MiB} MiB: client → balancer → server`, size, up);
  const down = await measured([server, balancer], async () => {
    const response = await fetch(`${url}/files/besar.bin`);
    const got = await hashOf(Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]));
    if (response.status !== 200 || got !== wanted) throw new Error(`GET: ${response.status}, SHA-256 ${got}`);
  });
  report(`GET ${size / MiB} MiB: server → balancer → reader, same SHA-256`, size, down);
  await rm(path);
}

async function p2p(size: number): Promise<void> {
  const shared = join(folder, 'shared');
  await mkdir(shared);
  const wanted = await makeFile(join(shared, 'besar-p2p.bin'), size);
  const node = (name: string, more: readonly string[]): Promise<Part> =>
    start(name, ['node', '--host', '127.0.0.1', '--port', '0', '--data', join(folder, name), ...more]);
  const begun = performance.now();
  const holder = await node('holder', ['--share', shared]);
  await until(async () => (await status('holder'))['files'] === 1);
  process.stdout.write(
    `\nindexed ${size / MiB} MiB in ${((performance.now() - begun) / 1000).toFixed(1)} s, start included\n`,
  );
  const own = join(folder, 'own');
  await mkdir(own);
  const peer = `127.0.0.1:${String(holder.ready['port'])}`;
  const asker = await node('asker', ['--share', own, '--peer', peer]);
  const downloads = join(folder, 'downloaded');
  const fetched = await measured([holder, asker], async () => {
    const get = spawnKelana(['get', 'besar-p2p.bin', '--data', join(folder, 'asker'), '--json']);
    const code = await ended(get);
    if (code !== 0) throw new Error(`get: exit ${String(code)}`);
  });
  const path = join(downloads, 'besar-p2p.bin');
  const got = await hashOf(createReadStream(path));
  if ((await stat(path)).size !== size || got !== wanted) throw new Error(`get: SHA-256 ${got}`);
  report(`get ${size / MiB} MiB: node → node, verified, synced, same SHA-256`, size, fetched);
}

async function status(name: string): Promise<Record<string, unknown>> {
  const child = spawnKelana(['status', '--data', join(folder, name), '--json']);
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await ended(child);
  return JSON.parse(out) as Record<string, unknown>;
}

/** Runs `work` and samples the resident memory of the parts ten times a second. */
async function measured(
  running: readonly Part[],
  work: (watch: (name: string, child: ChildProcess) => void) => Promise<void>,
): Promise<{ seconds: number; memory: ReadonlyMap<string, Memory> }> {
  const watched = new Map<string, { pid: number; memory: Memory }>();
  const watch = (name: string, child: ChildProcess): void => {
    const before = resident(child.pid ?? 0);
    watched.set(name, { pid: child.pid ?? 0, memory: { before, peak: before, after: before } });
  };
  for (const { name, child } of running) watch(name, child);
  const sampler = setInterval(() => {
    for (const { pid, memory } of watched.values()) {
      const now = resident(pid);
      if (now > 0) memory.after = now;
      memory.peak = Math.max(memory.peak, now);
    }
  }, 100);
  const begun = performance.now();
  try {
    await work(watch);
  } finally {
    clearInterval(sampler);
  }
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, memory: new Map([...watched].map(([name, { memory }]) => [name, memory])) };
}

/** VmRSS in bytes (proc(5)); 0 for a process that has ended. */
function resident(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function report(
  title: string,
  size: number,
  { seconds, memory }: { seconds: number; memory: ReadonlyMap<string, Memory> },
): void {
  const rate = (size / 1e6 / seconds).toFixed(0);
  const rows = [...memory].map(
    ([name, { before, peak, after }]) =>
      `  ${name.padEnd(10)}${[before, peak, after].map((bytes) => (bytes / MiB).toFixed(0).padStart(9)).join('')}`,
  );
  const head = `  ${'MiB'.padEnd(10)}${['before', 'peak', 'after'].map((word) => word.padStart(9)).join('')}`;
  process.stdout.write(`\n${title}: ${seconds.toFixed(1)} s, ${rate} MB/s\n${[head, ...rows].join('\n')}\n`);
}

/** Pseudo-random bytes, quick to make and not compressible; gives their SHA-256. */
async function makeFile(path: string, size: number): Promise<string> {
  const hash = createHash('sha256');
  const block = Buffer.alloc(MiB);
  const blocks = function* (): Generator<Buffer> {
    for (let at = 0, state = 1; at < size; at += MiB) {
      for (let word = 0; word < MiB; word += 4) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        block.writeUInt32LE(state, word);
      }
      const piece = Buffer.from(block.subarray(0, Math.min(MiB, size - at)));
      hash.update(piece);
      yield piece;
    }
  };
  await pipeline(Readable.from(blocks()), createWriteStream(path));
  return hash.digest('hex');
}

async function hashOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

function spawnKelana(args: readonly string[]): ChildProcess {
  return spawn(execPath, [MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function start(name: string, args: readonly string[]): Promise<Part> {
  const child = spawnKelana([...args, '--json', ...QUIET]);
  let out = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await until(() => {
    if (child.exitCode !== null) throw new Error(`${name}: exit ${child.exitCode}`);
    return out.includes('{"ready":true');
  });
  const line = out.split('\n').find((text) => text.startsWith('{"ready":true')) ?? '{}';
  const part = { name, child, ready: JSON.parse(line) as Record<string, unknown> };
  parts.push(part);
  return part;
}

async function until(condition: () => boolean | Promise<boolean>, ms = 300_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`not within ${ms / 1000} s`);
    await sleep(100);
  }
}

function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve(child.exitCode);
    else child.once('exit', (code) => resolve(code));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
