import test, { after } from 'node:test';
import * as bitset from '../src/core/search/bitset.ts';
import { ALL, BITS, home, lieTo, startGroups, type Lie } from './support/hostile-groups.ts';

const groups = await startGroups();
const { net, number } = groups;
after(() => net.close());

const everybody = net.nodes.map(({ overlay }) => overlay.peerId);

const LIES: Readonly<Record<string, Lie>> = {
  'claims all groups that it was given': (token, member) => home(token, member, { covered: token.missing }),
  'claims groups that it was not given': (token, member) => home(token, member, { covered: ALL }),
  'says that every group failed': (token, member) => home(token, member, { failed: token.missing }),
  'reports again, for the next number and the other half': (token, member) => {
    home(token, member, { covered: token.missing });
    for (const number of [token.number, token.number + 1])
      for (const hops of [1, 2])
        home(token, member, { covered: token.missing, half: 3 - token.half, number, hops });
  },
  'reports again, with twice as many groups': (token, member) => {
    home(token, member, { covered: token.missing });
    const none = bitset.emptySet(BITS + 1);
    const covered = bitset.refine(token.missing, BITS);
    const bits = BITS + 1;
    home(token, member, {
      bits,
      covered,
      missing: none,
      failed: none,
      half: 2,
      number: token.number + 1,
      hops: 2,
    });
  },
  'claims another number of groups': (token, member) => {
    for (const bits of [0, 12, BITS + 1, BITS - 1])
      home(token, member, {
        bits,
        covered: bitset.fullSet(bits),
        missing: bitset.emptySet(bits),
        failed: bitset.emptySet(bits),
      });
  },
  'reports to searches that nobody began': (token, member) => {
    for (let at = 0; at < 50; at += 1)
      home({ ...token, id: at.toString(16).padStart(32, '0') }, member, { covered: ALL });
    home(token, member, {
      covered: token.missing,
      hits: [member.hostile.hit({ name: `berkas nomor${number}.txt`, peer: everybody[0] ?? '' })],
    });
  },
  'names 32 holders that hold nothing, each time': (token, member) => {
    const candidates = everybody.map((peer) => ({ peer, label: 'x', addresses: ['/ip4/127.0.0.1/tcp/1'] }));
    home(token, member, { covered: token.missing, candidates: [...candidates, ...candidates] });
  },
};

for (const [what, lie] of Object.entries(LIES))
  test(`a member that ${what} makes no false found and no false absent, and nobody else is blamed`, () =>
    lieTo(groups, lie));
