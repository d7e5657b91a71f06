import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KelanaError } from '../errors.ts';
import { desired, edit, NO_CHANGES, stillMeant, type Changes, type Edit, type Given } from './changes.ts';

const backend = (name: string, weight = 1) => ({ name, spec: `http://${name},weight=${weight}`, weight });
const given = (...backends: ReturnType<typeof backend>[]): Given => ({ method: 'weighted', backends });
const AB = given(backend('a:1'), backend('b:1', 2));

const after = (base: Given, ...edits: readonly Edit[]): Changes =>
  edits.reduce((changes, one) => edit(base, changes, one), NO_CHANGES);
const names = (base: Given, changes: Changes): readonly string[] =>
  desired(base, changes).backends.map(({ name }) => name);
const code = (work: () => unknown): string => {
  try {
    work();
  } catch (thrown) {
    if (thrown instanceof KelanaError) return thrown.code;
  }
  return '';
};

test('what was changed holds over a reload that says nothing new about it', () => {
  const changes = after(
    AB,
    { type: 'add', backend: backend('c:1', 3) },
    { type: 'weight', name: 'a:1', weight: 7 },
    { type: 'drain', name: 'b:1', on: true },
    { type: 'method', method: 'ewma' },
  );
  const now = desired(given(backend('a:1'), backend('b:1', 5), backend('d:1')), changes);
  assert.equal(now.method, 'ewma');
  assert.deepEqual(
    now.backends.map(({ name, weight, drained, origin }) => [name, weight, drained, origin]),
    [
      ['a:1', 7, false, 'given'],
      ['b:1', 5, true, 'given'],
      ['d:1', 1, false, 'given'],
      ['c:1', 3, false, 'runtime'],
    ],
  );
});

test('what the file says anew counts over what was changed before', () => {
  const changes = after(
    AB,
    { type: 'weight', name: 'a:1', weight: 7 },
    { type: 'method', method: 'ewma' },
    { type: 'add', backend: backend('c:1', 3) },
    { type: 'remove', name: 'b:1' },
  );
  const edited = { method: 'two-choices', backends: [backend('a:1', 4), backend('c:1', 5)] };
  const now = desired(edited, changes);
  assert.equal(now.method, 'two-choices');
  assert.deepEqual(
    now.backends.map(({ name, weight, origin }) => [name, weight, origin]),
    [
      ['a:1', 4, 'given'],
      ['c:1', 5, 'given'],
    ],
  );
  // b was removed, and then left the file: when it comes back it is a new word.
  assert.deepEqual(names(AB, stillMeant(edited, changes)), ['a:1', 'b:1']);
});

test('a change that is taken back leaves nothing behind', () => {
  const there = after(
    AB,
    { type: 'add', backend: backend('c:1') },
    { type: 'remove', name: 'c:1' },
    { type: 'weight', name: 'b:1', weight: 9 },
    { type: 'weight', name: 'b:1', weight: 2 },
    { type: 'drain', name: 'a:1', on: true },
    { type: 'drain', name: 'a:1', on: false },
    { type: 'method', method: 'ewma' },
    { type: 'method', method: 'weighted' },
    { type: 'remove', name: 'b:1' },
    { type: 'add', backend: backend('b:1', 2) },
  );
  assert.deepEqual(there, NO_CHANGES);
});

test('unknown, repeated and last backends are refused, and the last that is not drained too', () => {
  assert.equal(
    code(() => edit(AB, NO_CHANGES, { type: 'remove', name: 'x:1' })),
    'NO_SUCH_BACKEND',
  );
  assert.equal(
    code(() => edit(AB, NO_CHANGES, { type: 'add', backend: backend('a:1') })),
    'BACKEND_EXISTS',
  );
  const one = after(AB, { type: 'remove', name: 'a:1' });
  assert.equal(
    code(() => edit(AB, one, { type: 'remove', name: 'b:1' })),
    'LAST_BACKEND',
  );
  const drained = after(AB, { type: 'drain', name: 'a:1', on: true });
  for (const type of ['remove', 'drain'] as const)
    assert.equal(
      code(() => edit(AB, drained, { type, name: 'b:1', on: true })),
      'LAST_BACKEND',
    );
});

