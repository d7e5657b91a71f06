import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import type { BalancerView } from '../src/balancer/view.ts';
import { encodeServerAsk } from '../src/core/wire/server-place.ts';
import { delimit } from '../src/core/wire/lengths.ts';
import { startHost } from '../src/overlay/hosts.testkit.ts';
import { ServerFinder } from '../src/overlay/servers/finder.ts';
import { proofOfAsk, recordName, SERVER_PROTOCOL } from '../src/overlay/servers/proof.ts';
import { freePort } from './balancer.kit.ts';
import { afterwards, temporaryFolder, until } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { start, type Run } from './support/run.ts';
import { startTestnet } from './testnet.ts';

const NO_LOG = ['--log', 'none', '--log-db', 'none'];
const key = randomBytes(32);

async function finder(t: TestContext, peers: readonly string[], secret = key): Promise<ServerFinder> {
  const made = await ServerFinder.start({
    key: secret,
    peers: () => Promise.resolve(peers),
    now: () => performance.now(),
  });
  afterwards(t, () => made.close());
  return made;
}

const shown = async (by: ServerFinder, name = 'app'): Promise<string> =>
  (await by.find(name)).servers
    .map(({ host, port }) => `${host}:${port}`)
    .toSorted()
    .join(' ');

test('servers of a group are found through any node of the overlay, and strangers among them are not', async (t) => {
  await using net = await startTestnet(3, { topology: 'line', overlay: { dht: true } });
  const [one, two, stranger] = [net.node(0), net.node(1), net.node(2)];
  await one.overlay.announce({ name: 'app', key, host: '127.0.0.1', port: 8080 });
  // Without a host it is where it is reached.
  await two.overlay.announce({ name: 'app', key, host: '', port: 8081 });
  // Named as a server of the group wherever it is looked for, but without its key.
  await stranger.overlay.announce({ name: 'app', key: randomBytes(32), host: '127.0.0.1', port: 6666 });

  const by = await finder(t, [one.address]);
  await until('both of the group', async () => (await shown(by)) === '127.0.0.1:8080 127.0.0.1:8081');
  assert.equal(await shown(by, 'other'), '');
  const direct = await finder(t, [stranger.address]);
  assert.doesNotMatch(await shown(direct), /6666/);
  const unknowing = await finder(t, [one.address, two.address], randomBytes(32));
  assert.deepEqual(await unknowing.find('app'), { servers: [], reached: 2 });
  // The guest is nobody's neighbour.
  assert.equal(one.overlay.neighbours().length, 1);

  await two.close();
  await until('the one that is left', async () => (await shown(by)) === '127.0.0.1:8080');
});

test('a server tells nothing to who has not the key, and a proof is of no use to anybody else', async (t) => {
  await using net = await startTestnet(1);
  const node = net.node(0);
  const group = { name: 'app', key };
  await node.overlay.announce({ ...group, host: '', port: 8080 });
  const [asker, thief] = [await startHost(t), await startHost(t)];
  const proof = proofOfAsk(group, asker.peerId.toString(), node.overlay.peerId);
  const answer = async (from: typeof asker, bytes: Uint8Array): Promise<number> => {
    const address = node.overlay.addresses()[0] ?? '';
    const stream = await from.dialProtocol(multiaddr(address), SERVER_PROTOCOL);
    const { promise, resolve } = Promise.withResolvers<number>();
    stream.addEventListener('message', (event) => resolve(event.data.byteLength));
    stream.addEventListener('close', () => resolve(0));
    stream.send(bytes);
    return await promise;
  };
  assert.ok((await answer(asker, delimit(encodeServerAsk(proof)))) > 32);
  assert.equal(await answer(thief, delimit(encodeServerAsk(proof))), 0);
  assert.equal(await answer(asker, delimit(encodeServerAsk(randomBytes(32)))), 0);
  assert.equal(await answer(asker, Uint8Array.of(0xff, 0xff, 0xff, 0xff)), 0);
  assert.notEqual(recordName(group), recordName({ ...group, key: randomBytes(32) }));
});

test('kelana balancer finds servers that announce themselves, and drops them when they end', async (t) => {
  const [here, there] = [await temporaryFolder(t), await temporaryFolder(t)];
  const usual = ['--lang', 'en', '--json', ...NO_LOG];
  const server = async (cwd: string, ...args: readonly string[]): Promise<Run> =>
    start(
      t,
      [
        'server',
        '--port',
        String(await freePort()),
        '--p2p-host',
        '127.0.0.1',
        '--announce',
        'App',
        ...usual,
        ...args,
      ],
      {
        cwd,
      },
    );
  const first = await server(here);
  const one = await first.ready();
  const path = join(here, '.kelana/group.key');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const balancer = start(t, ['balancer', '--listen', '127.0.0.1:0', '--backend', 'p2p://app', ...usual], {
    cwd: here,
  });
  // Another folder, as another machine has: there the key is copied.
  const copy = join(there, 'copied.key');
  await copyFile(path, copy);
  const second = await server(there, '--group-key', copy, '--data', join(here, '.kelana'));
  const [{ port }, two] = [await balancer.ready(), await second.ready()];
  const names = async (): Promise<string> => {
    const { code, out, err } = await inProcess(['balancer', 'ls', '--json'], here);
    assert.equal(code, 0, err);
    return (JSON.parse(out) as BalancerView).backends.map(({ name, state }) => `${name} ${state}`).join();
  };
  const [a, b] = [one, two].map((ready) => String(ready['url']).replace('http://localhost', '127.0.0.1'));
  const both = [`${a} up`, `${b} up`].toSorted().join();
  await until(both, async () => (await names()) === both, 40_000);
  const answers = new Set<string | null>();
  for (let each = 0; each < 4; each += 1)
    answers.add((await fetch(`http://127.0.0.1:${String(port)}/healthz`)).headers.get('x-kelana-server'));
  assert.deepEqual(answers, new Set([one['name'], two['name']]));

  await first.end();
  await until(`${b} up`, async () => (await names()) === `${b} up`, 40_000);
});

test('a key that others may read is refused with the reason', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'open.key'), randomBytes(32));
  await chmod(join(folder, 'open.key'), 0o644);
  const args = ['server', '--port', '0', '--announce', 'app', '--group-key', 'open.key', ...NO_LOG];
  const { code, err } = await inProcess([...args, '--lang', 'en'], folder);
  assert.equal(code, 1);
  assert.match(err, /open\.key.*mode 0644, it should be 0600/s);
  const bad = await inProcess(['server', '--announce', 'a b', '--lang', 'en', ...NO_LOG], folder);
  assert.equal(bad.code, 2);
  assert.match(bad.err, /--announce/);
  assert.equal((await readFile(join(folder, 'open.key'))).length, 32);
});
