import assert from 'node:assert/strict';
import test from 'node:test';
import { TRANSFER } from '../src/core/config.ts';
import { cidText, DAG_PB } from '../src/core/transfer/cid.ts';
import { FileTree } from '../src/core/transfer/file-tree.ts';
import { sha256 } from '../src/library/hash.ts';
import { ask, synced } from './support/besieged.ts';
import { sayBlock, type BlockFrame } from './support/block-frames.ts';
import { Member } from './support/hostile-member.ts';
import { startTestnet } from './testnet.ts';

/** A file of 1 TiB of zeros has two different nodes: anybody can prove that they have it. */
const ZEROS = new Uint8Array(TRANSFER.blockBytes);
const tree = new FileTree(TRANSFER.maxFileBytes);
const hashes = (of: Uint8Array): Uint8Array =>
  Buffer.concat(Array.from({ length: TRANSFER.maxLinks }, () => sha256(of)));
const low = tree.write(1, 0, hashes(ZEROS), 0);
const root = tree.write(2, 0, hashes(low), 0);
const cid = cidText(DAG_PB, sha256(root));

async function search(answers: (frame: BlockFrame) => BlockFrame | null) {
  const claims = [{ name: 'sangat besar.bin', size: tree.size, cid }];
  const asked: string[] = [];
  await using net = await startTestnet(2, { topology: 'ring', files: {} });
  await using member = await Member.start({
    files: claims,
    onSearch: (frame, from, who) => {
      if (frame.type !== 'confirm') return;
      const hits = claims.map((claim) => who.hostile.hit(claim));
      who.say(from, { type: 'found', id: frame.id, hops: 1, walker: 0, hits });
    },
    onWant: (frame, stream) => {
      asked.push(frame.type);
      const answer = answers(frame);
      if (answer !== null) sayBlock(stream, answer);
    },
  });
  await member.hostile.dial(net.node(0).address);
  await synced(net, 3);
  const { hits, outcome } = await ask(net.node(0), 'sangat besar');
  return { asked, names: hits.map(({ name }) => name), verdict: outcome.verdict };
}

test('a neighbour that says it has 1 TiB is asked for two nodes and a block', async () => {
  const { asked, names, verdict } = await search((frame) => {
    if (frame.type === 'want-manifest') return { type: 'manifest', node: root, last: false };
    if (frame.type === 'want-node') return { type: 'manifest', node: low, last: true };
    // In one piece, to what was asked for.
    return frame.type === 'want-block'
      ? { type: 'data', index: frame.index, bytes: ZEROS, last: true }
      : null;
  });
  assert.deepEqual(
    [asked, names, verdict],
    [['want-manifest', 'want-node', 'want-block'], ['sangat besar.bin'], 'found'],
  );
});