test('a reload that leaves nobody to take requests takes those that are given', () => {
  const removed = after(AB, { type: 'remove', name: 'a:1' });
  assert.deepEqual(names(given(backend('a:1')), removed), ['a:1']);
  const drained = after(AB, { type: 'drain', name: 'a:1', on: true });
  assert.deepEqual(
    desired(given(backend('a:1')), drained).backends.map((one) => one.drained),
    [false],
  );
});

test('whatever is done in whatever order, names are unique, somebody takes requests, and it is done again the same', () => {
  const name = fc.constantFrom('a:1', 'b:1', 'c:1', 'd:1');
  const edits = fc.array(
    fc.oneof(
      fc.record({ type: fc.constant('add' as const), backend: name.map((one) => backend(one, 2)) }),
      fc.record({ type: fc.constant('remove' as const), name }),
      fc.record({ type: fc.constant('drain' as const), name, on: fc.boolean() }),
      fc.record({ type: fc.constant('weight' as const), name, weight: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ type: fc.constant('method' as const), method: fc.constantFrom('weighted', 'ewma') }),
    ),
  );
  const files = fc
    .uniqueArray(name, { minLength: 1 })
    .chain((all) => fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 4 }).map((w) => [all, w] as const))
    .map(([all, weights]) => given(...all.map((one, at) => backend(one, weights[at] ?? 1))));
  fc.assert(
    fc.property(files, files, edits, (before, later, asked) => {
      let changes = NO_CHANGES;
      for (const one of asked) {
        try {
          changes = edit(before, changes, one);
        } catch (thrown) {
          assert.ok(thrown instanceof KelanaError);
        }
      }
      for (const file of [before, later]) {
        const now = desired(file, changes);
        const all = now.backends.map((one) => one.name);
        assert.equal(new Set(all).size, all.length);
        assert.ok(now.backends.some((one) => !one.drained));
        const kept = stillMeant(file, changes);
        assert.deepEqual(stillMeant(file, kept), kept);
        assert.deepEqual(desired(file, kept), now);
      }
    }),
  );
});

test('where names stand for backends, what was changed about one holds while it is away', () => {
  const backend = (name: string) => ({ name, spec: `http://${name}`, weight: 1, from: 'dns://x.test:80' });
  const all = {
    method: 'weighted',
    open: true,
    backends: [backend('a:80'), backend('b:80'), backend('c:80')],
  };
  let changes = edit(all, NO_CHANGES, { type: 'drain', name: 'a:80', on: true });
  changes = edit(all, changes, { type: 'weight', name: 'b:80', weight: 3 });
  changes = edit(all, changes, { type: 'remove', name: 'a:80' });
  const away = { ...all, backends: [backend('c:80')] };
  assert.deepEqual(stillMeant(away, changes), changes);
  assert.deepEqual(
    desired(all, stillMeant(away, changes)).backends.map(({ name, weight }) => [name, weight]),
    [
      ['b:80', 3],
      ['c:80', 1],
    ],
  );
  // Where all is given, what is gone is gone for good.
  const { open: _, ...closed } = away;
  assert.deepEqual(stillMeant(closed, changes), NO_CHANGES);
});

test('a given server that was removed comes back as it is given; asked for otherwise, it is refused', () => {
  const spec = 'http://a:1,max=7,proxy=v1';
  const base: Given = {
    method: 'weighted',
    backends: [{ name: 'a:1', spec, weight: 1 }, backend('b:1')],
  };
  const removed = after(base, { type: 'remove', name: 'a:1' });
  const add = (text: string, weight = 1): Changes =>
    edit(base, removed, { type: 'add', backend: { name: 'a:1', spec: text, weight } });
  const others = [
    'https://a:1,max=7,proxy=v1',
    'http://a:1,max=8,proxy=v1',
    'http://a:1,max=7',
    'http://a:1',
  ];
  for (const other of others)
    assert.equal(
      code(() => add(other)),
      'BAD_VALUE',
      other,
    );
  assert.deepEqual(add('HTTP://a:1/, proxy=v1, max=7'), NO_CHANGES);
  const [back] = desired(base, add(`${spec},weight=3`, 3)).backends;
  assert.deepEqual([back?.spec, back?.weight], [spec, 3]);
});
