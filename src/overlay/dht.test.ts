import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test, { type TestContext } from 'node:test';
import type { Query } from '../core/ports.ts';
import { cidText, RAW } from '../core/transfer/cid.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { Dht, dhtKey } from './dht.ts';
import type { Host } from './host.ts';
import { startHost, until } from './hosts.testkit.ts';
import { keyOf } from './keys.ts';

const cid = (text: string): string => cidText(RAW, hash('sha256', text, 'buffer'));
const now = (): number => performance.now();

interface Node {
  readonly host: Host;
  readonly dht: Dht;
}

async function start(t: TestContext, lookAroundMs: readonly number[] = []): Promise<Node> {
  const host = await startHost(t, { dht: true });
  const dht = new Dht({ host, now, lookAroundMs });
  t.after(() => dht.stop());
  return { host, dht };
}

async function find(dht: Dht, query: Query, enough = 1) {
  const stop = new AbortController();
  const found: Contact[] = [];
  const from = now();
  const result = await dht.find(query, stop.signal, (contact) => {
    found.push(contact);
    if (found.length >= enough) stop.abort();
  });
  return { ...result, found, ms: now() - from };
}

test('of three nodes in a line one publishes, and another finds it by CID and by name', async (t) => {
  const nodes = [await start(t), await start(t), await start(t)];
  const [a, b, c] = nodes;
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  await a.host.dial(b.host.getMultiaddrs());
  await b.host.dial(c.host.getMultiaddrs());
  const from = now();
  a.dht.setFiles([{ name: 'folder/cafe\u0301.txt', size: 3, cid: cid('abc') }]);
  await until('published', () => a.dht.published.done === 2);
  t.diagnostic(`published ${(now() - from).toFixed(0)} ms after the links`);
  await until('tables', () => nodes.every(({ dht }) => dht.size > 0));
  for (const query of [
    { kind: 'cid', cid: cid('abc') },
    { kind: 'name', name: 'caf\u00e9.txt' },
    { kind: 'name', name: 'other/caf\u00e9.txt' },
  ] as const) {
    const { found, messages, error, ms } = await find(c.dht, query);
    assert.deepEqual(
      found.map(({ peer }) => peer),
      [a.host.peerId.toString()],
      JSON.stringify({ error, messages }),
    );
    assert.match(found[0]?.label ?? '', /^localhost:\d+$/);
    assert.ok(messages <= 2);
    t.diagnostic(`found in ${ms.toFixed(1)} ms with ${messages} messages`);
  }
});

test('with twelve nodes a record is found from each, an absent key ends soon without a provider, and words have no key', async (t) => {
  const nodes: Node[] = [];
  for (let at = 0; at < 12; at += 1) nodes.push(await start(t));
  const [first, ...others] = nodes;
  assert.ok(first !== undefined);
  for (const { host } of others) await host.dial(first.host.getMultiaddrs());
  const holder = others[4];
  assert.ok(holder !== undefined);
  holder.dht.setFiles([
    { name: 'a.txt', size: 1, cid: cid('a') },
    { name: 'b.txt', size: 1, cid: cid('b') },
  ]);
  await until('published', () => holder.dht.published.done === 4);
  await until('tables', () => nodes.every(({ dht }) => dht.size > 0));
  const messages: number[] = [];
  for (const node of nodes) {
    const { found, ...how } = await find(node.dht, { kind: 'name', name: 'b.txt' });
    if (node !== holder) assert.equal(found[0]?.peer, holder.host.peerId.toString(), JSON.stringify(how));
    messages.push(how.messages);
  }
  t.diagnostic(`messages of a look-up: ${messages.join(' ')}`);
  const absent = await find(nodes[8]?.dht ?? first.dht, { kind: 'cid', cid: cid('nowhere') });
  assert.deepEqual(absent.found, []);
  assert.equal(absent.error, undefined);
  assert.ok(absent.messages >= 1 && absent.messages <= 11, `${absent.messages}`);
  t.diagnostic(`absent after ${absent.messages} messages in ${absent.ms.toFixed(0)} ms`);
  assert.equal(dhtKey({ kind: 'words', words: ['a'] }), null);
  assert.equal((await find(first.dht, { kind: 'glob', pattern: '*' })).messages, 0);
  // Nodes that are gone leave the tables as soon as they do not answer.
  const gone = others.slice(6);
  await Promise.all(gone.map(async ({ host }) => host.stop()));
  const connected = (): number => first.host.getConnections().length;
  await until('connections to them are closed', () => connected() === others.length - gone.length);
  const still = await find(first.dht, { kind: 'cid', cid: cid('a') });
  assert.equal(still.found[0]?.peer, holder.host.peerId.toString());
  await find(first.dht, { kind: 'cid', cid: cid('nobody') });
  await until('they left the table', () => {
    const left = new Set(first.dht.closest());
    return gone.every(({ host }) => !left.has(host.peerId.toString()));
  });
});

test('nodes in a line come to know all others as their surroundings', async (t) => {
  const nodes: Node[] = [];
  for (let at = 0; at < 6; at += 1) nodes.push(await start(t, [100, 1_000, 2_000]));
  for (const [at, { host }] of nodes.entries()) {
    const before = nodes[at - 1];
    if (before !== undefined) await host.dial(before.host.getMultiaddrs());
  }
  await until('all know all', () => nodes.every(({ dht }) => dht.closest().length === 5));
  const [first] = nodes;
  assert.ok(first !== undefined);
  const others = nodes.slice(1).map(({ host }) => host.peerId.toString());
  const distance = (peer: string): number => (keyOf(peer) ^ keyOf(first.host.peerId.toString())) >>> 0;
  assert.deepEqual(
    first.dht.closest(),
    others.sort((a, b) => distance(a) - distance(b)),
  );
});

test('what is shared no more is published no more, and a node alone publishes and finds nothing at once', async (t) => {
  const alone = await start(t);
  alone.dht.setFiles([{ name: 'a.txt', size: 1, cid: cid('a') }]);
  const { found, messages, ms } = await find(alone.dht, { kind: 'name', name: 'x' });
  assert.deepEqual({ found, messages }, { found: [], messages: 0 });
  assert.ok(ms < 1_000);
  assert.deepEqual(alone.dht.published, { done: 0, waiting: 2 });
  alone.dht.setFiles([]);
  assert.deepEqual(alone.dht.published, { done: 0, waiting: 0 });
});

test('a value that a stranger puts is refused', async (t) => {
  const [node, stranger] = [await start(t), await start(t)];
  await stranger.host.dial(node.host.getMultiaddrs());
  await until('tables', () => stranger.dht.size > 0);
  const service = stranger.host.services.dht;
  assert.ok(service !== undefined);
  const key = new TextEncoder().encode('/pk/x');
  let taken = 0;
  const put = async (): Promise<void> => {
    for await (const event of service.put(key, key))
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'PUT_VALUE') taken += 1;
  };
  await put().catch(() => undefined);
  assert.equal(taken, 0);
});
