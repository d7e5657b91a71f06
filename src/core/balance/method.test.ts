import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createMethod } from './methods.ts';
import { isMethodName, METHODS, type BackendView } from './method.ts';

const backends = (up: readonly boolean[]): BackendView[] =>
  up.map((value, index) => ({ index, up: value, weight: 1, active: 0 }));

for (const name of METHODS) {
  test(`${name} gives each backend that is up exactly once, and no other`, () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.boolean(), { maxLength: 8 }), { maxLength: 20 }), (calls) => {
        const method = createMethod(name);
        for (const up of calls) {
          const order = method.order(backends(up));
          const expected = up.flatMap((value, index) => (value ? [index] : []));
          assert.deepEqual(
            [...order].sort((a, b) => a - b),
            expected,
          );
        }
      }),
    );
  });

  test(`${name} with equal weights and no load starves nobody`, () => {
    const method = createMethod(name);
    const firsts = Array.from({ length: 300 }, () => method.order(backends([true, true, true]))[0]);
    for (const index of [0, 1, 2]) assert.ok(firsts.filter((first) => first === index).length >= 50);
  });

  test(`${name} is found by its name`, () => {
    assert.ok(isMethodName(name));
    assert.equal(createMethod(name).name, name);
  });
}

test('round-robin takes turns, and leaves a backend that is down out of them', () => {
  const method = createMethod('round-robin');
  const firsts = (up: readonly boolean[], count: number) =>
    Array.from({ length: count }, () => method.order(backends(up))[0]);
  assert.deepEqual(firsts([true, true], 4), [0, 1, 0, 1]);
  assert.deepEqual(createMethod('round-robin').order(backends([true, true, true])), [0, 1, 2]);
  const shared = firsts([true, false, true], 10);
  assert.equal(shared.filter((index) => index === 0).length, 5);
  assert.equal(isMethodName('no-such'), false);
});
