import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pid } from 'node:process';
import { test } from 'node:test';
import type { Fleet } from '../src/balancer/fleet.ts';
import { Manager, type Configuration, type ManagerOptions } from '../src/balancer/manager.ts';
import type { SettledOptions } from '../src/balancer/protocol.ts';
import { checkDesired, urlOf } from '../src/cli/balancer/configuration.ts';
import { NO_CHANGES, type GivenBackend } from '../src/core/balance/changes.ts';
import { KelanaError } from '../src/core/errors.ts';
import type { EventBody } from '../src/core/events.ts';
import { fleetWith } from './balancer.fleet.kit.ts';
import { eventually } from './balancer.kit.ts';

for (const [what, code, why] of [
  ['ends at once', 'process.exit(3)', /exit 3/],
  [
    'says why',
    "process.on('message', () => process.send({ type: 'failed', error: 'CANNOT_READ', params: { path: 'key.pem', why: 'ENOENT' } }))",
    /key\.pem/,
  ],
  [
    'is of a version that does not fit',
    "process.on('message', () => process.send({ type: 'failed', error: 'NEWER', params: {} }))",
    /NEWER/,
  ],
] as const) {
  test(`where a new process ${what}, the old one goes on and the reason is told`, async (t) => {
    const { roll, fleet, balancer } = await fleetWith(t, code);
    await assert.rejects(
      roll(),
      (error) => error instanceof KelanaError && error.code === 'UPGRADE_FAILED' && why.test(error.message),
    );
    assert.equal(await (await fetch(balancer.url)).text(), 'hello');
    const { workers, retiring } = await fleet.stats();
    assert.deepEqual([workers.map((worker) => worker.pid), retiring], [[pid], []]);
  });
}

function configured(settings: SettledOptions, workers = 1): Configuration {
  return { given: { method: 'round-robin', backends: [] }, settings, workers };
}

type Asked = Pick<ManagerOptions, 'configuration' | 'read'> & Partial<ManagerOptions>;

function managerOf(fleet: Fleet, url: string, asked: Asked): Manager {
  return new Manager({
    fleet,
    url: () => url,
    pid,
    who: 'localhost:0',
    emit: () => undefined,
    changes: NO_CHANGES,
    parseBackend: () => assert.fail(),
    check: () => undefined,
    fits: () => undefined,
    save: () => Promise.resolve(),
    fixed: new Set(),
    ...asked,
  });
}

test('where several processes cannot start at the first start, no old one is said to go on', async (t) => {
  const { fleet, balancer } = await fleetWith(t, 'process.exit(3)');
  const two = configured([], 2);
  const manager = managerOf(fleet, balancer.url, { configuration: two, read: () => two });
  await assert.rejects(
    manager.start(),
    (error) => error instanceof KelanaError && error.code === 'START_FAILED' && /exit 3/.test(error.message),
  );
});

test('an upgrade that fails while values wait for a restart names them, as they may be why', async (t) => {
  const { fleet, balancer } = await fleetWith(t, 'process.exit(3)');
  const manager = managerOf(fleet, balancer.url, {
    configuration: configured([['redirect-http', ':80', 'file']]),
    read: () => configured([]),
    fixed: new Set(['redirect-http']),
  });
  await assert.rejects(
    manager.upgrade(),
    (error) =>
      error instanceof KelanaError &&
      error.code === 'UPGRADE_NEEDS_RESTART' &&
      /exit 3.*redirect-http/.test(error.message),
  );
});

/** Says that it does all that it is asked, and writes down how it was started. */
const CHILD = `import { appendFileSync } from 'node:fs';
    process.on('message', (said) => {
      if (said.type === 'start') {
        appendFileSync('heard', JSON.stringify(said.settings) + '\\n');
        process.send({ type: 'ready' });
      } else if (said.type === 'certificates') {
        appendFileSync('certificates', '.');
        process.send({ type: 'answer', id: said.id });
      } else if (said.type === 'close' || said.type === 'drain') process.exit(0);
      else process.send({ type: 'answer', id: said.id });
    });`;

test('each upgrade starts processes with the running values of what only a restart changes, and says what waits', async (t) => {
  const { fleet, balancer, folder } = await fleetWith(t, CHILD);
  let asked = configured([]);
  const events: EventBody[] = [];
  const manager = managerOf(fleet, balancer.url, {
    emit: (event) => void events.push(event),
    configuration: configured([
      ['listen', ['a:1'], 'file'],
      ['stats', ':1', 'file'],
      ['queue', 1, 'default'],
    ]),
    read: () => asked,
    fixed: new Set(['listen', 'stats', 'dns']),
  });
  const started = (): readonly unknown[] => {
    const lines = readFileSync(join(folder, 'heard'), 'utf8').trim().split('\n');
    return lines.map((line) =>
      Object.fromEntries((JSON.parse(line) as SettledOptions).map(([a, b]) => [a, b])),
    );
  };
  // One changed, one gone, one new; the last may change.
  asked = configured([
    ['listen', ['b:2'], 'file'],
    ['dns', ['c:3'], 'file'],
    ['queue', 2, 'file'],
  ]);
  assert.deepEqual([...(await manager.upgrade()).needRestart].sort(), ['dns', 'listen', 'stats']);
  await manager.unattended('upgrade');
  const running = { listen: ['a:1'], stats: ':1', queue: 2 };
  assert.deepEqual(started(), [running, running]);
  const waiting = events.flatMap((event) => (event.type === 'balancer.waiting' ? [event] : []));
  assert.deepEqual(
    waiting.map(({ needs, options }) => [needs, options.length]),
    [['restart', 3]],
  );
  asked = configured([
    ['listen', ['a:1'], 'flag'],
    ['stats', ':1', 'file'],
    ['queue', 2, 'file'],
  ]);
  const certificates = join(folder, 'certificates');
  assert.equal(existsSync(certificates), false);
  assert.deepEqual((await manager.reload(false)).needRestart, []);
  assert.equal(readFileSync(certificates, 'utf8'), '.', 'a reload has certificates read again');
});

