import assert from 'node:assert/strict';
import test, { after } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { OVERLAY } from '../src/core/config.ts';
import { until } from './support/basics.ts';
import { ask, besiege, honest, stillRight } from './support/besieged.ts';
import { flood, questions, thirdParty } from './support/flood.ts';
import { newOwners } from './support/forged.ts';

const net = await honest();
after(() => net.close());

test('what is remembered of floods is bounded', async () => {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  assert.ok(typeof collect === 'function');
  const heap = (): number => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  for (let round = 0; round < 2; round += 1)
    await besiege(net, async ({ hostile, link }) => {
      const origin = { peer: hostile.peerId, label: '', addresses: hostile.addresses };
      await flood(link, 500, origin);
      link.say({ type: 'ping', nonce: 1 });
      await until('read', () => link.closed() || link.heard.some((frame) => frame.type === 'pong'));
    });
  const grown = (heap() - before) / 1024 / 1024;
  assert.ok(grown < 30, `${grown} MiB`);
  await stillRight(net);
});

for (const closes of [false, true])
  test(`questions in the name of a third party that ${closes ? 'closes' : 'keeps'} connections make a node dial it a bounded number of times`, async (t) => {
    const third = await thirdParty(t, closes);
    const owners = await newOwners(400);
    await besiege(net, async ({ link }) => {
      for (const [at, { peer }] of owners.entries()) {
        const origin = { peer, label: '', addresses: Array.from({ length: 16 }, () => third.address) };
        for (const frame of questions(at, origin)) if (frame.type === 'token') link.say(frame);
      }
      link.say({ type: 'ping', nonce: 1 });
      await until('read', () => link.closed() || link.heard.some((frame) => frame.type === 'pong'));
      const { outcome } = await ask(net.node(0), 'surat jujur', { want: 1 });
      assert.equal(outcome.verdict, 'found');
      assert.ok(third.dials() <= OVERLAY.maxGuestDials + OVERLAY.maxGuestLine, `${third.dials()} dials`);
      if (!closes) assert.ok(third.dials() <= 2 * OVERLAY.maxGuestDials, `${third.dials()} at once`);
    });
    await stillRight(net);
  });
