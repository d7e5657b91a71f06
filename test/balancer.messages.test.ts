import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { freePort } from './balancer.kit.ts';
import { temporaryFolder, until } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { start } from './support/run.ts';

const QUIET = ['--lang', 'en', '--log', 'none', '--log-db', 'none'];

async function place(t: TestContext) {
  const folder = await temporaryFolder(t);
  const settings = (...lines: readonly string[]) =>
    writeFile(join(folder, 'kelana.toml'), `[balancer]\n${lines.join('\n')}\n`);
  const command = (...args: readonly string[]) => inProcess(['balancer', ...args], folder);
  return { folder, settings, command };
}

const table = (...lines: readonly string[]): string => ['[[balancer.backend]]', ...lines].join('\n');

test('a backend that is wrong beside the others is told with the line of its table', async (t) => {
  const { settings, command } = await place(t);
  const one = table('url = "http://localhost:1"');
  await settings('method = "round-robin"', one, one);
  const twice = await command(...QUIET);
  assert.equal(twice.code, 2);
  assert.match(twice.err, /kelana\.toml, line 6: .*given before/);
  await settings(one, table('url = "http://localhost:2"', 'max = 3', 'weight = 2'));
  assert.match((await command(...QUIET)).err, /kelana\.toml, line 7: .*does not use weights/);
  await settings(table('url = "http://localhost:8000"'));
  assert.match((await command(...QUIET)).err, /kelana\.toml, line 3: .*this balancer itself/);
  await settings('method = "weighted"', 'backend = ["http://localhost:1", "http://localhost:1"]');
  assert.match((await command(...QUIET)).err, /kelana\.toml, line 3: .*given before/);
  // From the command line there is no line.
  assert.match(
    (await command('--method', 'round-robin', '--backend', 'http://a:1,weight=2', ...QUIET)).err,
    /^kelana: Value .* for --backend is not valid/,
  );
});

test('a verb with too little or too much is told what it takes', async (t) => {
  const { command } = await place(t);
  for (const [args, form] of [
    [['weight', 'a:1'], 'kelana balancer weight NAME N'],
    [['add'], 'kelana balancer add URL'],
    [['drain'], 'kelana balancer drain NAME'],
    [['ls', 'x'], 'kelana balancer ls'],
    [['method'], 'kelana balancer method M'],
  ] as const) {
    const { code, err } = await command(...args, '--lang', 'en');
    assert.equal(code, 2);
    assert.ok(err.includes(`It is: ${form}.`), err);
  }
});

test('what changes.json holds and cannot be, with these settings or at all, is told with that file', async (t) => {
  const { folder, command } = await place(t);
  const port = await freePort();
  const at = join(folder, '.kelana', `balancer-${port}`);
  await mkdir(at, { recursive: true, mode: 0o700 });
  const none = { version: 1, method: null, added: [], removed: [], weights: [], drained: [] };
  const method = (to: string) => ({ method: { to, over: 'round-robin' } });
  const tcp = { name: 'a:1', spec: 'tcp://a:1', weight: 1 };
  for (const [changes, args, says] of [
    [method('best'), [], 'best'],
    [{ added: [tcp] }, [], 'tcp://a:1.*for --mode tcp only'],
    [method('hash:path'), ['--mode', 'tcp'], 'hash:path.*no requests to look at'],
  ] as const) {
    await writeFile(join(at, 'changes.json'), JSON.stringify({ ...none, ...changes }));
    const { code, err } = await command('--listen', `127.0.0.1:${port}`, ...QUIET, ...args);
    assert.equal(code, 2);
    assert.match(err, new RegExp(`changes\\.json.*${says}.*Delete that file`, 's'));
  }
});

test('a data folder in which others may write, or which is theirs, is refused with what to do', async (t) => {
  const { folder, command } = await place(t);
  const port = await freePort();
  const own = join(folder, '.kelana', `balancer-${port}`);
  await mkdir(own, { recursive: true });
  const listen = ['--listen', `127.0.0.1:${port}`, ...QUIET];
  for (const open of [own, join(folder, '.kelana')]) {
    await chmod(open, 0o777);
    const { code, err } = await command(...listen);
    assert.equal(code, 2);
    assert.match(err, /--data is not valid: any user may write in that folder[^]*chmod o-w/);
    await chmod(open, 0o700);
  }
  // Only root can make one that is another's.
  if (process.geteuid?.() !== 0) return;
  await chown(own, 65_534, 65_534);
  const { code, err } = await command(...listen);
  assert.equal(code, 2);
  assert.match(err, /--data is not valid: that folder belongs to another user[^]*--data /);
});

test('commands find a balancer whose file names another address by now, and weights are not left without effect', async (t) => {
  const { folder, settings, command } = await place(t);
  const [port, second, later] = [await freePort(), await freePort(), await freePort()];
  const unchecked = `https://localhost:${await freePort()},verify=off`;
  const backends = `backend = ["http://127.0.0.1:${await freePort()},weight=3"]`;
  const both = (one: number): string => `listen = ["127.0.0.1:${one}", "127.0.0.1:${second}"]`;
  await settings('method = "weighted"', both(port), backends);
  const log = ['--log', 'log.txt', '--log-lang', 'en', '--log-db', 'none'];
  const run = start(t, ['balancer', '--lang', 'en', ...log], { cwd: folder });
  // Every address that it listens on.
  const ready = `ready at http://127.0.0.1:${port}, http://127.0.0.1:${second} for `;
  await until('ready', () => run.out.includes(ready) || run.err.includes(ready));

  const plain = await command('method', 'round-robin', '--lang', 'en');
  assert.equal(plain.code, 2);
  assert.match(plain.err, /does not use weights, and 127\.0\.0\.1:\d+ has the weight 3/);
  assert.equal((await command('method', 'ewma')).code, 0);

  assert.match(
    (await command('add', unchecked, '--lang', 'en')).out,
    /WARNING: the certificate of localhost/,
  );
  await settings('method = "weighted"', both(later), backends);
  const reload = await command('reload', '--lang', 'en');
  assert.equal(reload.code, 0, reload.err);
  assert.match(reload.out + reload.err, /Only after a restart of the balancer: listen/);
  assert.match(reload.out, /WARNING: the certificate of localhost/);
  // One that is named by hand has to be there.
  assert.equal((await command('ls', '--listen', `:${later}`)).code, 1);
  await until('both in the log', async () => {
    const text = await readFile(join(folder, 'log.txt'), 'utf8');
    return (text.match(/certificate of localhost:\d+ is not checked/g) ?? []).length >= 2;
  });
});
