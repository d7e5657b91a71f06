import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../random.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import type { SearchFrame } from './search.ts';
import * as bitset from './bitset.ts';
import { NAME, VirtualNetwork, type Graph, type Say } from './network.testkit.ts';
import { halfOf } from './size.ts';
import { groupOf } from './tokens.ts';

const RUNS = Number(process.env['KELANA_RUNS'] ?? 100);

const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';
const hit = (peer: string) => ({ name: NAME, size: 1, cid: CID, peer, label: peer, addresses: [], hops: 1 });

type Lie = (self: string, from: string, frame: SearchFrame, say: Say) => void;

const nothing = { asked: 1, hops: 1, candidates: [], hits: [] };

/** A report on a token, with the token's own sets, but for what the liar claims. */
function report(token: TokenFrame, claims: Partial<ReportFrame>): ReportFrame {
  const { id, bits, half, number, missing, covered, failed } = token;
  return { type: 'report', id, bits, half, number, ...nothing, missing, covered, failed, ...claims };
}

/** A liar that does only this with a token that it was handed. */
function withToken(act: (self: string, token: TokenFrame, say: Say) => void): Lie {
  return (self, _from, frame, say) => {
    if (frame.type === 'token') act(self, frame, say);
  };
}

/** A liar that answers a token with these claims. */
function claiming(claims: (self: string, token: TokenFrame) => Partial<ReportFrame>): Lie {
  return withToken((self, token, say) => say(token.origin.peer, report(token, claims(self, token))));
}

const empty = ({ bits }: TokenFrame): Uint8Array => bitset.emptySet(bits);

const claimsFile = claiming((self) => ({ hits: [hit(self), hit('1')] }));

/** What a member may do with a token that it was handed. */
const LIES: Readonly<Record<string, Lie>> = {
  'says that all its groups were asked': claiming((_self, token) => ({
    missing: empty(token),
    covered: token.missing,
    failed: empty(token),
  })),
  'says that every group there is was asked': claiming((_self, token) => ({
    missing: empty(token),
    covered: bitset.fullSet(token.bits),
    failed: empty(token),
  })),
  'hands on a token that lacks nothing, to everybody': withToken((self, token, say) => {
    const covered = bitset.fullSet(token.bits);
    for (let node = 0; node < 16; node += 1)
      for (const half of [1, 2])
        if (String(node) !== self) say(String(node), { ...token, half, covered, missing: empty(token) });
  }),
  'keeps the token': () => undefined,
  'names holders that hold nothing': claiming(() => ({
    candidates: Array.from({ length: 32 }, (_, at) => ({ peer: String(at), label: '', addresses: [] })),
  })),
  'claims the file itself': (self, from, frame, say) => {
    if (frame.type === 'confirm')
      say(from, { type: 'found', id: frame.id, hops: 1, walker: 0, hits: [hit(self)] });
    claimsFile(self, from, frame, say);
  },
  'says each group failed': claiming((_self, token) => ({
    missing: empty(token),
    covered: empty(token),
    failed: token.missing,
  })),
};

const nets = fc.record({
  nodes: fc.integer({ min: 16, max: 48 }),
  seed: fc.nat(),
  bits: fc.integer({ min: 1, max: 3 }),
  liar: fc.nat(),
  holder: fc.nat(),
});

/** Few members a group: the liar is often the only one of its half, or of the other, and is asked in both passes. */
const thin = fc.record({
  nodes: fc.integer({ min: 10, max: 24 }),
  seed: fc.nat(),
  bits: fc.integer({ min: 1, max: 3 }),
  liar: fc.nat(),
  holder: fc.nat(),
});

/**
 * Whatever comes to its mind, with every token that it has ever seen: it reports twice and later, for the other half,
 * with other numbers, groups and counts of groups; hands the token and altered ones to anybody; replays what it heard.
 */
