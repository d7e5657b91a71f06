import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { cidFrom } from '../src/library/hash.ts';
import type { SearchFrame } from '../src/core/wire/search-frames.ts';
import { sample, settledFile, sha256 } from './support/basics.ts';
import { ask, bans, synced } from './support/besieged.ts';
import { holdingOf } from './support/forged.ts';
import { Member } from './support/hostile-member.ts';
import { link, startTestnet, startTestNode } from './testnet.ts';

const NAME = 'surat jujur.txt';

const cidOf = (seed: number): string => cidFrom(Buffer.from(sha256(sample(100, seed)), 'hex'), 100);

/** Members whose prints claim the honest file, and that keep a searcher waiting wherever they can. */
const SILENT: readonly (readonly [string, (frame: SearchFrame, from: string, member: Member) => void])[] = [
  ['does not answer when it is asked', () => undefined],
  [
    'says that it has it sixteen times, and shows none of them',
    (frame, from, member) => {
      if (frame.type !== 'confirm') return;
      const hits = Array.from({ length: 16 }, (_, at) =>
        member.hostile.hit({ name: NAME, cid: cidOf(at), size: 100 }),
      );
      member.say(from, { type: 'found', id: frame.id, hops: 1, walker: 0, hits });
    },
  ],
];

test(
  'members that claim a file and then say nothing hold up nobody for longer than one answer may take',
  { concurrency: 2 },
  async (t) => {
    await Promise.all(
      SILENT.map(([what, onSearch]) =>
        t.test(what, async () => {
          await using net = await startTestnet(1);
          const node = net.node(0);
          await using liar = await Member.start({
            files: [holdingOf(NAME)],
            onSearch,
            onWant: () => undefined,
          });
          await liar.hostile.dial(node.address);
          await synced(net, 2);
          // Known after the liar, so asked after it.
          const folder = await mkdtemp(join(tmpdir(), 'kelana-silent-'));
          await settledFile(join(folder, 'shared', NAME), 'isi yang benar');
          const holder = await startTestNode({ folder });
          await link(holder, node);
          await synced(net, 3);
          const { hits, outcome } = await ask(node, 'surat jujur', { want: 1, timeoutMs: 12_000 });
          await holder.close();
          await rm(folder, { recursive: true, force: true });
          assert.equal(outcome.verdict, 'found');
          assert.deepEqual(
            hits.map(({ peer }) => peer),
            [holder.overlay.peerId],
          );
          assert.ok(outcome.elapsedMs < 8_000, `${outcome.elapsedMs} ms`);
          assert.deepEqual(bans(node), [], 'slow is no lie');
        }),
      ),
    );
  },
);
