import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRequestHead } from '../http/request.ts';
import { hash, hashText } from './hash.ts';
import { cookieOf, keyOf } from './key.ts';
import type { BackendView } from './method.ts';

interface View extends BackendView {
  available: boolean;
  load: number;
}

function view(index: number, weight = 1): View {
  const label = `backend-${index}:80`;
  const wait = (): number => 0;
  const fixed = { ramp: 1, load: 0, seed: hashText(label), stickyId: label, available: true, wait };
  return { index, label, weight, ...fixed };
}

const views = (weights: readonly number[]): View[] => weights.map((weight, index) => view(index, weight));
const KEYS = Array.from({ length: 2_000 }, (_, at) => `user-${at}`);
const weightsOf = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 8 });

/** Where each key goes. */
function map(list: readonly View[], bound = 0): Map<string, number | undefined> {
  const method = hash({ from: 'source' }, bound);
  const ask = { random: () => 0, now: 0 };
  return new Map(KEYS.map((key) => [key, method.choose(list, [], { ...ask, key })?.index]));
}

test('a key stays where it is, and goes as often to each as its weight says', () => {
  const list = views([1, 2, 5]);
  const [first, again] = [map(list), map(list.toReversed())];
  assert.deepEqual(first, again);
  for (const { index, weight } of list) {
    const share = [...first.values()].filter((at) => at === index).length / KEYS.length;
    assert.ok(Math.abs(share - weight / 8) < 0.04, `${index}: ${share}`);
  }
});

test('when a backend comes or goes, only its own keys move; when it grows, keys only move to it', () => {
  fc.assert(
    fc.property(weightsOf, fc.integer({ min: 1, max: 10 }), (weights, added) => {
      const before = map(views(weights));
      const list = views([...weights, added]);
      const after = map(list);
      for (const key of KEYS)
        if (after.get(key) !== before.get(key)) assert.equal(after.get(key), weights.length);
      const grown = map([...views(weights), view(weights.length, added + 5)]);
      for (const key of KEYS)
        if (grown.get(key) !== after.get(key)) assert.equal(grown.get(key), weights.length);
      // One that is down is as one that is gone, and its keys come home.
      const last = list.at(-1);
      if (last !== undefined) last.available = false;
      assert.deepEqual(map(list), before);
    }),
    { numRuns: 20 },
  );
});

test('no backend gets more than the bound allows of its share, though every key is the same', () => {
  fc.assert(
    fc.property(weightsOf, fc.constantFrom(1.25, 1.5, 2), (weights, bound) => {
      const list = views(weights);
      const method = hash({ from: 'source' }, bound);
      const sum = weights.reduce((all, weight) => all + weight, 0);
      for (let sent = 1; sent <= 300; sent += 1) {
        const chosen = method.choose(list, [], { key: 'hot', random: () => 0, now: 0 });
        assert.ok(chosen !== undefined);
        chosen.load += 1;
        const most = Math.max(4, (bound * sent) / sum) * chosen.weight;
        assert.ok(chosen.load <= most + 1, `${chosen.load} of ${sent}, ${most} allowed`);
      }
    }),
    { numRuns: 30 },
  );
});

test('keys come from the header, the cookie, the source or the path without its query', () => {
  const request = parseRequestHead(
    'GET /a/b?c=d HTTP/1.1\r\nHost: h\r\nX-User: 7\r\nCookie: a=1; sid=two; sid=3\r\nCookie: z=26\r\n',
  );
  assert.equal(keyOf({ from: 'path' }, request, ''), '/a/b');
  assert.equal(keyOf({ from: 'source' }, request, '10.0.0.1'), '10.0.0.1');
  assert.equal(keyOf({ from: 'source' }, request, ''), null);
  assert.equal(keyOf({ from: 'header', name: 'x-user' }, request, ''), '7');
  assert.equal(keyOf({ from: 'header', name: 'x-other' }, request, ''), null);
  assert.equal(keyOf({ from: 'cookie', name: 'sid' }, request, ''), 'two');
  assert.equal(keyOf({ from: 'cookie', name: 'z' }, request, ''), '26');
  assert.equal(keyOf({ from: 'cookie', name: 'y' }, request, ''), null);
});

test('a cookie is found by its whole name, whatever else stands in the field', () => {
  assert.equal(cookieOf('xsid=1; sid=2', 'sid'), '2');
  assert.equal(cookieOf('sid=', 'sid'), null);
  assert.equal(cookieOf(';; ;sid= 5 ;', 'sid'), '5');
  const names = fc.stringMatching(/^[a-z]{1,3}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(names, fc.stringMatching(/^[a-z0-9=]{1,5}$/))), names, (cookies, name) => {
      const field = cookies.map(([key, value]) => `${key}=${value}`).join('; ');
      assert.equal(cookieOf(field, name), cookies.find(([key]) => key === name)?.[1] ?? null);
    }),
  );
  fc.assert(
    fc.property(fc.string(), fc.string({ minLength: 1 }), (field, name) => void cookieOf(field, name)),
  );
});
