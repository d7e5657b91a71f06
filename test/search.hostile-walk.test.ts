import assert from 'node:assert/strict';
import test from 'node:test';
import { parseQuery } from '../src/core/search/query.ts';
import { until } from './support/basics.ts';
import { Hostile, returned } from './support/hostile.ts';
import { search, startTestnet } from './testnet.ts';

test('one liar of a walk that marks all nodes and says that nobody has the file makes no false absent', async () => {
  // 0 is linked to the liar and to 1, 1 to the holder 2: the honest way is there all the time.
  await using net = await startTestnet(3, {
    topology: 'line',
    files: { 2: { 'surat jujur.txt': 'isi' } },
    overlay: { bits: 2, resizeAfterMs: 3_600_000 },
  });
  const [first] = net.nodes;
  assert.ok(first !== undefined);
  let visits = 0;
  await using liar: Hostile = await Hostile.start(
    {
      onFrame: (frame, say, from) => {
        if (frame.type !== 'visit') return;
        visits += 1;
        for (const link of liar.links)
          if (link.peer !== from && !link.closed()) link.say({ ...frame, hops: 1 });
        setTimeout(() => say(returned(frame.id, { asked: 3 })), 20);
      },
    },
    { bits: 2 },
  );
  for (const node of net.nodes) await liar.dial(node.address);
  await until('linked', () =>
    net.nodes.every(({ overlay }) => overlay.neighbours().some(({ peer }) => peer === liar.peerId)),
  );
  for (const [query, strategy] of [
    ['surat jujur.txt', 'walk'],
    ['sur*', 'auto'],
  ] as const)
    for (let round = 0; round < 15; round += 1) {
      const how = { strategy, timeoutMs: 3_000, want: 1 };
      const { outcome } = await search(first.overlay, parseQuery(query), how);
      assert.notEqual(outcome.verdict, 'absent', query);
    }
  assert.ok(visits > 0, 'the liar had the token');
});
