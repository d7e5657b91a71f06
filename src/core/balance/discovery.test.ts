import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { discovered, namesOf, NOTHING_DISCOVERED, type Discovered } from './discovery.ts';

const OPTIONS = { leaveAfter: 3, most: 5 };
const answers = fc.array(
  fc.array(fc.constantFrom('a:1', 'b:1', 'c:1', 'd:1', 'e:1', 'f:1', 'g:1'), { maxLength: 9 }),
);

function after(all: readonly (readonly string[])[]): Discovered {
  return all.reduce<Discovered>((state, names) => discovered(state, names, OPTIONS), NOTHING_DISCOVERED);
}

test('all of the last answer that counts is there, in order, once, within the bound', () => {
  fc.assert(
    fc.property(answers, (all) => {
      const names = namesOf(after(all));
      assert.deepEqual(names, [...new Set(names)].toSorted());
      assert.ok(names.length <= OPTIONS.most);
      const last = all.findLast((answer) => answer.length > 0) ?? [];
      for (const name of [...new Set(last)].toSorted().slice(0, OPTIONS.most))
        assert.ok(names.includes(name));
    }),
  );
});

test('a backend goes when three answers in a row leave it out, not before, and silence counts for nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('with', 'without', 'empty'), { maxLength: 20 }), (kinds) => {
      let [state, missed, there] = [NOTHING_DISCOVERED, 0, false];
      for (const kind of kinds) {
        const names = kind === 'empty' ? [] : kind === 'with' ? ['a:1', 'b:1'] : ['b:1'];
        state = discovered(state, names, OPTIONS);
        if (kind === 'with') [missed, there] = [0, true];
        else if (kind === 'without') missed += 1;
        if (missed >= OPTIONS.leaveAfter) there = false;
        assert.equal(namesOf(state).includes('a:1'), there);
      }
    }),
  );
});

test('an answer that changes nothing gives the same state: nobody is told', () => {
  const state = after([['b:1', 'a:1']]);
  assert.equal(discovered(state, ['a:1', 'b:1', 'a:1'], OPTIONS), state);
  assert.equal(discovered(state, [], OPTIONS), state);
});
