import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KelanaError } from '../core/errors.ts';
import { digits, flag, kinds, list, number, object, oneOf, optional, text, whole } from './fields.ts';

const LETTER = object({
  to: text({ max: 5 }),
  at: optional(text({ start: '/' })),
  count: optional(whole(1, 9)),
  share: optional(number(0, 1)),
  loud: optional(flag()),
  tags: optional(list(text(), 1, 2)),
});
const KIND = kinds<{ kind: string }>('kind', {
  a: object({ kind: oneOf(['a']), inner: object({ n: whole(0) }, { strict: true }) }),
  b: object({ kind: oneOf(['b']) }),
});

function refused(value: unknown, read: (value: unknown) => unknown): string {
  try {
    read(value);
  } catch (thrown) {
    assert.ok(thrown instanceof KelanaError && thrown.code === 'USAGE', String(thrown));
    return thrown.message;
  }
  return assert.fail(`${JSON.stringify(value)} was taken`);
}

test('what is right comes back, and keys that nobody knows do not', () => {
  const right = { to: 'a', at: '/b', count: 9, share: 0.5, loud: false, tags: ['x'] };
  assert.deepEqual(LETTER.parse({ ...right, more: 1 }), right);
  assert.deepEqual(LETTER.parse({ to: 'a' }), { to: 'a' });
  assert.deepEqual(object({ toString: optional(text()) }).parse({}), {}, 'what every object has is not said');
  assert.equal(digits(0, 9).read('7', 'id'), 7);
  assert.deepEqual(KIND.read({ kind: 'a', inner: { n: 0 } }, ''), { kind: 'a', inner: { n: 0 } });
});

test('what is wrong is named with its place and its bounds, in both languages', () => {
  const said = (value: unknown): string => refused(value, LETTER.parse);
  assert.match(said([]), /^the request must be an object/);
  assert.match(said({}), /^to must be text/);
  assert.match(said({ to: 'abcdef' }), /^to must have 1\.\.5 characters/);
  assert.match(said({ to: 'a', at: 'b' }), /^at must start with \//);
  assert.match(said({ to: 'a', count: 1.5 }), /^count must be a whole number/);
  assert.match(said({ to: 'a', count: undefined }), /^count must be 1\.\.9/);
  assert.match(said({ to: 'a', share: NaN }), /^share must be 0\.\.1/);
  assert.match(said({ to: 'a', loud: 'true' }), /^loud must be true or false/);
  assert.match(said({ to: 'a', tags: ['x', ''] }), /^tags\[1\] must have >= 1 characters/);
  assert.match(said({ to: 'a', tags: [] }), /^tags must be a list of 1\.\.2 entries/);
  for (const id of ['', '-1', '1e2', '10', ' 1', 1]) refused(id, (value) => digits(0, 9).read(value, 'id'));
  const kind = (value: unknown): string => refused(value, (one) => KIND.read(one, 'query'));
  assert.match(kind(null), /^query\.kind must be one of a, b/);
  assert.match(kind({ kind: 'toString' }), /^query\.kind/);
  assert.match(kind({ kind: 'a', inner: { n: 0, m: 0 } }), /^query\.inner\.m is not known/);
  try {
    LETTER.parse({});
  } catch (thrown) {
    assert.match(thrown instanceof KelanaError ? thrown.describe('id').says : '', /^to harus teks/);
  }
});

test('whatever JSON comes, it is taken or refused as a mistake of the one who asked', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const read of [LETTER.parse, (one: unknown) => KIND.read(one, 'query')])
        try {
          read(value);
        } catch (thrown) {
          assert.ok(thrown instanceof KelanaError && thrown.code === 'USAGE');
        }
    }),
  );
});
