import assert from 'node:assert/strict';
import test from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { BLOCKS_PROTOCOL } from '../src/overlay/blocks/blocks.ts';
import { sample, until } from './support/basics.ts';
import { ask, synced } from './support/besieged.ts';
import { onBlockFrames, sayBlock } from './support/block-frames.ts';
import { Member } from './support/hostile-member.ts';
import { startTestnet } from './testnet.ts';

const CLAIMED = 'rahasia khayalan.bin';

test('a liar that has only the manifest of a large file is not reported as its holder, under whatever name', async () => {
  const files = { 2: { 'film besar.bin': sample(3_000_000, 5) } };
  await using net = await startTestnet(3, { topology: 'ring', files });
  await synced(net, 3);
  const [file] = net.node(2).library.list();
  assert.ok(file !== undefined);
  const nodes: Uint8Array[] = [];
  let manifests = 0;
  const claims = [{ name: CLAIMED, size: file.size, cid: file.cid }];
  await using liar: Member = await Member.start({
    files: claims,
    onSearch: (frame, from, member) => {
      const hits = claims.map((claim) => member.hostile.hit(claim));
      if (frame.type === 'confirm')
        member.say(from, { type: 'found', id: frame.id, hops: 1, walker: 0, hits });
    },
    onWant: (frame, stream) => {
      if (frame.type === 'want-manifest') {
        manifests += 1;
        for (const [at, node] of nodes.entries())
          sayBlock(stream, { type: 'manifest', node, last: at === nodes.length - 1 });
      } else sayBlock(stream, { type: 'refused', code: 'not-here' });
    },
  });
  const [host = '', port = ''] = net.node(2).address.split(':');
  const connection = await liar.hostile.host.dial(multiaddr(`/ip4/${host}/tcp/${port}`));
  const stream = await connection.newStream(BLOCKS_PROTOCOL);
  let whole = false;
  onBlockFrames(stream, (frame) => {
    if (frame.type !== 'manifest') return;
    nodes.push(frame.node);
    whole ||= frame.last;
  });
  sayBlock(stream, { type: 'want-manifest', cid: file.cid });
  await until('the manifest is there', () => whole);
  await liar.hostile.dial(net.node(0).address);
  await synced(net, 4);
  const { hits, outcome } = await ask(net.node(0), 'rahasia khayalan');
  assert.deepEqual([outcome.verdict, hits], ['absent', []]);
  assert.ok(manifests > 0, 'it showed the manifest');
  const honest = await ask(net.node(0), 'film besar');
  assert.deepEqual(
    honest.hits.map(({ peer }) => peer),
    [net.node(2).overlay.peerId],
  );
});
