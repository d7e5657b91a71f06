import assert from 'node:assert/strict';
import test from 'node:test';
import { CID } from 'multiformats/cid';
import { BlockFrameReader, encodeAsk } from '../src/core/wire/blocks.ts';
import { LINK_VERSION } from '../src/overlay/link.ts';
import { BLOCKS_PROTOCOL } from '../src/overlay/blocks/blocks.ts';
import { sample, until } from './support/basics.ts';
import { thirdParty } from './support/flood.ts';
import { Hostile } from './support/hostile.ts';
import { startTestnet } from './testnet.ts';

test('who fetches is told on at the host that it comes from: addresses of its hello send nobody to a stranger', async (t) => {
  await using net = await startTestnet(2, {
    topology: [[1, 0]],
    files: { 0: { 'besar.bin': sample(3_000_000, 4) } },
  });
  const [holder, asker] = [net.node(0), net.node(1)];
  const stranger = await thirdParty(t, true);
  const [file] = holder.library.list();
  assert.ok(file);
  await using liar = await Hostile.start();
  const link = await liar.dial(holder.address, false);
  const said = { version: LINK_VERSION, label: 'x', port: 1, addresses: [stranger.address], bits: 0 };
  link.say({ type: 'hello', ...said });
  await until('it is a neighbour', () =>
    holder.overlay.neighbours().some(({ peer }) => peer === liar.peerId),
  );
  const [connection] = liar.host.getConnections();
  const stream = await connection?.newStream(BLOCKS_PROTOCOL);
  assert.ok(stream);
  let answers = 0;
  const reader = new BlockFrameReader({ room: () => null, frame: () => (answers += 1) });
  stream.addEventListener('message', (event) => reader.push(event.data.subarray()));
  stream.send(encodeAsk({ type: 'peers', request: 1, port: 9, cid: CID.parse(file.cid).bytes }));
  await until('it is noted as a fetcher', () => answers === 1);

  const { peerId: peer, label } = holder.overlay;
  const session = await asker.overlay.open({ peer, label, addresses: holder.overlay.addresses() });
  const told = (await session.others?.(file.cid)) ?? [];
  await session.close();
  assert.deepEqual(told, [{ peer: liar.peerId, label: 'localhost:9', addresses: ['/ip4/127.0.0.1/tcp/9'] }]);
  for (const provider of told)
    await assert.rejects(asker.overlay.open(provider), { code: 'PEER_UNREACHABLE' });
  assert.equal(stranger.dials(), 0);
});
