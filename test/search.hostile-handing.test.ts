import test, { after } from 'node:test';
import * as bitset from '../src/core/search/bitset.ts';
import { ALL, BITS, home, lieTo, NONE, startGroups, type Lie } from './support/hostile-groups.ts';

const groups = await startGroups();
const { net } = groups;
after(() => net.close());

const MOST = 2 ** 31 - 1;
const everybody = net.nodes.map(({ overlay }) => overlay.peerId);

const LIES: Readonly<Record<string, Lie>> = {
  'keeps the token': () => undefined,
  'answers for the other half': (token, member) =>
    home(token, member, { half: 3 - token.half, covered: token.missing }),
  'hands on a token that lacks nothing': (token, member) => {
    for (const peer of everybody)
      for (const half of [0, 1, 2])
        if (peer !== token.origin.peer) member.say(peer, { ...token, half, covered: ALL, missing: NONE });
  },
  'hands on a token of other groups, with the longest leash': (token, member) => {
    for (const peer of everybody)
      for (const bits of [0, 12, BITS + 1])
        if (peer !== token.origin.peer)
          member.say(peer, {
            ...token,
            bits,
            leash: MOST,
            hops: MOST,
            asked: MOST,
            tries: MOST,
            missing: bitset.fullSet(bits),
            covered: bitset.emptySet(bits),
            failed: bitset.emptySet(bits),
          });
  },
};

for (const [what, lie] of Object.entries(LIES))
  test(`a member that ${what} makes no false found and no false absent, and nobody else is blamed`, () =>
    lieTo(groups, lie));

test('a member that overstates what was asked gets no honest node banned, however often it lies', () =>
  lieTo(
    groups,
    (token, member) => {
      for (const peer of everybody)
        if (peer !== token.origin.peer) member.say(peer, { ...token, covered: ALL, missing: NONE });
    },
    10,
  ));
