import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { methodText, parseMethod } from './choice.ts';
import { hashText } from './hash.ts';
import { createMethod } from './methods.ts';
import { isMethodName, METHODS, type Ask, type BackendView, type MethodChoice } from './method.ts';

/** One contract for all methods: one text of each, with and without options. */
const CHOICES = [
  'round-robin',
  'weighted',
  'least-connections',
  'two-choices',
  'ewma',
  'hash:source',
  'hash:header=x-user:bound=0',
  'hash:cookie=sid:bound=1.25',
  'hash:path',
  'sticky',
  'sticky:name=sid:method=least-connections',
] as const;

class View implements BackendView {
  readonly index: number;
  readonly label: string;
  readonly seed: number;
  readonly stickyId: string;
  available = true;
  weight = 1;
  ramp = 1;
  load = 0;
  ms = 1;

  constructor(index: number, changes: Partial<Pick<View, 'available' | 'weight' | 'ramp' | 'load'>> = {}) {
    this.index = index;
    this.label = `10.0.0.${index}:80`;
    this.seed = hashText(this.label);
    this.stickyId = `s${index}`;
    Object.assign(this, changes);
  }

  wait(): number {
    return this.ms;
  }
}

/** Dice with a seed (mulberry32). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const asking = (key: string | null, random: () => number): Ask => ({ key, random, now: 0 });
const views = (count: number): View[] => Array.from({ length: count }, (_, index) => new View(index));
const one = (text: string) => createMethod(parseMethod(text));

const aView = fc.record({
  available: fc.boolean(),
  weight: fc.integer({ min: 1, max: 1000 }),
  ramp: fc.double({ min: 0.001, max: 1, noNaN: true }),
  load: fc.nat(100),
});
const lists = fc
  .array(aView, { maxLength: 8 })
  .map((list) => list.map((view, index) => new View(index, view)));
const keys = fc.option(fc.oneof(fc.string(), fc.constantFrom('s0', 's1', 's2')), { nil: null });

for (const text of CHOICES) {
  test(`${text} gives each backend that is available once, then none, whatever their figures`, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(lists, keys), { maxLength: 10 }), fc.integer(), (calls, seed) => {
        const method = one(text);
        const random = dice(seed);
        for (const [list, key] of calls) {
          const tried: View[] = [];
          for (;;) {
            const chosen = method.choose(list, tried, asking(key, random));
            if (chosen === undefined) break;
            assert.ok(chosen.available && !tried.includes(chosen));
            tried.push(chosen);
          }
          assert.equal(tried.length, list.filter(({ available }) => available).length);
        }
      }),
    );
  });

  test(`${text} with equal weights and no load gives each its share`, () => {
    const method = one(text);
    const [list, random] = [views(3), dice(1)];
    const counts = [0, 0, 0];
    for (let sent = 0; sent < 3_000; sent += 1) {
      const chosen = method.choose(list, [], asking(`key ${sent}`, random));
      if (chosen !== undefined) counts[chosen.index] = (counts[chosen.index] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(count > 850 && count < 1_150, counts.join(' '));
  });

  test(`${text} gives one that starts slowly little at first`, () => {
    const method = one(text);
    const [list, random] = [views(3), dice(2)];
    const [slow] = list;
    assert.ok(slow !== undefined);
    slow.ramp = 0.1;
    let given = 0;
    for (let sent = 0; sent < 2_100; sent += 1)
      if (method.choose(list, [], asking(`key ${sent}`, random)) === slow) given += 1;
    assert.ok(given > 40 && given < 200, `${given}`);
  });

  test(`${text} is read from its text and written back`, () => {
    assert.equal(methodText(parseMethod(text)), text);
    assert.equal(createMethod(parseMethod(text)).name, text.split(':')[0]);
  });
}

for (const text of CHOICES.filter((each) => one(each).usesWeights)) {
  test(`${text} gives each as many requests as its weight says where nobody is loaded`, () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 5 }), (weights) => {
        const method = one(text);
        const list = weights.map((weight, index) => new View(index, { weight }));
        const random = dice(3);
        const counts = weights.map(() => 0);
        const total = 6_000;
        for (let sent = 0; sent < total; sent += 1) {
          const chosen = method.choose(list, [], asking(`user-${sent}`, random));
          if (chosen !== undefined) counts[chosen.index] = (counts[chosen.index] ?? 0) + 1;
        }
        const sum = weights.reduce((all, weight) => all + weight, 0);
        for (const [index, weight] of weights.entries()) {
          const expected = (total * weight) / sum;
          const off = Math.abs((counts[index] ?? 0) - expected);
          assert.ok(off < 5 * Math.sqrt(expected) + 2, `${weights.join(':')} gave ${counts.join(':')}`);
        }
      }),
      { numRuns: 25 },
    );
  });
}

test('smooth turns are exact in every cycle, and as even as they can be', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 }), (weights) => {
      const method = one('weighted');
      const list = weights.map((weight, index) => new View(index, { weight }));
      const sum = weights.reduce((all, weight) => all + weight, 0);
      const taken: number[] = [];
      for (let turn = 0; turn < 3 * sum; turn += 1)
        taken.push(method.choose(list, [], asking(null, dice(1)))?.index ?? -1);
      for (let cycle = 0; cycle < 3; cycle += 1) {
        const turns = taken.slice(cycle * sum, (cycle + 1) * sum);
        for (const [index, weight] of weights.entries())
          assert.equal(turns.filter((each) => each === index).length, weight);
      }
      // After n turns nobody is off its share by more than a turn for each of the others.
      const counts = weights.map(() => 0);
      for (const [turn, index] of taken.entries()) {
        counts[index] = (counts[index] ?? 0) + 1;
        for (const [at, weight] of weights.entries())
          assert.ok(Math.abs((counts[at] ?? 0) - ((turn + 1) * weight) / sum) < weights.length);
      }
    }),
  );
  const list = [new View(0, { weight: 5 }), new View(1), new View(2)];
  const method = one('weighted');
  const turns = Array.from({ length: 7 }, () => method.choose(list, [], asking(null, dice(1)))?.index);
  assert.deepEqual(turns, [0, 0, 1, 0, 2, 0, 0]);
});

test('round-robin takes turns, and leaves a backend that is down out of them', () => {
  const method = one('round-robin');
  const list = views(3);
  const take = (count: number) =>
    Array.from({ length: count }, () => method.choose(list, [], asking(null, dice(1)))?.index);
  assert.deepEqual(take(6), [0, 1, 2, 0, 1, 2]);
  const [, middle] = list;
  assert.ok(middle !== undefined);
  middle.available = false;
  const shared = take(10);
  assert.equal(shared.filter((index) => index === 0).length, 5);
  assert.equal(isMethodName('no-such'), false);
});

test('least-connections takes the least load for its weight, and the dice decide fairly among equals', () => {
  const method = one('least-connections');
  fc.assert(
    fc.property(lists, fc.integer(), (list, seed) => {
      const chosen = method.choose(list, [], asking(null, dice(seed)));
      if (chosen === undefined) return;
      const relative = (view: View): number => view.load / (view.weight * view.ramp);
      for (const view of list) if (view.available) assert.ok(relative(chosen) <= relative(view));
    }),
  );
  const list = [3, 1, 1, 1, 5].map((load, index) => new View(index, { load }));
  const counts = [0, 0, 0, 0, 0];
  const random = dice(4);
  for (let sent = 0; sent < 3_000; sent += 1) {
    const index = method.choose(list, [], asking(null, random))?.index ?? 0;
    counts[index] = (counts[index] ?? 0) + 1;
  }
  assert.deepEqual([counts[0], counts[4]], [0, 0]);
  for (const count of counts.slice(1, 4)) assert.ok(count > 900 && count < 1_100, counts.join(' '));
});

for (const name of ['two-choices', 'ewma'] as const) {
  test(`${name} never takes the worst of several, and the better one of two always`, () => {
    const method = one(name);
    const list = [9, 3, 5, 4].map((load, index) => new View(index, { load }));
    const random = dice(5);
    const seen = new Set<number>();
    for (let sent = 0; sent < 500; sent += 1)
      seen.add(method.choose(list, [], asking(null, random))?.index ?? -1);
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => seen.has(index)),
      [false, true, true, true],
    );
    for (let sent = 0; sent < 100; sent += 1)
      assert.equal(method.choose(list.slice(0, 2), [], asking(null, random))?.index, 1);
  });
}

test('every name of a method has a text of the contract, and texts that are none are refused', () => {
  assert.deepEqual(new Set(CHOICES.map((text) => text.split(':')[0])), new Set(METHODS));
  for (const text of [
    '',
    'no-such',
    'round-robin:1',
    'hash',
    'hash:header',
    'hash:header=',
    'hash:header=a b',
    'hash:source:path',
    'hash:source:bound=0.5',
    'hash:source:bound=x',
    'hash:bound=2',
    'sticky:method=hash',
    'sticky:name=',
    'sticky:name=a;b',
  ])
    assert.throws(() => parseMethod(text), /BAD_VALUE|not valid/, text);
  const sticky: MethodChoice = { name: 'sticky', cookie: 'kelana', otherwise: 'round-robin' };
  assert.deepEqual(parseMethod('sticky'), sticky);
});
