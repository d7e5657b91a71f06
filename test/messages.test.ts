import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';
import { until } from './support/basics.ts';
import {
  inboxOf,
  mailFolder,
  mailNodes,
  send,
  sentOf,
  startMailNode,
  typesOf,
  type MailNode,
} from './support/mail-node.ts';
import { link } from './testnet.ts';

test('a message is on the disk of its receiver when the sender hears so, under the sender’s own identity', async (t) => {
  const [a, b] = (await mailNodes(t, {}, {})) as [MailNode, MailNode];
  const events = await send(a, { to: b.node.address, text: 'halo\nbaris kedua' });
  assert.deepEqual(typesOf(events), ['queued', 'delivered']);
  const [item] = await inboxOf(b);
  assert.deepEqual(
    [item?.peer, item?.text, item?.state],
    [a.node.overlay.peerId, 'halo\nbaris kedua', 'unread'],
  );
  assert.ok(a.events.some((event) => event.type === 'message.sent' && event.text.startsWith('halo')));
  assert.ok(b.events.some((event) => event.type === 'message.received' && event.text.startsWith('halo')));
  // The way back needs no address: the peer id is enough.
  assert.equal((await send(b, { to: item?.peer ?? '', text: 'halo juga' })).at(-1)?.type, 'delivered');
  assert.equal((await inboxOf(a))[0]?.text, 'halo juga');
  const read = await b.mail.read([item?.no ?? 0]);
  assert.equal(read[0]?.state, 'read');
});

test('a multiaddr, a kelana: link and the label of a neighbour name the same node; this node itself is refused', async (t) => {
  const [a, b] = (await mailNodes(t, {}, {})) as [MailNode, MailNode];
  const { port, peerId } = b.node.overlay;
  for (const to of [
    `/ip4/127.0.0.1/tcp/${port}/p2p/${peerId}`,
    `/ip4/127.0.0.1/tcp/${port}`,
    `kelana:127.0.0.1:${port}`,
    `localhost:${port}`,
  ])
    assert.equal((await send(a, { to, text: to })).at(-1)?.type, 'delivered', to);
  assert.equal((await inboxOf(b)).length, 4);
  for (const to of [a.node.address, a.node.overlay.peerId])
    await assert.rejects(send(a, { to, text: 'x' }), { code: 'BAD_VALUE' });
  await assert.rejects(send(a, { to: 'bukan alamat', text: 'x' }), {
    code: 'BAD_VALUE',
    message: /identity of a node/,
  });
  await assert.rejects(send(a, { to: b.node.address, text: '' }), { code: 'BAD_VALUE' });
  await assert.rejects(send(a, { to: b.node.address, text: 'x'.repeat(70_000) }), { code: 'BAD_VALUE' });
  await assert.rejects(send(a, { to: '127.0.0.1:1', text: 'x' }), { code: 'NODE_UNKNOWN' });
});

test('a message to a node that is away is delivered when it is back, once, over restarts of both', async (t) => {
  const base = await mailFolder(t);
  const [one, two] = [join(base, 'a'), join(base, 'b')];
  const first = await startMailNode(t, two);
  const { port } = first.node.overlay;
  let a = await startMailNode(t, one);
  await link(a.node, first.node);
  await first.close();
  const events = await send(a, { to: `localhost:${port}`, text: 'nanti' });
  assert.deepEqual(typesOf(events), ['queued', 'waiting']);
  await a.close();
  a = await startMailNode(t, one);
  assert.deepEqual(
    (await sentOf(a)).map(({ state }) => state),
    ['waiting'],
  );
  const b = await startMailNode(t, two, { port });
  await until('delivered', async () => (await sentOf(a))[0]?.state === 'delivered');
  await until('stored', async () => (await inboxOf(b)).length === 1);
  assert.equal((await inboxOf(b))[0]?.text, 'nanti');
});

test('--follow shows what comes in, as it comes', async (t) => {
  const [a, b] = (await mailNodes(t, {}, {})) as [MailNode, MailNode];
  await send(a, { to: b.node.address, text: 'sebelum' });
  const stop = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const { text } of b.mail.follow(stop.signal)) {
      seen.push(text);
      if (seen.length === 3) stop.abort();
    }
  })();
  for (const text of ['satu', 'dua', 'tiga']) await send(a, { to: b.node.address, text });
  await following;
  assert.deepEqual(seen, ['satu', 'dua', 'tiga']);
});
