import assert from 'node:assert/strict';
import { env } from 'node:process';
import test from 'node:test';
import fc from 'fast-check';
import { SWARM } from '../config.ts';
import { simulate, type SimProvider } from './plan.testkit.ts';

const RUNS = Number(env['KELANA_RUNS'] ?? 150);
const BLOCK = 1_000;

const blocksOf = (count: number): fc.Arbitrary<readonly number[]> =>
  fc.uniqueArray(fc.nat({ max: count - 1 }), { maxLength: count });

const speed = {
  // 1 kB blocks: from a block in 5 s to 50 a millisecond.
  rate: fc.oneof(
    fc.constantFrom(0.2, 1, 10, 1_000, 50_000),
    fc.double({ min: 0.2, max: 50_000, noNaN: true }),
  ),
  latency: fc.nat({ max: 300 }),
  jitter: fc.nat({ max: 500 }),
  joins: fc.nat({ max: 5_000 }),
};

const maybe = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });

/** Honest and there for good, though perhaps slow, busy for a time, or cut off now and then. */
const honest = fc.record({
  ...speed,
  busy: fc.constantFrom(0, 0, 10_000),
  drops: fc.array(fc.nat({ max: 20_000 }), { maxLength: 4 }),
});

const faulty = (count: number) =>
  fc.record({
    ...speed,
    have: maybe(blocksOf(count)),
    lies: maybe(fc.func(fc.boolean())),
    dies: maybe(fc.nat({ max: 20_000 })),
    silent: maybe(fc.nat({ max: 20_000 })),
    changed: maybe(fc.nat({ max: 20_000 })),
    gains: maybe(fc.integer({ min: 50, max: 5_000 })),
  });

interface Scenario {
  readonly count: number;
  readonly providers: readonly SimProvider[];
  readonly honest: number;
  readonly seed: number;
  readonly slots: number;
  readonly checkMs: number;
}

const clean = (provider: object): SimProvider =>
  Object.fromEntries(
    Object.entries(provider).filter(([, value]) => value !== undefined),
  ) as unknown as SimProvider;

/** Each block is given to one of the honest providers, and to some by chance. */
const scenarios: fc.Arbitrary<Scenario> = fc.integer({ min: 1, max: 120 }).chain((count) =>
  fc
    .record({
      good: fc.array(fc.tuple(honest, maybe(blocksOf(count))), { minLength: 1, maxLength: 4 }),
      bad: fc.array(faulty(count), { maxLength: 6 }),
      owners: fc.array(fc.nat(), { minLength: count, maxLength: count }),
      seed: fc.nat(),
      slots: fc.integer({ min: 2, max: 40 }),
      checkMs: fc.constantFrom(0, 1, 50),
    })
    .map(({ good, bad, owners, seed, slots, checkMs }) => {
      const providers = good.map(([provider, have], at) =>
        clean({
          ...provider,
          have: have && [
            ...new Set([
              ...have,
              ...owners.flatMap((owner, block) => (owner % good.length === at ? [block] : [])),
            ]),
          ],
        }),
      );
      const all = [...providers, ...bad.map(clean)];
      return { count, providers: all, honest: good.length, seed, slots, checkMs };
    }),
);

test('a download finishes whenever each block is held by one honest provider that stays', () => {
  let most = 0;
  fc.assert(
    fc.property(scenarios, (scenario) => {
      const { count, providers, honest, seed, slots, checkMs } = scenario;
      const size = count * BLOCK - 17;
      const result = simulate({ size, blockBytes: BLOCK, providers, seed, slots, checkMs });
      assert.notEqual(result.finished, null, 'it never finished');
      // The bounds that the plan promises; the simulation checks the others at each step.
      const wasted = result.wasted / BLOCK;
      most = Math.max(most, wasted);
      assert.ok(wasted <= SWARM.maxOutstanding + SWARM.maxAsked * result.lost, `${wasted} blocks in vain`);
      for (const [at, lies] of result.lies.entries()) {
        assert.ok(lies <= SWARM.maxAsked, `${lies} bad blocks taken from one liar`);
        if (at < honest) assert.equal(lies, 0);
      }
      for (const { provider, why } of result.dropped)
        if (provider < honest) assert.ok(why === 'silent' || why === 'slow', `an honest one: ${why}`);
    }),
    { numRuns: RUNS },
  );
  assert.ok(most <= SWARM.maxOutstanding, `${most}`);
});

test('without faults nothing is fetched twice but in the end game, and nobody is dropped', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 300 }),
      fc.array(
        fc.record({ rate: fc.double({ min: 100, max: 50_000, noNaN: true }), latency: fc.nat({ max: 50 }) }),
        {
          minLength: 1,
          maxLength: 8,
        },
      ),
      fc.nat(),
      (count, providers, seed) => {
        const { finished, wasted, dropped } = simulate({
          size: count * BLOCK,
          blockBytes: BLOCK,
          providers,
          seed,
        });
        assert.notEqual(finished, null);
        assert.ok(wasted <= SWARM.maxOutstanding * BLOCK, `${wasted / BLOCK} blocks in vain`);
        assert.deepEqual(dropped, []);
        // Never slower than the fastest of them alone, but for what it takes to learn who that is.
        const best = Math.min(
          ...providers.map(
            (provider) =>
              simulate({ size: count * BLOCK, blockBytes: BLOCK, providers: [provider] }).finished ?? 0,
          ),
        );
        assert.ok((finished ?? 0) <= 1.1 * best + 3 * SWARM.tickMs, `${finished} ms, alone ${best}`);
      },
    ),
    { numRuns: RUNS },
  );
});