test('what only an upgrade brings puts no backend or method into processes that cannot have it, nor is it shown', async (t) => {
  const { fleet } = await fleetWith(t, CHILD);
  const own = (scheme: string): GivenBackend => ({ name: 'a:1', spec: `${scheme}://a:1`, weight: 1 });
  const read = (scheme: string, ...settings: SettledOptions): Configuration => ({
    given: { method: 'round-robin', backends: [own(scheme)] },
    settings,
    workers: 1,
  });
  let asked = read('http');
  let full = false;
  const manager = managerOf(fleet, '', {
    url: (running) => urlOf(running, 'h:1'),
    configuration: asked,
    read: () => asked,
    save: () =>
      full
        ? Promise.reject(new KelanaError('CANNOT_WRITE', { path: 'c', why: 'ENOSPC' }))
        : Promise.resolve(),
    parseBackend: () => ({ name: 'b:1', spec: 'tcp://b:1', weight: 1 }),
    fits: checkDesired,
  });
  const shown = async () => {
    const { url, method, backends } = await manager.view();
    return [url, method, ...backends.map((one) => one.url)];
  };
  const refused = (code: string, says: RegExp) => (error: unknown) =>
    error instanceof KelanaError && error.code === code && says.test(error.message);
  await assert.rejects(manager.add(''), refused('BAD_VALUE', /tcp:\/\/ is for --mode tcp only/));
  asked = read('tcp');
  await assert.rejects(manager.reload(false), refused('BAD_VALUE', /tcp:\/\/ is for/));
  asked = read('tcp', ['mode', 'tcp', 'file']);
  const waits = refused('RELOAD_NEEDS_UPGRADE', /tcp:\/\/ is for --mode tcp only.*an upgrade applies: mode/);
  await assert.rejects(manager.reload(false), waits);
  assert.deepEqual(await shown(), ['http://h:1', 'round-robin', 'http://a:1']);
  asked = read('http', ['mode', 'tcp', 'file']);
  assert.deepEqual((await manager.reload(false)).needUpgrade, ['mode']);
  assert.deepEqual(await shown(), ['http://h:1', 'round-robin', 'http://a:1']);

  asked = read('tcp', ['mode', 'tcp', 'file']);
  await manager.upgrade();
  assert.deepEqual(await shown(), ['tcp://h:1', 'round-robin', 'tcp://a:1']);
  await assert.rejects(
    manager.change({ type: 'method', method: 'hash:path' }),
    refused('BAD_VALUE', /no requests to look at/),
  );
  // What a command added is looked at too, and by an upgrade.
  await manager.add('');
  asked = read('http', ['mode', 'http', 'file'], ['tls-cert', ['c.pem'], 'file']);
  await assert.rejects(manager.upgrade(), refused('BAD_VALUE', /'tcp:\/\/b:1'/));
  assert.deepEqual(await shown(), ['tcp://h:1', 'round-robin', 'tcp://a:1', 'tcp://b:1']);
  full = true;
  asked = read('tcp', ['mode', 'http', 'file']);
  await assert.rejects(manager.reload(true), refused('CANNOT_WRITE', /ENOSPC/));
  full = false;
  await manager.reset();
  asked = read('http', ['tls-cert', ['c.pem'], 'file']);
  await manager.upgrade();
  assert.deepEqual(await shown(), ['https://h:1', 'round-robin', 'http://a:1']);
  assert.equal(urlOf(asked, 'h:1', 'http'), 'http://h:1');
  assert.equal(urlOf(read('http', ['tls-cert', [], 'file']), 'h:1'), 'http://h:1');
});

test('what one process let through of the common rate limit is told to the others, and not to itself', async (t) => {
  // Each says so when it is told what is desired, and writes down what it hears.
  const { roll, fleet, folder } = await fleetWith(
    t,
    `import { appendFileSync } from 'node:fs';
    process.on('message', (said) => {
      if (said.type === 'start') process.send({ type: 'ready' });
      else if (said.type === 'spent') appendFileSync('heard-' + process.pid, JSON.stringify(said.spent));
      else if (said.type === 'close') process.exit(0);
      else {
        process.send({ type: 'spent', spent: [[String(process.pid), 3]] });
        process.send({ type: 'answer', id: said.id });
      }
    });`,
  );
  await roll();
  await fleet.apply({ method: 'round-robin', backends: [] });
  const heard = (): string[] => readdirSync(folder).filter((name) => name.startsWith('heard-'));
  // A file is there before what is written to it.
  const whole = (name: string): boolean => readFileSync(join(folder, name), 'utf8') !== '';
  await eventually(() => heard().filter(whole).length === 2, 'both to hear of it');
  for (const name of heard()) {
    const others = heard().filter((other) => other !== name);
    const spent = others.map((other) => [other.slice('heard-'.length), 3]);
    assert.equal(readFileSync(join(folder, name), 'utf8'), JSON.stringify(spent));
  }
});
