import assert from 'node:assert/strict';
import test from 'node:test';
import type { KelanaError } from '../core/errors.ts';
import { dialable, targetsOf } from './contacts.ts';
import { contactOf, startHost, startLinks, until } from './hosts.testkit.ts';
import { refusalText } from './links.ts';

const signal = AbortSignal.timeout(20_000);

test('a hello tells the groups that a node counts with and where it can be dialled', async (t) => {
  const [a, b] = [await startLinks(t, { bits: 3 }), await startLinks(t, { bits: 5 })];
  const link = await a.links.connectTo(contactOf(b.host), signal);
  await until('both', () => b.up.length === 1);
  assert.equal(link?.bits, 5);
  assert.equal(b.up[0]?.bits, 3);
  assert.deepEqual(link.addresses, contactOf(b.host).addresses);
  assert.deepEqual(b.up[0]?.addresses, contactOf(a.host).addresses);
  assert.equal(link.direction, 'outbound');
});

test('a contact is linked once, over the connection that there is, and with the peer that it names', async (t) => {
  const [a, b, c] = [await startLinks(t), await startLinks(t), await startLinks(t)];
  await b.host.dial(a.host.getMultiaddrs());
  await until('a has the connection, too', () => a.host.getConnections().length === 1);
  // No address, but a connection.
  const link = await a.links.connectTo({ ...contactOf(b.host), addresses: [] }, signal);
  assert.equal(link?.peer, b.host.peerId.toString());
  assert.equal(await a.links.connectTo(contactOf(b.host), signal), link);
  assert.equal(a.host.getConnections().length, 1);
  const posed = { ...contactOf(c.host), addresses: contactOf(b.host).addresses };
  await assert.rejects(b.links.connectTo(posed, signal), (error: { code?: string }) =>
    /PEER_UNREACHABLE|NOT_KELANA/.test(error.code ?? ''),
  );
  await assert.rejects(a.links.connectTo({ ...contactOf(c.host), addresses: [] }, signal), {
    code: 'PEER_UNREACHABLE',
  });
  const bare = await startHost(t);
  await assert.rejects(a.links.connectTo(contactOf(bare), signal), { code: 'NOT_KELANA' });
});

test('itself, a peer that a person removed, and one that is refused are not linked', async (t) => {
  const banned = new Set<string>();
  const [a, b] = [
    await startLinks(t, { refuses: (peer) => banned.has(peer), why: () => refusalText('sent rubbish') }),
    await startLinks(t),
  ];
  const [there, here] = [contactOf(b.host), contactOf(a.host)];
  assert.equal(await a.links.connectTo(here, signal), null);
  assert.ok(await a.links.connectTo(there, signal));
  a.links.refuse(there.peer);
  await until('removed', () => a.down.length === 1 && b.down.length === 1);
  assert.equal(await a.links.connectTo(there, signal), null);
  await assert.rejects(b.links.connectTo(here, signal));
  const c = await startLinks(t);
  banned.add(contactOf(c.host).peer);
  assert.equal(await a.links.connectTo(contactOf(c.host), signal), null);
  await assert.rejects(c.links.connectTo(here, signal));
  assert.equal(a.links.refused(contactOf(c.host).peer), true);
  // Whoever looks why there is no link is told that it is this node that wants none.
  const port = Number(/tcp\/(\d+)/.exec(contactOf(c.host).addresses[0] ?? '')?.[1]);
  await assert.rejects(
    a.links.connect({ host: '127.0.0.1', port, peer: null }, signal),
    (error: KelanaError) => {
      assert.equal(error.code, 'PEER_UNREACHABLE');
      assert.match(error.message, /this node refuses it for an hour because of its lies: sent rubbish/);
      return true;
    },
  );
  assert.deepEqual(a.links.all(), []);
});

test('of the addresses that a stranger names only TCP ones are dialled, at most sixteen, bound to its peer id', async (t) => {
  const { peer } = contactOf(await startHost(t));
  const good = [
    '/ip4/1.2.3.4/tcp/1',
    '/ip6/::1/tcp/2',
    '/dns4/x.test/tcp/3',
    '/dns/x.test/tcp/4',
    `/ip4/1.2.3.4/tcp/5/p2p/${peer}`,
  ];
  const bad = [
    '',
    'x',
    '1.2.3.4:5',
    '/ip4/1.2.3.4/udp/1',
    '/ip4/1.2.3.4/tcp/0',
    '/ip4/1.2.3.4/tcp/70000',
    '/ip4/999.2.3.4/tcp/1',
    '/dnsaddr/x.test',
    '/unix/x',
    '/ip4/1.2.3.4/tcp/1/ws',
    `/ip4/1.2.3.4/tcp/1/p2p/${peer}/p2p-circuit`,
  ];
  assert.deepEqual(dialable([...bad, ...good]), good);
  assert.deepEqual(
    targetsOf({ peer, addresses: good }).map(String),
    good.map((address) => `${address.replace(/\/p2p\/.*/, '')}/p2p/${peer}`),
  );
  assert.deepEqual(targetsOf({ peer: 'no peer id', addresses: good }), []);
  assert.equal(dialable(Array.from({ length: 99 }, () => '/ip4/1.2.3.4/tcp/1')).length, 16);
});
