import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { SEARCH } from '../src/core/config.ts';
import type { Hit } from '../src/core/ports.ts';
import type { ReturnFrame } from '../src/core/wire/frames.ts';
import { until } from './support/basics.ts';
import { Hostile, returned } from './support/hostile.ts';
import { get, linked, search, startTestnet, type Testnet } from './testnet.ts';

const MOST = 0x7fffffff;

/** Three honest nodes in a line, the last with the file; the liar hangs on the middle one and answers each token with `lie`. */
async function withLiar(lie: (hostile: Hostile) => Partial<ReturnFrame>, work: (net: Testnet) => unknown) {
  await using net = await startTestnet(3, { files: { 2: { 'contoh.txt': 'isi yang benar' } } });
  await using hostile: Hostile = await Hostile.start({
    onFrame: (frame, say) => {
      if (frame.type === 'visit') say(returned(frame.id, lie(hostile)));
    },
  });
  await hostile.dial(net.node(1).address);
  await until('linked', () => net.node(1).overlay.neighbours().length === 3);
  await work(net);
}

test('counts beyond all measure do not break the links between honest nodes', async () => {
  await withLiar(
    () => ({ asked: MOST, messages: MOST, missingCount: MOST }),
    async (net) => {
      const { outcome } = await search(net.node(0).overlay, 'tidak-ada');
      assert.equal(outcome.verdict, 'incomplete');
      assert.ok(outcome.asked <= MOST && outcome.asked > 1);
      assert.ok(linked(net.node(0), net.node(1)), 'the honest link stands');
      assert.equal(net.node(0).events.filter((event) => event.type === 'neighbour.removed').length, 0);
    },
  );
});

test('a token that has gone further than there are nodes does not break the links behind', async () => {
  await using net = await startTestnet(3);
  await using hostile = await Hostile.start();
  const opened = await hostile.dial(net.node(0).address);
  const query = { kind: 'name', name: 'tidak-ada' } as const;
  opened.say({ type: 'visit', id: 'cd'.repeat(16), query, hops: MOST, remainingMs: 5_000, without: [] });
  const answer = await until('an answer', () => opened.heard.find((frame) => frame.type === 'return'));
  assert.equal(answer.type === 'return' && answer.asked, 3);
  for (const node of net.nodes)
    assert.ok(!node.events.some((event) => event.type === 'neighbour.removed'), 'no link was lost');
});

const WRONG: readonly (readonly [string, (hostile: Hostile) => Hit])[] = [
  ['another name', (hostile) => hostile.hit({ name: 'virus.exe' })],
  ['a name that only ends alike', (hostile) => hostile.hit({ name: 'bukan-contoh.txt' })],
  ['a folder of that name', (hostile) => hostile.hit({ name: 'contoh.txt/x' })],
];

for (const [what, lie] of WRONG) {
  test(`a hit with ${what} is no answer to the question: the walk goes on to the real one`, async () => {
    await withLiar(
      (hostile) => ({ hits: [lie(hostile)] }),
      async (net) => {
        for (let round = 0; round < 4; round += 1) {
          const { hits, outcome } = await search(net.node(0).overlay, 'contoh.txt');
          assert.equal(outcome.verdict, 'found');
          assert.deepEqual(
            hits.map((hit) => hit.peer),
            [net.node(2).overlay.peerId],
          );
        }
      },
    );
  });
}

test('who asks for a CID never gets a file with another one', async () => {
  await withLiar(
    (hostile) => ({ hits: [hostile.hit({})] }),
    async (net) => {
      const cid = net.node(2).library.list()[0]?.cid ?? '';
      for (let round = 0; round < 4; round += 1) {
        const got = await get(net.node(0), { kind: 'cid', cid });
        assert.ok(got.type === 'saved');
        assert.equal(got.cid, cid);
        assert.equal(await readFile(got.path, 'utf8'), 'isi yang benar');
      }
    },
  );
});

test('a liar that answers with as much as a frame may hold costs only itself', async () => {
  const label = 'x'.repeat(300);
  await withLiar(
    (hostile) => ({
      hits: Array.from({ length: SEARCH.maxHits }, (_, at) =>
        hostile.hit({
          name: `${'n'.repeat(1_000)}${at}`,
          label,
          addresses: Array.from({ length: 16 }, () => `/dns/${'a'.repeat(240)}/tcp/1`),
        }),
      ),
      trail: Array.from({ length: SEARCH.maxTrail }, () => ({ peer: 'p'.repeat(128), label, hops: MOST })),
      missing: Array.from({ length: SEARCH.maxMissing }, () => label),
      missingCount: MOST,
    }),
    async (net) => {
      const { outcome } = await search(net.node(0).overlay, 'contoh.txt');
      assert.equal(outcome.verdict, 'found');
      assert.ok(linked(net.node(0), net.node(1)));
    },
  );
});
