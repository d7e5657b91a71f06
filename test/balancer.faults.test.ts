import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { BalancerView } from '../src/balancer/view.ts';
import { ask } from '../src/control/call.ts';
import { afterwards, freePorts, temporaryFolder, until } from './support/basics.ts';
import { checkedLoad } from './support/checked-load.ts';
import { start, type Run } from './support/run.ts';

/** `npm run test:faults` sets 60. */
const SECONDS = Number(env['KELANA_FAULT_SECONDS'] ?? 5);
/** Each thing is done so often: 20 times in 60 s. */
const ROUNDS = Math.max(2, Math.round(SECONDS / 3));
const CLIENTS = 24;
const SERVER = fileURLToPath(new URL('support/counted-server.ts', import.meta.url));

for (const workers of SECONDS < 30 ? [2] : [1, 2]) {
  test(`under load with ${workers} processes, servers are killed, drained, added and reweighted, settings reloaded and processes upgraded, and no request suffers`, async (t) => {
    const folder = await temporaryFolder(t);
    const acted = join(folder, 'acted.txt');
    await writeFile(acted, '');
    const ports = await freePorts(3);
    const servers = await Promise.all(ports.map((port) => Killable.start(t, port, acted)));
    const [first, second, third] = servers as [Killable, Killable, Killable];
    const config = (weight: number, check: number): string =>
      `[balancer]\nmethod = "weighted"\n# ${check}\n[[balancer.backend]]\nurl = "${first.url}"\nweight = ${weight}\n[[balancer.backend]]\nurl = "${second.url}"\n`;
    await writeFile(join(folder, 'kelana.toml'), config(1, 0));
    const args = ['--json', '--listen', '127.0.0.1:0', '--log', 'none', '--log-db', 'none'];
    const run = start(t, ['balancer', ...args, '--workers', String(workers)], { cwd: folder });
    const { port } = (await run.ready()) as { port: number };
    const admin = adminOf(folder, port);
    const stop = new AbortController();
    const load = checkedLoad(port, CLIENTS, stop.signal);
    const began = performance.now();
    const done = { killed: 0, drained: 0, added: 0, reweighted: 0, reloaded: 0, upgraded: 0 };
    for (let round = 0; round < ROUNDS; round += 1) {
      const pace = (part: number): Promise<void> => at(began + (1000 * SECONDS * (round + part)) / ROUNDS);
      const [victim, other] = round % 2 === 0 ? [first, second] : [second, first];
      await victim.kill();
      done.killed += 1;
      await victim.again();
      await admin.until('it is up again', (view) => stateOf(view, victim) === 'up');
      await pace(0.2);
      await admin.ask('PUT', '/backends/drain', { name: other.name, on: true });
      done.drained += 1;
      await pace(0.35);
      await admin.ask('PUT', '/backends/drain', { name: other.name, on: false });
      await admin.ask('POST', '/backends', { backend: `${third.url},weight=2` });
      done.added += 1;
      await pace(0.5);
      await admin.ask('DELETE', `/backends?name=${third.name}`);
      await admin.ask('PUT', '/backends/weight', { name: first.name, weight: 2 + (round % 5) });
      done.reweighted += 1;
      await pace(0.65);
      await writeFile(join(folder, 'kelana.toml'), config(10 + round, round));
      if (round % 2 === 0) await admin.ask('POST', '/reload', { forget: false });
      else run.child.kill('SIGHUP');
      const weight = 10 + round;
      await admin.until('the file holds', ({ backends }) =>
        backends.some((one) => one.name === first.name && one.weight === weight),
      );
      done.reloaded += 1;
      await pace(0.8);
      const before = await admin.view();
      if (round % 2 === 0) await admin.ask('POST', '/upgrade', {});
      else run.child.kill('SIGUSR2');
      const old = new Set(before.workers.map(({ pid }) => pid));
      await admin.until('new processes', (view) => view.workers.every(({ pid }) => !old.has(pid)));
      done.upgraded += 1;
      await pace(1);
    }
    stop.abort();
    const report = await load;
    const seconds = (performance.now() - began) / 1000;
    await admin.until('the replaced processes are gone', (view) => view.retiring.length === 0);
    const keys = (await readFile(acted, 'utf8')).split('\n').filter((line) => line !== '');
    const twice = keys.filter((key, place) => keys.indexOf(key) !== place);
    t.diagnostic(
      JSON.stringify({
        workers,
        seconds: Math.round(seconds),
        ...done,
        safeOk: report.safe.ok,
        safeFailed: report.safe.failed.length,
        mixed: report.mixed.length,
        unsafeOk: report.unsafe.ok,
        unsafeFailed: report.unsafe.failed,
        actedTwice: twice.length,
        connections: report.connections,
      }),
    );
    assert.deepEqual(report.safe.failed, []);
    assert.deepEqual(report.mixed, []);
    assert.deepEqual(twice, []);
    assert.ok(keys.every((key) => report.keys.has(key)));
    assert.ok(report.unsafe.ok <= keys.length, 'an answer for each that was said to be done');
    for (const count of Object.values(done)) assert.equal(count, ROUNDS);
    assert.ok(report.safe.ok > 50 * SECONDS, 'a load worth the name');
    assert.deepEqual(await stopped(run), { code: 0, signal: null });
  });
}

async function stopped(run: Run): Promise<{ code: number | null; signal: string | null }> {
  const { code, signal } = await run.end('SIGTERM');
  return { code, signal };
}

function stateOf(view: BalancerView, server: Killable): string | undefined {
  const backend = view.backends.find(({ name }) => name === server.name);
  return backend?.up === view.workers.length ? backend.state : undefined;
}

function adminOf(folder: string, port: number) {
  const socket = join(folder, '.kelana', `balancer-${port}`, 'balancer.sock');
  const request = (method: string, path: string, body?: object): Promise<unknown> =>
    ask({ socket, method, path, body }, (why) => new Error(why) as never, 20_000);
  const view = async (): Promise<BalancerView> => (await request('GET', '/balancer')) as BalancerView;
  return {
    ask: request,
    view,
    until: (what: string, done: (view: BalancerView) => boolean) =>
      until(what, async () => done(await view()), 20_000),
  };
}

async function at(time: number): Promise<void> {
  const left = time - performance.now();
  if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
}

/** A server process that can be killed and started again on its port. */
class Killable {
  readonly name: string;
  readonly url: string;
  readonly #port: number;
  readonly #file: string;
  #child: ChildProcess;

  private constructor(port: number, file: string, child: ChildProcess) {
    this.#port = port;
    this.#file = file;
    this.#child = child;
    this.name = `127.0.0.1:${port}`;
    this.url = `http://${this.name}`;
  }

  static async start(t: TestContext, port: number, file: string): Promise<Killable> {
    const server = new Killable(port, file, await launch(port, file));
    afterwards(t, () => server.kill());
    return server;
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  async again(): Promise<void> {
    this.#child = await launch(this.#port, this.#file);
  }
}

async function launch(port: number, file: string): Promise<ChildProcess> {
  const args = ['--disable-warning=ExperimentalWarning', SERVER, String(port), file];
  const child = spawn(execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(createInterface({ input: child.stdout }), 'line', { signal: AbortSignal.timeout(20_000) });
  return child;
}
