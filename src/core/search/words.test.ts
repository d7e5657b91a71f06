import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEARCH } from '../config.ts';
import { fold, wordsOf } from './words.ts';

/** Text in which letters with case, accents and compatibility forms are frequent. */
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc
    .array(fc.constantFrom(...Array.from('aÀé ñ_ßẞſﬁ½Åσςᾳᾼ İıǅ가ㄱがＡ①K\u0301\u0345\u0327.')), {
      maxLength: 30,
    })
    .map((list) => list.join('')),
);
const forms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;

test('case, accents and Unicode form never change the words', () => {
  fc.assert(
    fc.property(text, (name) => {
      const words = wordsOf(name);
      for (const form of forms) assert.deepEqual(wordsOf(name.normalize(form)), words, form);
      assert.deepEqual(wordsOf(name.toUpperCase()), words, 'upper case');
      assert.deepEqual(wordsOf(name.toLowerCase()), words, 'lower case');
      assert.deepEqual(wordsOf(name.normalize('NFD').replace(/[\u0300-\u0344]/g, '')), words, 'accents');
      assert.deepEqual(wordsOf(words.join(' ')), words, 'twice is once');
    }),
    { numRuns: 2_000 },
  );
});

test('every letter and digit of Unicode folds to one form, whatever its case', () => {
  for (let point = 0; point < 0x20000; point += 1) {
    const character = String.fromCodePoint(point);
    if (!/[\p{L}\p{N}]/u.test(character)) continue;
    const folded = fold(character);
    const same = [folded, character.toUpperCase(), character.toLowerCase(), character.normalize('NFKC')];
    for (const other of same) assert.equal(fold(other), folded, `U+${point.toString(16)}`);
  }
});

test('folder names, the name and the extension are words, each once', () => {
  assert.deepEqual(wordsOf('Kelas 7B/Matematika-Dasar/Résumé_7B (final).PDF'), [
    'kelas',
    '7b',
    'matematika',
    'dasar',
    'resume',
    'final',
    'pdf',
  ]);
  assert.deepEqual(wordsOf('STRASSE straße Straẞe'), ['strasse']);
  assert.deepEqual(wordsOf('ΣΊΣΥΦΟΣ σίσυφος'), ['σισυφοσ']);
  assert.deepEqual(wordsOf('-- !! ??'), []);
});

test('a path of the longest length loses no word, and a word is cut between characters', () => {
  const path = Array.from({ length: 512 }, (_, at) => String.fromCodePoint(0x4e00 + at)).join(' ');
  assert.equal(wordsOf(path).length, 512);
  assert.equal(wordsOf(`${path} more`).length, SEARCH.maxPathWords);
  assert.deepEqual(wordsOf('𝒜'.repeat(90)), ['a'.repeat(64)]);
  assert.deepEqual(wordsOf('𐐨'.repeat(90)), ['𐐨'.repeat(64)]);
});

test('scripts without spaces have a word for each character, so that a part of a name finds it', () => {
  assert.deepEqual(wordsOf('中文文件名.txt'), ['中', '文', '件', '名', 'txt']);
  assert.deepEqual(wordsOf('รายงาน2024.pdf').includes('2024'), true);
  for (const part of ['中文', '文件', 'ファイル', 'รายงาน'])
    for (const word of wordsOf(part)) assert.ok(wordsOf(`x ${part}名 y`).includes(word), part);
});