function anything(self: string, nodes: number): Lie {
  const seen: SearchFrame[] = [];
  return (_self, from, frame, say) => {
    if (frame.type !== 'token') {
      if (frame.type === 'confirm') say(from, { type: 'found', id: frame.id, hops: 1, walker: 0, hits: [] });
      return;
    }
    seen.push(frame);
    const random = seededRandom(seen.length + frame.number);
    const below = (n: number): number => Math.floor(random() * n);
    // Half of the time it claims just what it was given, which is what is hardest to tell from the truth.
    if (below(2) === 0) {
      const none = empty(frame);
      say(frame.origin.peer, report(frame, { missing: none, covered: frame.missing, failed: none }));
    }
    for (let act = 0; act < 6; act += 1) {
      const token = seen[below(2) === 0 ? seen.length - 1 : below(seen.length)];
      if (token?.type !== 'token') return;
      const bits = Math.max(0, token.bits + below(4) - 1);
      const set = (fits: Uint8Array): Uint8Array => {
        const any = [
          bits === token.bits ? fits : bitset.fullSet(bits),
          bits === token.bits + 1 ? bitset.refine(fits, token.bits) : bitset.fullSet(bits),
          bits === token.bits ? bitset.union(token.missing, token.covered) : bitset.emptySet(bits),
        ];
        return any[below(3)] ?? bitset.emptySet(bits);
      };
      const number = token.number + (below(3) === 0 ? below(5) - 2 : 0);
      const half = [token.half, token.half, 1, 2, 0][below(5)] ?? 0;
      const hops = 1 + below(2);
      const sets = { bits, covered: set(token.missing), failed: bitset.emptySet(bits) };
      const { id, asked } = token;
      const claim = { ...sets, missing: bitset.emptySet(bits), half, hops, number };
      if (below(3) > 0)
        say(token.origin.peer, { type: 'report', id, ...claim, asked, candidates: [], hits: [] });
      const other = String(below(nodes));
      const query = { kind: 'name', name: 'yang lain' } as const;
      const altered = { ...token, ...sets, half, number, missing: set(token.missing) };
      const handed = [token, { ...token, half }, { ...altered, query }, { ...token, half, query }][below(4)];
      if (other !== self && handed !== undefined) say(other, handed);
    }
  };
}

/** A ring with chords: every node has neighbours. */
function ring(nodes: number, seed: number): Graph {
  const edges = Array.from({ length: nodes }, (_, at) => [at, (at + 1) % nodes] as const);
  const chords = Array.from({ length: nodes }, (_, at) => [at, (at * 7 + seed) % nodes] as const);
  return { nodes, edges: [...edges, ...chords.filter(([a, b]) => a !== b)] };
}

/** A holder's group has an honest member: one of the other half than the liar, who is asked as well. */
function honestMember(
  network: VirtualNetwork,
  nodes: number,
  right: number,
  self: string,
  bits: number,
): boolean {
  const group = groupOf(network.keyOf(String(right)), bits);
  const half = halfOf(network.keyOf(self));
  const keys = Array.from({ length: nodes }, (_, at) => network.keyOf(String(at)));
  return keys.some((key) => groupOf(key, bits) === group && halfOf(key) !== half);
}

/** What the same liar does with a walk's token: it spreads the mark of the query to all, and says that nobody has it. */
const walkLie: Lie = (self, from, frame, say) => {
  if (frame.type !== 'visit') return;
  for (let node = 0; node < 48; node += 1)
    if (String(node) !== self && String(node) !== from) say(String(node), { ...frame, hops: 1 });
  const back = {
    seen: false,
    asked: 99,
    messages: 1,
    missingCount: 0,
    missing: [],
    hits: [],
    trail: [],
    debt: 0,
  };
  say(from, { type: 'return', id: frame.id, ...back });
};

for (const [what, lie] of Object.entries(LIES)) {
  test(`no false absent of auto either, where one liar ${what} and lies to the walk`, () => {
    fc.assert(
      fc.property(nets, fc.integer({ min: 0, max: 3 }), ({ nodes, seed, liar, holder }, bits) => {
        const [wrong, right] = [1 + (liar % (nodes - 1)), 1 + (holder % (nodes - 1))];
        fc.pre(wrong !== right);
        const self = String(wrong);
        const both: Lie = (own, from, frame, say) => {
          lie(own, from, frame, say);
          walkLie(own, from, frame, say);
        };
        const network = new VirtualNetwork(ring(nodes, seed), new Set([right]), seed, {
          strategy: 'auto',
          bits,
          settings: { audit: true },
          liars: new Map([[wrong, (from, frame, say) => both(self, from, frame, say)]]),
        });
        fc.pre(honestMember(network, nodes, right, self, bits));
        network.start('0', 40_000);
        assert.notEqual(network.run().verdict, 'absent');
      }),
      { numRuns: RUNS },
    );
  });
}

