import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { BalancerView } from '../src/balancer/view.ts';
import { Resolving } from '../src/balancer/resolving.ts';
import { parseSource } from '../src/core/balance/source.ts';
import { freePort } from './balancer.kit.ts';
import { afterwards, temporaryFolder, until } from './support/basics.ts';
import { dnsServer, type DnsServer } from './support/dns-server.ts';
import { inProcess } from './support/in-process.ts';
import { start, type Run } from './support/run.ts';

const NO_LOG = ['--log', 'none', '--log-db', 'none'];

/** A server on an address of its own that says which; gives its port. */
async function serverOn(t: TestContext, host: string, port = 0): Promise<number> {
  const server = createServer((_, response) => void response.end(host));
  server.listen(port, host);
  await once(server, 'listening');
  afterwards(t, () => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Place {
  readonly run: Run;
  readonly folder: string;
  readonly port: number;
  /** Who answered so many requests. */
  readonly answers: (times?: number) => Promise<ReadonlySet<string>>;
  readonly command: (...args: readonly string[]) => Promise<BalancerView>;
  /** Waits until these are its backends, as `name weight state`. */
  readonly has: (...rows: readonly string[]) => Promise<BalancerView>;
}

async function place(
  t: TestContext,
  dns: DnsServer | null,
  args: readonly string[],
  at: { folder?: string; port?: number } = {},
): Promise<Place> {
  const folder = at.folder ?? (await temporaryFolder(t));
  const asking = dns === null ? [] : ['--dns', dns.address];
  const usual = ['--json', '--lang', 'en', '--listen', `127.0.0.1:${at.port ?? 0}`];
  const run = start(t, ['balancer', ...usual, ...asking, ...args], { cwd: folder });
  const port = Number((await run.ready())['port']);
  const command = async (...words: readonly string[]): Promise<BalancerView> => {
    const { code, out, err } = await inProcess(['balancer', ...words, '--json'], folder);
    assert.equal(code, 0, err);
    return JSON.parse(out) as BalancerView;
  };
  return {
    run,
    folder,
    port,
    answers: async (times = 6) => {
      const said = new Set<string>();
      for (let each = 0; each < times; each += 1)
        said.add(await (await fetch(`http://127.0.0.1:${port}/`)).text());
      return said;
    },
    command,
    has: async (...rows) => {
      let last: readonly string[] = [];
      return await until(`${rows.join('; ')} in place of ${last.join('; ')}`, async () => {
        const view = await command('ls');
        last = view.backends.map(({ name, weight, state }) => `${name} ${weight} ${state}`);
        return last.join('; ') === rows.join('; ') ? view : null;
      });
    },
  };
}

test('each address of a name is a backend, which comes and goes with the answers', async (t) => {
  const dns = await dnsServer(t);
  const at = await serverOn(t, '127.0.0.2');
  await serverOn(t, '127.0.0.3', at);
  dns.zones.set('app.test', { a: ['127.0.0.2'] });
  const { answers, command, has, folder } = await place(t, dns, [
    '--method',
    'weighted',
    '--backend',
    `dns://app.test:${at},weight=2`,
    ...NO_LOG,
  ]);
  const [first] = (await has(`127.0.0.2:${at} 2 up`)).backends;
  assert.deepEqual([first?.origin, first?.from], ['discovered', `dns://app.test:${at},weight=2`]);
  assert.match((await inProcess(['balancer', 'ls'], folder)).out, /dns:\/\/app\.test:/);
  assert.deepEqual(await answers(), new Set(['127.0.0.2']));

  dns.zones.set('app.test', { a: ['127.0.0.3', '127.0.0.2'] });
  await has(`127.0.0.2:${at} 2 up`, `127.0.0.3:${at} 2 up`);
  assert.deepEqual(await answers(), new Set(['127.0.0.2', '127.0.0.3']));

  // A resolver that fails takes nobody away.
  dns.zones.set('app.test', { broken: ['a', 'aaaa'] });
  const asked = dns.asked.length;
  await until('asked anew', () => dns.asked.length > asked + 2);
  assert.equal((await command('ls')).backends.length, 2);

  await command('drain', `127.0.0.3:${at}`);
  await command('weight', `127.0.0.2:${at}`, '5');
  dns.zones.set('app.test', { a: ['127.0.0.2'] });
  await has(`127.0.0.2:${at} 5 up`);
  // What was changed about one that went holds when it comes back.
  dns.zones.set('app.test', { a: ['127.0.0.2', '127.0.0.3'] });
  await has(`127.0.0.2:${at} 5 up`, `127.0.0.3:${at} 2 drained`);
  assert.deepEqual(await answers(), new Set(['127.0.0.2']));
});

test('a name that is not known yet stops nothing; what was changed about its servers is kept over a restart', async (t) => {
  const dns = await dnsServer(t);
  const at = await serverOn(t, '127.0.0.2');
  await serverOn(t, '127.0.0.3', at);
  const args = ['--backend', `dns://late.test:${at}`];
  const { run, port, answers, command, has, folder } = await place(t, dns, args);
  assert.deepEqual((await command('ls')).backends, []);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 503);
  dns.zones.set('late.test', { a: ['127.0.0.2', '127.0.0.3'] });
  await has(`127.0.0.2:${at} 1 up`, `127.0.0.3:${at} 1 up`);
  await command('remove', `127.0.0.2:${at}`);
  assert.deepEqual(await answers(), new Set(['127.0.0.3']));
  await run.end();
  const log = await readFile(join(folder, 'combined_log.txt'), 'utf8');
  assert.match(log, /late\.test/);
  dns.zones.delete('late.test');
  const again = await place(t, dns, [...args, ...NO_LOG], { folder, port });
  assert.deepEqual((await command('ls')).backends, []);
  dns.zones.set('late.test', { a: ['127.0.0.2', '127.0.0.3'] });
  await again.has(`127.0.0.3:${at} 1 up`);
});

test('SRV records give ports and weights, and only those of the lowest priority count', async (t) => {
  const dns = await dnsServer(t);
  const [a, b, spare] = [
    await serverOn(t, '127.0.0.2'),
    await serverOn(t, '127.0.0.3'),
    await serverOn(t, '127.0.0.4'),
  ];
  dns.zones.set('one.test', { a: ['127.0.0.2'] });
  dns.zones.set('two.test', { a: ['127.0.0.3'] });
  dns.zones.set('spare.test', { a: ['127.0.0.4'] });
  const record = (target: string, port: number, weight: number, priority: number) => ({
    target,
    port,
    weight,
    priority,
  });
  const last = record('spare.test', spare, 1, 20);
  dns.zones.set('_http._tcp.app.test', {
    srv: [record('one.test', a, 3, 10), record('two.test', b, 1, 10), last],
  });
  const { answers, has } = await place(t, dns, [
    '--method',
    'weighted',
    '--backend',
    'srv://_http._tcp.app.test',
    '--workers',
    '2',
    ...NO_LOG,
  ]);
  await has(`127.0.0.2:${a} 3 up`, `127.0.0.3:${b} 1 up`);
  assert.deepEqual(await answers(8), new Set(['127.0.0.2', '127.0.0.3']));
  dns.zones.set('_http._tcp.app.test', { srv: [last] });
  await has(`127.0.0.4:${spare} 1 up`);
  assert.deepEqual(await answers(), new Set(['127.0.0.4']));
});

test('a reload takes names up and leaves them', async (t) => {
  const dns = await dnsServer(t);
  const at = await serverOn(t, '127.0.0.2');
  const plain = await serverOn(t, '127.0.0.1');
  dns.zones.set('app.test', { a: ['127.0.0.2'] });
  const folder = await temporaryFolder(t);
  const settings = (backend: string) =>
    writeFile(join(folder, 'kelana.toml'), `[balancer]\nbackend = ["${backend}"]\n`);
  await settings(`http://127.0.0.1:${plain}`);
  const { answers, command, has } = await place(t, dns, NO_LOG, { folder });
  assert.deepEqual(await answers(), new Set(['127.0.0.1']));
  await settings(`dns://app.test:${at}`);
  await command('reload');
  await has(`127.0.0.2:${at} 1 up`);
  assert.deepEqual(await answers(), new Set(['127.0.0.2']));
  await settings(`http://127.0.0.1:${plain}`);
  await command('reload');
  await has(`127.0.0.1:${plain} 1 up`);
  const asked = dns.asked.length;
  assert.deepEqual(await answers(), new Set(['127.0.0.1']));
  assert.equal(dns.asked.length, asked);
});

test('an address of the balancer itself is left out, and an IPv6 one is named as any backend is', async (t) => {
  const dns = await dnsServer(t);
  const at = await serverOn(t, '127.0.0.2');
  dns.zones.set('app.test', { a: ['127.0.0.1', '127.0.0.2'], aaaa: ['0:0:0:0:0:ffff:7f00:2'] });
  const port = await freePort();
  const args = ['--backend', `dns://app.test:${port}`, '--backend', `dns://app.test:${at},max=4`, ...NO_LOG];
  const { command } = await place(t, dns, args, { port });
  const names = (await command('ls')).backends.map(({ name }) => name);
  assert.deepEqual(
    names.toSorted(),
    [
      `127.0.0.1:${at}`,
      `127.0.0.2:${port}`,
      `127.0.0.2:${at}`,
      `[::ffff:7f00:2]:${at}`,
      `[::ffff:7f00:2]:${port}`,
    ].toSorted(),
  );
});

test('answers are whole where both questions had one, and names of the system are found too', async (t) => {
  const dns = await dnsServer(t);
  const resolving = new Resolving([dns.address]);
  const source = parseSource('dns://app.test:80');
  assert.ok(source !== null);
  dns.zones.set('app.test', { a: ['192.0.2.1'], aaaa: ['2001:db8:0:0:0:0:0:1'] });
  const both = await resolving.resolve(source);
  assert.deepEqual(
    both.found.map(({ host }) => host),
    ['192.0.2.1', '2001:db8::1'],
  );
  assert.deepEqual([both.whole, both.ttlMs, both.why], [true, 1_000, null]);
  dns.zones.set('app.test', { a: ['192.0.2.1'], broken: ['aaaa'] });
  const half = await resolving.resolve(source);
  assert.deepEqual([half.found.length, half.whole], [1, false]);
  dns.zones.set('app.test', { a: ['0.0.0.0'] });
  assert.deepEqual((await resolving.resolve(source)).found, []);
  dns.zones.clear();
  assert.equal((await resolving.resolve(source)).why, 'ENOTFOUND');

  const local = parseSource('dns://localhost:80');
  assert.ok(local !== null);
  const { found } = await new Resolving().resolve(local);
  assert.ok(found.some(({ host }) => host === '127.0.0.1' || host === '::1'));
  assert.throws(() => new Resolving(['ns.example']), /--dns/);
});
