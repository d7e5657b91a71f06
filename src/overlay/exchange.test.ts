import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { OVERLAY } from '../core/config.ts';
import type { LinkFrame } from '../core/wire/frames.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { Exchange, STEADY_MS } from './exchange.ts';
import { contactOf, startLinks, until, type Linked } from './hosts.testkit.ts';

interface Node extends Linked {
  readonly exchange: Exchange;
  readonly contact: Contact;
  readonly known: Map<string, Contact>;
}

/** A node that links to whom it hears of, up to `wantNeighbours`. */
async function start(
  t: TestContext,
  wantNeighbours: number,
  drop: () => readonly string[] = () => [],
  now: () => number = () => performance.now(),
): Promise<Node> {
  const known = new Map<string, Contact>();
  const linked = await startLinks(t, {
    onUp: (link) => {
      known.set(link.peer, { peer: link.peer, label: link.label, addresses: link.addresses });
      exchange.up(link);
    },
    onFrame: (link, frame) => {
      if (frame.type === 'peers') exchange.receive(link, frame);
    },
    // On the clock of the exchange; no link of these tests grows old.
    onDown: (link) => exchange.down({ ...link, sinceMs: now() }),
  });
  const { links } = linked;
  const exchange = new Exchange({
    links,
    now,
    random: () => 0.5,
    wantNeighbours,
    sample: (count) => [...known.values()].slice(-count),
    heard: (contact) => known.set(contact.peer, contact),
    choose: () => ({
      dial: links.all().length < wantNeighbours ? [...known.values()] : [],
      drop: drop(),
    }),
  });
  exchange.start();
  t.after(() => exchange.stop());
  return { ...linked, exchange, known, contact: contactOf(linked.host) };
}

const signal = AbortSignal.timeout(20_000);

test('nodes that know one peer grow to the neighbours that they want within seconds', async (t) => {
  const nodes: Node[] = [];
  for (let at = 0; at < 8; at += 1) nodes.push(await start(t, 4));
  const [first, ...others] = nodes;
  assert.ok(first !== undefined);
  const from = performance.now();
  for (const { links } of others) await links.connectTo(first.contact, signal);
  await until('all have neighbours', () => nodes.every(({ links }) => links.all().length >= 4));
  t.diagnostic(`after ${(performance.now() - from).toFixed(0)} ms`);
});

test('with no wish for neighbours links stay as they are, and nothing is told', async (t) => {
  const [a, b, c] = [await start(t, 0), await start(t, 0), await start(t, 3)];
  await a.links.connectTo(b.contact, signal);
  const stranger = { ...(await start(t, 0)).contact, addresses: ['/ip4/127.0.0.1/tcp/1'] };
  c.known.set(stranger.peer, stranger);
  await b.links.connectTo(c.contact, signal);
  await until('c tells b of others, and tries it itself', () => b.known.has(stranger.peer));
  assert.ok(a.frames.every((frame) => frame.type !== 'peers'));
  assert.equal(a.links.all().length, 1);
});

test('a peer that a person removed is not chosen, and one that is dropped is left alone for a while', async (t) => {
  const dropped = new Set<string>();
  const a = await start(t, 5, () => [...dropped]);
  const [b, c] = [await start(t, 5), await start(t, 5)];
  await a.links.connectTo(b.contact, signal);
  await a.links.connectTo(c.contact, signal);
  await until('three links', () => [a, b, c].every(({ links }) => links.all().length === 2));
  a.links.refuse(b.contact.peer);
  dropped.add(c.contact.peer);
  await until('both links are down', () => a.down.length >= 2);
  dropped.clear();
  const end = performance.now() + OVERLAY.chooseMs + 300;
  await until('another choice was made', () => performance.now() > end);
  assert.equal(a.links.get(b.contact.peer), undefined);
});

test('a peer that takes a link and drops it each time is dialled ever more seldom', async (t) => {
  let ahead = 0;
  const full = await start(t, 0);
  const a = await start(
    t,
    1,
    () => [],
    () => performance.now() + ahead,
  );
  const downs = async (count: number): Promise<void> => {
    await until(`${count} links came`, () => a.up.length === count && full.up.length === count);
    await full.links.get(a.contact.peer)?.close('not needed');
    await until(`${count} links are down`, () => a.down.length === count);
  };
  a.known.set(full.contact.peer, full.contact);
  await downs(1);
  ahead += STEADY_MS;
  await downs(2);
  ahead += STEADY_MS;
  const end = performance.now() + OVERLAY.chooseMs + 300;
  await until('another choice was made', () => performance.now() > end);
  assert.equal(a.up.length, 2);
  ahead += STEADY_MS;
  await until('the longer wait is over', () => a.up.length === 3);
});

test('a neighbour that tells more than its share is not listened to', async (t) => {
  const a = await start(t, 1);
  const b = await startLinks(t);
  const link = await b.links.connectTo(a.contact, signal);
  let told = 0;
  const frame = (): LinkFrame => {
    told += 1;
    return { type: 'peers', contacts: [{ peer: `p${told}`, label: 'x', addresses: [] }] };
  };
  for (let at = 0; at < 3 * OVERLAY.maxPeersPerMinute; at += 1) link?.send(frame());
  await until('all frames came', () => a.frames.length === 3 * OVERLAY.maxPeersPerMinute);
  assert.ok(a.known.size <= OVERLAY.maxPeersPerMinute + 3, `${a.known.size}`);
  assert.equal(a.links.all().length, 1);
});