test('honest nodes are never named liars, whatever group counts they have', () => {
  fc.assert(
    fc.property(nets, ({ nodes, seed, bits }) => {
      const network = new VirtualNetwork(ring(nodes, seed), new Set(), seed, {
        strategy: 'groups',
        settings: { audit: true },
        bitsOf: (node) => bits - 1 + ((seed >> (node % 16)) & 1),
      });
      network.start('0', 20_000);
      network.run();
      assert.deepEqual(network.liarsNamed, []);
    }),
    { numRuns: Math.max(RUNS, 400) },
  );
});

for (const [what, lie] of Object.entries(LIES)) {
  test(`one liar that ${what} makes no false found, and no false absent where an honest member could be asked`, () => {
    fc.assert(
      fc.property(nets, ({ nodes, seed, bits, liar, holder }) => {
        const [wrong, right] = [1 + (liar % (nodes - 1)), 1 + (holder % (nodes - 1))];
        fc.pre(wrong !== right);
        const self = String(wrong);
        const network = new VirtualNetwork(ring(nodes, seed), new Set([right]), seed, {
          strategy: 'groups',
          bits,
          settings: { audit: true },
          liars: new Map([[wrong, (from, frame, say) => lie(self, from, frame, say)]]),
        });
        fc.pre(honestMember(network, nodes, right, self, bits));
        network.start('0', 40_000);
        const outcome = network.run();
        assert.notEqual(outcome.verdict, 'absent', 'a holder stands behind a false absent');
        for (const found of network.hits) assert.equal(found, String(right));
      }),
      { numRuns: RUNS },
    );
  });
}

test('no false absent of one liar that does anything, where the other half of the group has an honest member', () => {
  const verdicts = new Map<string, number>();
  fc.assert(
    fc.property(thin, ({ nodes, seed, bits, liar, holder }) => {
      const [wrong, right] = [1 + (liar % (nodes - 1)), 1 + (holder % (nodes - 1))];
      fc.pre(wrong !== right);
      const self = String(wrong);
      const lie = anything(self, nodes);
      const network = new VirtualNetwork(ring(nodes, seed), new Set([right]), seed, {
        strategy: 'groups',
        bits,
        settings: { audit: true },
        liars: new Map([[wrong, (from, frame, say) => lie(self, from, frame, say)]]),
      });
      fc.pre(honestMember(network, nodes, right, self, bits));
      network.start('0', 40_000);
      const { verdict } = network.run();
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      assert.notEqual(verdict, 'absent', 'a holder stands behind a false absent');
      for (const peer of network.liarsNamed) assert.equal(peer, self, 'nobody else is blamed');
    }),
    { numRuns: RUNS * 4 },
  );
  assert.ok((verdicts.get('found') ?? 0) > RUNS, 'most searches find it all the same');
});

test('a liar with another group count, or more than it was given, is named', () => {
  const network = new VirtualNetwork(ring(16, 3), new Set(), 5, {
    strategy: 'groups',
    bits: 2,
    liars: new Map(
      Array.from({ length: 15 }, (_, at) => [
        at + 1,
        (from, frame, say) => LIES['says that every group there is was asked']?.('', from, frame, say),
      ]),
    ),
  });
  network.start('0', 20_000);
  assert.equal(network.run().verdict, 'incomplete');
  assert.ok(network.liarsNamed.length > 0);
});

test('with every other node a liar that claims the file, nothing false is found', () => {
  const network = new VirtualNetwork(ring(20, 3), new Set([7]), 5, {
    strategy: 'groups',
    bits: 2,
    liars: new Map(
      Array.from({ length: 19 }, (_, at) => at + 1)
        .filter((at) => at !== 7)
        .map((at) => [
          at,
          (from: string, frame: SearchFrame, say: Say) =>
            LIES['claims the file itself']?.(String(at), from, frame, say),
        ]),
    ),
  });
  network.start('0', 20_000);
  network.run();
  for (const found of network.hits) assert.equal(found, '7');
});
