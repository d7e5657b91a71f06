import assert from 'node:assert/strict';
import test from 'node:test';
import { until } from './support/basics.ts';
import { Hostile } from './support/hostile.ts';
import { link, linked, search, startTestnet, startTestNode, type TestNode } from './testnet.ts';

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

test('a node whose last neighbour said goodbye is cut off from others that it knows of, after a restart too', async () => {
  const overlay = { bits: 0 };
  const net = await startTestnet(3, {
    topology: [
      [1, 0],
      [1, 2],
    ],
    overlay,
  });
  const [node, middle] = [net.node(0), net.node(1)];
  await until('prints of all are there', () => node.overlay.prints().members === 3);
  await middle.close();
  await until('alone', () => node.overlay.neighbours().length === 0);
  const verdicts = async (of: TestNode): Promise<readonly string[]> => {
    const list = [];
    for (const strategy of ['walk', 'groups', 'auto'] as const)
      list.push((await search(of.overlay, 'tidak ada', { strategy })).outcome.verdict);
    return list;
  };
  const unsure = ['incomplete', 'incomplete', 'incomplete'];
  assert.deepEqual(await verdicts(node), unsure);
  await node.close();
  const again = await startTestNode({ folder: node.folder, overlay });
  assert.deepEqual(await verdicts(again), unsure);
  await again.close();
  await net.close();
});
