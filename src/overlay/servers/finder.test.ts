import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Connection, Stream } from '@libp2p/interface';
import { delimit } from '../../core/wire/lengths.ts';
import { encodeServerPlace } from '../../core/wire/server-place.ts';
import { Dht } from '../dht.ts';
import type { Host } from '../host.ts';
import { contactOf, startHost, until } from '../hosts.testkit.ts';
import { ServerFinder } from './finder.ts';
import { proofOfPlace, recordName, SERVER_PROTOCOL } from './proof.ts';

const now = (): number => performance.now();
const group = { name: 'app', key: new Uint8Array(32).fill(1) };

interface Server {
  readonly host: Host;
  readonly dht: Dht;
  /** Answers those who wait, and all who come from now on. */
  open(): void;
  readonly waiting: number;
}

/** A server that says `told`, with the proof that it is `proved`; it may keep silent at first. */
async function server(
  t: TestContext,
  { silent = false, told = 8080, proved = told }: { silent?: boolean; told?: number; proved?: number } = {},
): Promise<Server> {
  const host = await startHost(t, { dht: true });
  const dht = new Dht({ host, now, lookAroundMs: [] });
  t.after(() => dht.stop());
  const waiting: (() => void)[] = [];
  let open = !silent;
  await host.handle(SERVER_PROTOCOL, (stream: Stream, connection: Connection) => {
    const answer = (): void => {
      const [asker, self] = [connection.remotePeer.toString(), host.peerId.toString()];
      const proof = proofOfPlace(group, asker, self, { host: '127.0.0.1', port: proved });
      stream.send(delimit(encodeServerPlace({ host: '127.0.0.1', port: told, proof })));
    };
    if (open) answer();
    else waiting.push(answer);
  });
  return {
    host,
    dht,
    open: () => {
      open = true;
      for (const answer of waiting.splice(0)) answer();
    },
    get waiting() {
      return waiting.length;
    },
  };
}

async function finder(t: TestContext, given: readonly Server[], answerMs: number): Promise<ServerFinder> {
  const addresses = given.flatMap(({ host }) => contactOf(host).addresses);
  let asked = 0;
  const made = await ServerFinder.start({
    key: group.key,
    peers: () => Promise.resolve(addresses),
    // The DHT is due in each round.
    now: () => (asked += 60_000),
    pace: { askMs: 60_000, answerMs },
  });
  t.after(() => made.close());
  return made;
}

const portsOf = async (by: ServerFinder): Promise<readonly number[]> =>
  (await by.find('app')).servers.map(({ port }) => port).toSorted((a, b) => a - b);

test(
  'a round gives who has answered, although those that the DHT names keep silent, and has them when they do answer',
  { timeout: 8_000 },
  async (t) => {
    const [known, named] = [await server(t, { told: 1 }), await server(t, { told: 2, silent: true })];
    named.dht.provide([{ kind: 'name', name: recordName(group) }]);
    await named.host.dial(known.host.getMultiaddrs());
    await until('published', () => named.dht.published.done === 1);
    const by = await finder(t, [known], 300);
    const asked = async (): Promise<void> => {
      while (named.waiting === 0) assert.deepEqual(await portsOf(by), [1]);
    };
    await asked();
    // One look-up at a time: it is not asked twice meanwhile.
    assert.deepEqual(await portsOf(by), [1]);
    assert.equal(named.waiting, 1);
    named.open();
    let ports: readonly number[] = [];
    while (ports.length < 2) ports = await portsOf(by);
    assert.deepEqual(ports, [1, 2]);
  },
);

test('given addresses that keep silent hold up nobody', { timeout: 8_000 }, async (t) => {
  const servers = [await server(t, { told: 1 }), await server(t, { silent: true })];
  const by = await finder(t, servers, 300);
  assert.deepEqual(await portsOf(by), [1]);
});

test('a place that is not the one of its proof is taken for no server', async (t) => {
  const liar = await server(t, { told: 6666, proved: 8080 });
  const by = await finder(t, [liar, await server(t, { told: 1 })], 10_000);
  assert.deepEqual(await portsOf(by), [1]);
});
