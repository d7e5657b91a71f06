import assert from 'node:assert/strict';
import test from 'node:test';
import { search, startTestnet } from './testnet.ts';

test('a miss is no proof while a node that has files is refused; one that showed none holds up nobody', async () => {
  await using net = await startTestnet(3, { topology: 'star', files: { 2: { 'contoh.txt': 'isi' } } });
  const [first, second, third] = [net.node(0), net.node(1), net.node(2)];
  const ask = async (name: string) => (await search(first.overlay, name)).outcome;
  const ban = (peer: string): void => {
    for (let lie = 0; lie < 3; lie += 1) first.overlay.liar(peer, 'sent wrong bytes');
  };
  assert.equal((await ask('contoh.txt')).verdict, 'found');
  ban(third.overlay.peerId);
  const { verdict, ground, missing, missingCount } = await ask('tidak-ada');
  assert.deepEqual([verdict, ground, missingCount], ['incomplete', 'refused', 1]);
  assert.match(missing[0] ?? '', /localhost:\d+/);
  await first.overlay.removePeer(third.address);
  ban(second.overlay.peerId);
  const alone = await ask('tidak-ada');
  assert.notEqual(alone.ground, 'refused', 'neither does one that a person removed');
});
