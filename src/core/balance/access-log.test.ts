import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KelanaError } from '../errors.ts';
import { AccessLog, parseAccessLog } from './access-log.ts';

test('full, off and parts are read, and nothing else', () => {
  for (const [text, rate] of [
    ['full', 1],
    ['off', 0],
    ['0.01', 0.01],
    ['.5', 0.5],
    ['1', 1],
    ['0', 0],
  ] as const)
    assert.equal(parseAccessLog(text), rate);
  for (const text of ['', 'some', '2', '-1', '1.5', '1e-3', 'NaN', '1%', '0x1'])
    assert.throws(
      () => parseAccessLog(text),
      (error) => error instanceof KelanaError && error.code === 'BAD_VALUE',
      text,
    );
});

test('what failed is always told, the rest by the part that was asked for', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 100, max: 599 }),
      fc.boolean(),
      (rate, dice, status, cut) => {
        const logs = new AccessLog(rate, () => dice).logs(status, cut);
        assert.equal(logs, status >= 500 || cut || dice < rate);
      },
    ),
  );
});
