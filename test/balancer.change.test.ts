import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { BalancerView } from '../src/balancer/view.ts';
import { freePort, RawClient } from './balancer.kit.ts';
import { afterwards, temporaryFolder, until } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { certificate } from './support/certificate.ts';
import { start, type Run } from './support/run.ts';

const NO_LOG = ['--log', 'none', '--log-db', 'none'];

/** Servers that say who they are, a folder, and what a command there says. */
async function house(t: TestContext, count: number) {
  const folder = await temporaryFolder(t);
  const names: string[] = [];
  for (let at = 0; at < count; at += 1) {
    const server = createServer((_, response) => void response.end(names[at]));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    afterwards(t, () => {
      server.closeAllConnections();
      server.close();
    });
    names.push(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  const logging = async (...args: readonly string[]): Promise<{ run: Run; port: number }> => {
    const run = start(t, ['balancer', '--json', '--lang', 'en', ...args], { cwd: folder });
    return { run, port: Number((await run.ready())['port']) };
  };
  const balancer = (...args: readonly string[]) => logging(...NO_LOG, ...args);
  const command = (...args: readonly string[]) => inProcess(['balancer', ...args], folder);
  const view = async (...args: readonly string[]): Promise<BalancerView> => {
    const { code, out, err } = await command(...args, '--json');
    assert.equal(code, 0, err);
    return JSON.parse(out) as BalancerView;
  };
  return { folder, names, balancer, logging, command, view };
}

async function askedOf(port: number, count: number): Promise<readonly string[]> {
  const answers: string[] = [];
  for (let at = 0; at < count; at += 1) answers.push(await (await fetch(`http://127.0.0.1:${port}/`)).text());
  return answers;
}

test('backends are added, weighed, drained and removed while it runs, and all of it holds after a restart', async (t) => {
  const { folder, names, balancer, command, view } = await house(t, 3);
  const [a = '', b = '', c = ''] = names;
  const first = await balancer(
    '--listen',
    '127.0.0.1:0',
    '--backend',
    `http://${a}`,
    '--backend',
    `http://${b}`,
  );
  const listen = `127.0.0.1:${first.port}`;
  const own = join(folder, '.kelana', `balancer-${first.port}`);
  assert.equal((await stat(join(own, 'balancer.sock'))).mode & 0o777, 0o600);
  assert.equal((await stat(own)).mode & 0o777, 0o700);

  await view('add', `http://${c}`);
  await view('remove', a);
  await view('drain', `http://${b}`);
  assert.deepEqual(new Set(await askedOf(first.port, 4)), new Set([c]));
  await view('undrain', b);
  await view('method', 'weighted');
  const weighed = await view('weight', c, '3');
  assert.deepEqual(
    weighed.backends.map(({ name, weight, origin, weightOrigin }) => [name, weight, origin, weightOrigin]),
    [
      [b, 1, 'given', 'given'],
      [c, 3, 'runtime', 'runtime'],
    ],
  );
  const shown = await command('ls');
  assert.match(shown.out, new RegExp(`method weighted \\(by command\\)`));
  assert.match(shown.out, new RegExp(`${c} +up +3 .*command`));
  await first.run.end();

  const again = await balancer('--listen', listen, '--backend', `http://${a}`, '--backend', `http://${b}`);
  const kept = await view('ls');
  assert.equal(kept.method, 'weighted');
  assert.deepEqual(
    kept.backends.map(({ name, weight }) => [name, weight]),
    [
      [b, 1],
      [c, 3],
    ],
  );
  const reset = await view('reset');
  assert.equal(reset.method, 'round-robin');
  assert.deepEqual(
    reset.backends.map(({ name, origin }) => [name, origin]),
    [
      [a, 'given'],
      [b, 'given'],
    ],
  );
  await again.run.end();
});

test('in TCP mode a method that looks at requests is refused later too', async (t) => {
  const { names, balancer, command, view } = await house(t, 1);
  const args = ['--listen', 'localhost:0', '--mode', 'tcp', '--backend', `tcp://${names[0] ?? ''}`];
  await balancer(...args, '--method', 'hash:source');
  const said = await command('method', 'sticky');
  assert.deepEqual([said.code, /no requests to look at/.test(said.err)], [2, true], said.err);
  assert.equal((await view('method', 'least-connections')).method, 'least-connections');
});

test('what cannot be done is refused with its reason, and nothing changes', async (t) => {
  const { names, balancer, command, view } = await house(t, 1);
  const [a = ''] = names;
  assert.match((await command('ls')).err, /No balancer is running/);
  const further = await freePort();
  const listens = ['--listen', 'localhost:0', '--listen', `127.0.0.1:${further}`];
  const { port } = await balancer(...listens, '--backend', `http://${a}`);
  const before = await view('ls');
  for (const [args, code, says] of [
    [['remove', a], 1, /last backend/],
    [['drain', a], 1, /last backend/],
    [['remove', '127.0.0.1:1'], 1, /no server '127\.0\.0\.1:1'.*\n.*There is: /],
    [['drain', 'https://127.0.0.1:1/'], 1, /no server '127\.0\.0\.1:1'/],
    [['weight', 'https://127.0.0.1,max=3', '1'], 1, /no server '127\.0\.0\.1:443'/],
    [['add', `http://${a}`], 1, /already has/],
    [['add', 'ftp://x'], 2, /only http/],
    [['add', 'tcp://127.0.0.1:1'], 2, /for --mode tcp only/],
    [['add', 'dns://x:1'], 2, /a name belongs in the settings/],
    [['add', 'P2P://x'], 2, /a name belongs in the settings/],
    [['add', `http://localhost:${port}`], 2, /this balancer itself/],
    [['add', `http://127.0.0.1:${port},max=3`], 2, /this balancer itself/],
    [['add', `http://localhost:${further}`], 2, /this balancer itself/],
    [['add', 'http://127.0.0.1:1,weight=2'], 2, /does not use weights/],
    [['weight', a, '2'], 2, /does not use weights/],
    [['weight', a, 'two'], 2, /whole number/],
    [['method', 'best'], 2, /one of/],
    [['add'], 2, /balancer add URL/],
    [['ls', 'x'], 2, /balancer ls\./],
    [['fly'], 2, /may stand/],
    [['ls', '--listen', ':1'], 1, /No balancer is running/],
  ] as const) {
    const said = await command(...args);
    assert.equal(said.code, code, `${args.join(' ')}: ${said.err}`);
    assert.match(said.err, says);
  }
  assert.deepEqual((await view('ls')).backends, before.backends);
});

test('the settings are read again whole: a mistake is told with its line and changes nothing', async (t) => {
  const { folder, names, balancer, command, view } = await house(t, 3);
  const [a = '', b = '', c = ''] = names;
  const file = join(folder, 'kelana.toml');
  // At once: a signal may have it read between two bytes.
  const save = async (text: string): Promise<void> => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };
  const table = (name: string, more = ''): string => `[[balancer.backend]]\nurl = "http://${name}"\n${more}`;
  await save(`[balancer]\nmethod = "weighted"\n${table(a, 'weight = 2\n')}${table(b)}`);
  const { run } = await balancer('--listen', '127.0.0.1:0');
  await view('weight', b, '9');
  await view('add', `http://${c}`);

  await save(`[balancer]\nmethod = "weighted"\n${table(a, 'weight = 5000\n')}`);
  const bad = await command('reload');
  assert.equal(bad.code, 2);
  assert.match(bad.err, /kelana\.toml, line 5: .*weight/);
  // By signal nobody reads an answer; the process goes on.
  run.child.kill('SIGHUP');
  await save(`[balancer]\nmethod = "weighted"\n${table(a, 'wieght = 2\n')}`);
  assert.match(
    (await command('reload')).err,
    /line 5: .*only url, weight, max, proxy, ca and verify are known/,
  );

  // What is put in its place meanwhile is no word of the operator's.
  const rows = async () => (await view('ls')).backends.map(({ name, weight }) => [name, weight]);
  await rm(file);
  const was = await rows();
  for (const verb of ['reload', 'upgrade']) {
    const gone = await command(verb);
    assert.deepEqual([gone.code, /kelana\.toml' cannot be read/.test(gone.err)], [1, true], gone.err);
    await writeFile(file, '[balancer]\n');
    const half = await command(verb);
    assert.deepEqual([half.code, /line 1: the file names no backend/.test(half.err)], [2, true], half.err);
    await rm(file);
  }
  assert.deepEqual(await rows(), was);

  await save(
    `[balancer]\nmethod = "weighted"\nworkers = "2"\nlog-lang = "en"\n${table(a, 'weight = 4\n')}${table(b)}`,
  );
  const reloaded = await command('reload');
  assert.match(reloaded.out, /Only after kelana balancer upgrade: .*workers/);
  const now = await view('ls');
  assert.deepEqual(
    now.backends.map(({ name, weight }) => [name, weight]),
    [
      [a, 4],
      [b, 9],
      [c, 1],
    ],
  );
  const upgraded = await view('upgrade');
  assert.equal(upgraded.workers.length, 2);
  await command('reload', '--forget');
  assert.deepEqual(
    (await view('ls')).backends.map(({ name, weight }) => [name, weight]),
    [
      [a, 4],
      [b, 1],
    ],
  );
  const changes = await readFile(join(folder, '.kelana', `balancer-${portOf(now)}`, 'changes.json'), 'utf8');
  assert.deepEqual((JSON.parse(changes) as { weights: unknown }).weights, []);
});

test('a limit is changed in place, and no count of a server goes back, though it leaves and returns', async (t) => {
  const { folder, names, balancer, command, view } = await house(t, 2);
  const [a = '', b = ''] = names;
  const file = join(folder, 'kelana.toml');
  const settings = (more: string): Promise<void> =>
    writeFile(
      file,
      `[[balancer.backend]]\nurl = "http://${a}"\n${more}[[balancer.backend]]\nurl = "http://${b}"\n`,
    );
  await settings('');
  const { port } = await balancer('--listen', '127.0.0.1:0');
  await askedOf(port, 6);
  const counts = async (): Promise<unknown> =>
    (await view('ls')).backends.map(({ name, requests, figures }) => [name, requests, figures.answers[2]]);
  const before = await counts();
  assert.deepEqual(before, [
    [a, 3, 3],
    [b, 3, 3],
  ]);
  await settings('max = 7\n');
  assert.equal((await command('reload')).code, 0);
  assert.deepEqual(await counts(), before);
  await view('remove', b);
  await view('reset');
  assert.deepEqual(await counts(), before);
});

test('a reload that finds a broken certificate says so and changes nothing', async (t) => {
  const { folder, names, balancer, command, view } = await house(t, 1);
  const { cert, key } = await certificate(folder, 'kelana', 'kelana.test');
  const backend = ['--backend', `http://${names[0] ?? ''}`];
  await balancer('--listen', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key, ...backend);
  await view('reload');
  await writeFile(cert, 'half a file');
  const { code, err } = await command('reload');
  assert.equal(code, 1);
  assert.match(err, /Certificate '.*' cannot be used/);
  assert.equal((await view('ls')).backends.length, 1);
});

test('an upgrade keeps the pid, the idle connections and what is under way, and a process that dies comes back', async (t) => {
  const { names, balancer, view } = await house(t, 1);
  const [a = ''] = names;
  const { run, port } = await balancer('--listen', '127.0.0.1:0', '--backend', `http://${a}`);
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const idle = new RawClient(port);
  t.after(() => idle.socket.destroy());
  await idle.send(request).reads(a);
  const before = await view('ls');
  assert.deepEqual([before.pid, before.workers[0]?.pid], [run.pid, run.pid]);

  const after = await view('upgrade');
  assert.equal(after.pid, run.pid);
  assert.notEqual(after.workers[0]?.pid, run.pid);
  // The connection that idled is answered by the process that has it, and told that this was the last.
  assert.deepEqual(after.retiring, [run.pid]);
  idle.received = '';
  await idle.send(request).reads('Connection: close', a);
  await idle.closes();
  await until('the old one is through', async () => (await view('ls')).retiring.length === 0);

  const dead = after.workers[0]?.pid ?? 0;
  process.kill(dead, 'SIGKILL');
  // While nobody serves, connections wait: none is refused.
  assert.deepEqual(await askedOf(port, 3), [a, a, a]);
  const back = await view('ls');
  assert.notEqual(back.workers[0]?.pid, dead);
  await run.end('SIGTERM');
  await until('no process is left', () => !alive(back.workers[0]?.pid ?? 0));
});

test('an upgrade leaves alone what only a restart changes, and says so as a reload does', async (t) => {
  const { folder, names, logging, command, view } = await house(t, 1);
  const { cert, key } = await certificate(folder, 'kelana', 'kelana.test');
  const [first, second, redirect, other] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const save = (listen: readonly number[], redirects: number, log: string, more = ''): Promise<void> =>
    writeFile(
      join(folder, 'kelana.toml'),
      `${log}[balancer]\nlisten = ${JSON.stringify(listen.map((port) => `http://127.0.0.1:${port}`))}\nredirect-http = "${redirects}"
backend = ["http://${names[0]}"]\ntls-cert = ["${cert}"]\ntls-key = ["${key}"]\n${more}`,
    );
  const doors = async (): Promise<readonly (number | string | undefined)[]> => {
    const all = [first, second, redirect, other].map((port) =>
      fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual', signal: AbortSignal.timeout(2_000) }).then(
        ({ status }) => status,
        (thrown: Error) => (thrown.cause as { code?: string } | undefined)?.code,
      ),
    );
    return await Promise.all(all);
  };
  await save([first, second], redirect, 'log = "log.txt"\nlog-db = "none"\n');
  await logging();
  const before = [200, 200, 308, 'ECONNREFUSED'];
  assert.deepEqual(await doors(), before);

  await save(
    [first],
    other,
    'log = "other.txt"\nlog-db = "other.db"\nlog-lang = "en"\n',
    'workers = "2"\nstats = ":0"\ndns = ["127.0.0.1:1"]\ngroup-key = "no.key"\n',
  );
  const waits = 'listen, redirect-http, stats, dns, group-key, log, log-db, log-lang';
  const said = new RegExp(`Only after a restart of the balancer: (${waits.replaceAll(', ', '|')}|, )+\\.`);
  const whole = (out: string): unknown => said.exec(out)?.[0].split(': ')[1]?.slice(0, -1).split(', ').sort();
  const all = waits.split(', ').sort();
  assert.deepEqual(whole((await command('reload')).out), all);
  const upgraded = await command('upgrade');
  assert.equal(upgraded.code, 0, upgraded.err);
  assert.deepEqual(whole(upgraded.out), all);
  assert.deepEqual(await doors(), before);
  // They wait still; and what took effect does not.
  const reloaded = await command('reload');
  assert.deepEqual([whole(reloaded.out), /Only after kelana/.test(reloaded.out)], [all, false]);
  assert.equal((await view('ls')).workers.length, 2);
  // One log still, of requests as of commands.
  const log = (): Promise<string> => readFile(join(folder, 'log.txt'), 'utf8');
  assert.equal((await fetch(`http://127.0.0.1:${second}/upgraded`)).status, 200);
  await until('the request in the log', async () => / \/upgraded /.test(await log()));
  assert.ok(!existsSync(join(folder, 'other.txt')) && !existsSync(join(folder, 'other.db')));
  // It would ask itself: the address is listened on still.
  await writeFile(
    join(folder, 'kelana.toml'),
    `[balancer]\nlisten = ["127.0.0.1:${first}"]\nbackend = ["http://127.0.0.1:${second}"]\n`,
  );
  assert.match((await command('reload')).err, /this balancer itself/);
});

test('processes end with the one that holds them, even where that was killed', async (t) => {
  const { names, balancer, view } = await house(t, 1);
  const { run } = await balancer(
    '--listen',
    '127.0.0.1:0',
    '--workers',
    '2',
    '--backend',
    `http://${names[0]}`,
  );
  const pids = (await view('ls')).workers.map(({ pid }) => pid);
  assert.equal(pids.length, 2);
  await run.end('SIGKILL');
  await until('both have ended', () => !pids.some(alive));
});

function portOf(view: BalancerView): number {
  return Number(new URL(view.url).port);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
