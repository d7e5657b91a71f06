import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test, { after } from 'node:test';
import type { Stream } from '@libp2p/interface';
import type { Hit } from '../src/core/ports.ts';
import type { SearchFrame } from '../src/core/wire/search-frames.ts';
import { until } from './support/basics.ts';
import { ask, AUTO, banned, bans, honest, stillRight, synced } from './support/besieged.ts';
import type { BlockFrame } from './support/block-frames.ts';
import { holdingOf } from './support/forged.ts';
import { Member } from './support/hostile-member.ts';
import { Hostile, returned, sayBlock } from './support/hostile.ts';
import { get } from './testnet.ts';

const net = await honest();
after(() => net.close());
const [first, holder] = [net.node(0), net.node(2)];
const NAME = 'surat jujur.txt';
const INVENTED = 'rahasia negara.pdf';

/** Everybody has the prints of a newcomer; those of others that were dropped stay until they expire. */
async function joins(dial: () => Promise<unknown>): Promise<void> {
  const { members } = first.overlay.prints();
  await dial();
  await synced(net, members + 1);
}

type OnWant = (frame: BlockFrame, stream: Stream) => void;

/** What a holder may do that has to show a file which it does not have. */
const SHOWN: readonly (readonly [string, OnWant])[] = [
  ['says that it is not here', (_frame, stream) => sayBlock(stream, { type: 'refused', code: 'not-here' })],
  [
    'shows other bytes',
    (frame, stream) => {
      if (frame.type === 'want-manifest')
        sayBlock(stream, { type: 'manifest', node: new Uint8Array(0), last: true });
      else sayBlock(stream, { type: 'data', index: 0, bytes: Uint8Array.of(7), last: true });
    },
  ],
  [
    'shows a manifest of another file',
    (_frame, stream) => sayBlock(stream, { type: 'manifest', node: Uint8Array.of(1, 2, 3), last: true }),
  ],
];

/** A member whose signed prints claim the honest file and one that nobody has, and which says so when asked. */
async function withClaimant(
  onWant: OnWant,
  work: (liar: Member, dial: () => Promise<{ closed(): boolean }>) => Promise<void>,
) {
  const onSearch = (frame: SearchFrame, from: string, member: Member): void => {
    if (frame.type !== 'confirm') return;
    const hits = [NAME, 'surat khayalan.txt'].map((name) => member.hostile.hit({ name }));
    member.say(from, { type: 'found', id: frame.id, hops: 1, walker: 0, hits });
  };
  const files = [NAME, 'surat khayalan.txt'].map(holdingOf);
  await using liar = await Member.start({ files, onSearch, onWant });
  const dial = () => liar.hostile.dial(first.address);
  await joins(dial);
  await work(liar, dial);
}

for (const [what, onWant] of SHOWN) {
  test(`of a liar that claims a file and ${what} nothing is reported; the honest holder is, and three lies end its link`, async () => {
    const before = bans(first).length;
    await withClaimant(onWant, async (liar, dial) => {
      const none = await ask(first, 'surat khayalan');
      assert.notEqual(none.outcome.verdict, 'found');
      const { hits, outcome } = await ask(first, 'surat jujur');
      assert.equal(outcome.verdict, 'found');
      assert.deepEqual(
        hits.map(({ peer }) => peer),
        [holder.overlay.peerId],
      );
      const got = await get(first, NAME, AUTO);
      assert.ok(got.type === 'saved', JSON.stringify(got));
      assert.equal(await readFile(got.path, 'utf8'), 'isi yang benar');
      await ask(first, 'surat khayalan');
      await banned(first, liar.hostile.peerId, before, dial);
      // Its prints are still about, and say nothing any more.
      assert.equal((await ask(first, 'surat khayalan')).outcome.verdict, 'absent');
    });
    await stillRight(net);
  });
}

test('hits that name another peer are not believed of who is asked for its own, and nobody is blamed', async () => {
  const before = net.nodes.map((node) => bans(node).length);
  const hit = (liar: Hostile, name: string): Hit =>
    liar.hit({ name, peer: holder.overlay.peerId, addresses: holder.overlay.addresses() });
  const onSearch = (frame: SearchFrame, from: string, member: Member): void => {
    if (frame.type === 'confirm' || frame.type === 'flood' || frame.type === 'walker')
      for (let round = 0; round < 3; round += 1)
        member.say(from, {
          type: 'found',
          id: frame.id,
          hops: 1,
          walker: 1 + round,
          hits: [hit(member.hostile, 'surat khayalan.txt')],
        });
  };
  await using liar = await Member.start({ files: [holdingOf('surat khayalan.txt')], onSearch });
  await joins(() => liar.hostile.dial(first.address));
  for (let round = 0; round < 4; round += 1)
    assert.notEqual((await ask(first, 'surat khayalan')).outcome.verdict, 'found');
  for (const strategy of ['flood', 'walkers'] as const) {
    const { outcome } = await ask(first, 'surat khayalan', { strategy, timeoutMs: 400 });
    assert.notEqual(outcome.verdict, 'found');
  }
  assert.deepEqual(
    net.nodes.map((node) => bans(node).length),
    before,
  );
  await stillRight(net);
});

test("a walk that brings forged hits in an honest peer's name finds nothing false, denies nothing, and blames nobody", async () => {
  const before = net.nodes.map((node) => bans(node).length);
  const { overlay } = holder;
  const [file] = holder.library.list();
  await using liar: Hostile = await Hostile.start({
    onFrame: (frame, say) => {
      if (frame.type !== 'visit') return;
      const hits = [
        liar.hit({ name: 'surat khayalan.txt', peer: overlay.peerId, addresses: overlay.addresses() }),
        liar.hit({ name: NAME, peer: overlay.peerId, addresses: overlay.addresses() }),
        // Its very file, under a name that it does not have there.
        liar.hit({ ...file, name: INVENTED, peer: overlay.peerId, addresses: overlay.addresses() }),
      ];
      say(returned(frame.id, { hits }));
    },
  });
  await liar.dial(first.address);
  await until('linked', () => first.overlay.neighbours().some(({ peer }) => peer === liar.peerId));
  for (let round = 0; round < 6; round += 1) {
    const none = await ask(first, 'surat khayalan', { strategy: 'walk' });
    assert.notEqual(none.outcome.verdict, 'found');
    const invented = await ask(first, INVENTED, { strategy: 'walk' });
    assert.deepEqual([invented.outcome.verdict, invented.hits], ['incomplete', []]);
    const { hits, outcome } = await ask(first, 'surat jujur', { strategy: 'walk' });
    assert.equal(outcome.verdict, 'found', 'the walk goes around who brought it');
    assert.equal(hits[0]?.cid, holder.library.list()[0]?.cid);
  }
  assert.deepEqual(
    net.nodes.map((node) => bans(node).length),
    before,
    'honest nodes are not banned',
  );
});

test('a `found` that nobody asked for is ignored, whatever search it names', async () => {
  await using liar = await Hostile.start();
  const link = await liar.dial(first.address);
  const running = ask(first, 'surat jujur');
  for (let at = 0; at < 200; at += 1) {
    const id = at.toString(16).padStart(32, '0');
    link.say({ type: 'found', id, hops: 1, walker: 0, hits: [liar.hit({ name: NAME })] });
  }
  const { hits } = await running;
  assert.deepEqual(
    hits.map(({ peer }) => peer),
    [holder.overlay.peerId],
  );
});
