import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MESSAGES } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { decodeListing, encodeListing } from './listing.ts';

const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';
const file = (name: string, size = 1) => ({ name, size, cid: CID });

test('the files of a folder are read back as they were listed', () => {
  const segment = fc.stringMatching(/^[a-z0-9][a-zA-Z0-9 ._-]{0,8}[a-z]$/);
  const files = fc
    .uniqueArray(
      fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/')),
      { maxLength: 20 },
    )
    .filter((names) => names.every((name) => !names.some((other) => other.startsWith(`${name}/`))))
    .map((names) => names.map((name, at) => file(name, at)));
  fc.assert(fc.property(files, (listed) => assert.deepEqual(decodeListing(encodeListing(listed)), listed)));
});

for (const [what, names] of [
  ['a path out of the folder', ['../a']],
  ['a path out of it further down', ['a/../../b']],
  ['an absolute path', ['/etc/passwd']],
  ['a path of Windows', ['a\\b']],
  ['an empty segment', ['a//b']],
  ['no name', ['']],
  ['a line end', ['a\nb']],
  ['a NUL', ['a\0b']],
  ["kelana's own temporary files", ['x/.kelana-1']],
  ['the same path twice', ['a', 'b', 'a']],
  ['a file that is also a folder', ['a/b', 'a']],
] as const)
  test(`a list with ${what} is refused whole`, () => {
    assert.throws(() => decodeListing(encodeListing(names.map((name) => file(name)))), { code: 'BAD_NAME' });
  });

test('a list with a CID that is none, or too many files, is refused', () => {
  assert.throws(() => decodeListing(encodeListing([{ ...file('a'), cid: 'x' }])), { code: 'PEER_PROTOCOL' });
  const many = Array.from({ length: MESSAGES.maxFiles + 1 }, (_, at) => file(`f${at}`));
  assert.throws(() => decodeListing(encodeListing(many)), { code: 'PEER_PROTOCOL' });
  assert.equal(decodeListing(encodeListing(many.slice(1))).length, MESSAGES.maxFiles);
});

test('any bytes are a list or a KelanaError', () => {
  const sound = (bytes: Uint8Array): void => {
    try {
      decodeListing(bytes);
    } catch (thrown) {
      assert.ok(thrown instanceof KelanaError, String(thrown));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), sound));
  const bytes = encodeListing([file('a/b'), file('c')]);
  for (let cut = 0; cut < bytes.length; cut += 1) sound(bytes.subarray(0, cut));
});
