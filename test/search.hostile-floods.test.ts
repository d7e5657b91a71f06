import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { encodeFrame } from '../src/core/wire/frames.ts';
import { delimit } from '../src/core/wire/lengths.ts';
import { until } from './support/basics.ts';
import { ask, bans, besiege, honest, stillRight } from './support/besieged.ts';
import { flood, idAt } from './support/flood.ts';
import type { OpenLink } from './support/hostile.ts';
import { linked } from './testnet.ts';

const net = await honest();
after(() => net.close());
const address = net.node(0).address;

/** While it lasts, others are answered within `ms`: four hosts share one thread here, the flooder among them. */
async function answeredWhile(flooding: Promise<void>, ms = 4_000): Promise<void> {
  const over = new AbortController();
  const done = flooding.finally(() => over.abort());
  do {
    for (const node of [net.node(0), net.node(1)]) {
      const { hits, outcome } = await ask(node, 'surat jujur', { want: 1 });
      assert.equal(outcome.verdict, 'found');
      assert.equal(hits[0]?.peer, net.node(2).overlay.peerId);
      assert.ok(outcome.elapsedMs < ms, `${outcome.elapsedMs} ms`);
    }
  } while (!over.signal.aborted);
  await done;
}

/** Frames that cost next to nothing, so that they come in faster than anybody may send them however slow the machine is. */
async function burst(link: OpenLink): Promise<void> {
  const bytes = delimit(encodeFrame({ type: 'cancel', id: idAt(1) }));
  const many = Buffer.concat(Array.from({ length: 1_000 }, () => bytes));
  for (let at = 0; at < 30 && !link.closed(); at += 1) {
    link.say(many);
    await turn();
  }
}

function honestLinks(): void {
  for (const [a, b] of net.edges) assert.ok(linked(net.node(a), net.node(b)), `${a} and ${b} are linked`);
}

test('a neighbour that asks without end is not listened to, and others are answered all the while', async () => {
  await besiege(net, async ({ hostile, link }) => {
    const origin = { peer: hostile.peerId, label: '', addresses: hostile.addresses };
    await answeredWhile(flood(link, 1_200, origin));
  });
  honestLinks();
  for (const node of net.nodes.slice(1))
    assert.deepEqual(bans(node), [], 'who passed questions on is not blamed');
  await stillRight(net);
});

test('a neighbour that sends more frames than anybody may is cut off, and refused after the third time', async () => {
  await besiege(net, async ({ hostile, link, dropped }) => {
    let open = link;
    for (let round = 0; round < 3; round += 1) {
      await burst(open);
      await until('cut', () => open.closed());
      if (round === 2) break;
      open = await until('taken once more', async () => {
        const again = await hostile.dial(address).catch(() => null);
        return again?.heard[0]?.type === 'hello' ? again : null;
      });
    }
    await dropped();
  });
  honestLinks();
  await stillRight(net);
});

test('a stranger that floods is cut off, and others are answered all the while', async () => {
  await besiege(net, async ({ hostile }) => {
    const origin = { peer: hostile.peerId, label: '', addresses: hostile.addresses };
    const guest = await hostile.ask(net.node(1).address);
    await answeredWhile(flood(guest, 500, origin));
    await burst(guest);
    await until('cut', () => guest.closed());
  });
  honestLinks();
  await stillRight(net);
});
