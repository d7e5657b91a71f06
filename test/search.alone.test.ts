import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from './support/basics.ts';
import { Hostile } from './support/hostile.ts';
import { link, linked, search, startTestnet } from './testnet.ts';

test('a node whose neighbours are all gone is cut off, whoever dialled whom; after those that said goodbye it is not', async () => {
  await using net = await startTestnet(2, { topology: [] });
  const [node, guest] = [net.node(0), net.node(1)];
  await link(guest, node);
  await until('linked', () => linked(node, guest));
  await guest.close();
  await until('it left', () => node.overlay.neighbours().length === 0);
  for (const strategy of ['walk', 'auto'] as const)
    assert.equal((await search(node.overlay, 'tidak ada', { strategy })).outcome.verdict, 'absent');
  {
    await using other = await Hostile.start();
    await other.dial(node.address);
    await until('linked', () => node.overlay.neighbours().length === 1);
  }
  await until('it is lost', () => node.overlay.neighbours().length === 0);
  const { outcome } = await search(node.overlay, 'tidak ada', { strategy: 'walk' });
  assert.deepEqual([outcome.verdict, outcome.ground, outcome.missing.length], ['incomplete', 'alone', 1]);
  assert.equal((await search(node.overlay, 'tidak ada')).outcome.verdict, 'incomplete');
});
