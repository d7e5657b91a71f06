import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  checkPath,
  checkSegment,
  noteSegment,
  numbered,
  safeDownloadName,
  shownName,
  storedName,
} from './names.ts';

const refuses = (code: string) => (thrown: unknown) => (thrown as { code?: unknown }).code === code;
const hostile = new URL('../../../shared/testdata/names.jsonl', import.meta.url);

test('every name of the hostile list is kept or refused as the list says', (t) => {
  if (!existsSync(hostile)) return t.skip('the list of hostile names is not beside this checkout');
  const lines = readFileSync(hostile, 'utf8').trimEnd().split('\n');
  const wrong: string[] = [];
  for (const line of lines) {
    const row = JSON.parse(line) as { name_hex: string; verdict: string };
    const name = Buffer.from(row.name_hex, 'hex').toString('utf8');
    const kept = checkSegment(name) === null;
    // `refuse-or-escape`: a name that is kept must be known to need escaping, and shown without its tricks.
    const right =
      row.verdict === 'keep'
        ? kept
        : row.verdict === 'refuse'
          ? !kept
          : !kept || (noteSegment(name) !== null && shownName(name) !== name);
    if (!right) wrong.push(`${row.verdict}: ${shownName(name)}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(lines.length >= 1471);
});

test('names that reach elsewhere, forge lines or break a disk are refused', () => {
  for (const name of [
    '',
    '.',
    '..',
    '/',
    'a/b',
    '..\\windows',
    'nul\0',
    'a\nb',
    'a\x1b[2Jb',
    'del\x7f',
    'next\x85line',
    'a\u2028b',
    'exe\u202Etxt.scr',
    'lone\ud800',
    '\udc00lone',
    'x'.repeat(256),
    'é'.repeat(128),
  ]) {
    assert.notEqual(checkSegment(name), null, JSON.stringify(name));
  }
});

test('emoji, every language, device names and odd but harmless names are kept', () => {
  for (const name of [
    'contoh.txt',
    'laporan akhir (2).pdf',
    '👩‍👩‍👧‍👦.png',
    'データ.bin',
    'ملف.txt',
    '😀',
    'CON',
    'a'.repeat(255),
    'é'.repeat(127),
    '...',
    '%2e%2e%2f',
    ' ',
    '-rf',
  ]) {
    assert.equal(checkSegment(name), null, JSON.stringify(name));
  }
  assert.match(noteSegment('LPT1.txt')?.en ?? '', /Windows/);
  assert.match(noteSegment('a\u200bb')?.id ?? '', /tak terlihat/);
  assert.equal(noteSegment('contoh.txt'), null);
});

test('a path is refused when any of its segments is, when absolute and when too long', () => {
  assert.equal(checkPath('a/b/c.txt'), null);
  for (const path of ['', '/a', 'a//b', 'a/', 'a/../b', './a', 'a/..', 'a\\b', `${'d/'.repeat(600)}x`]) {
    assert.notEqual(checkPath(path), null, path);
  }
});

test('a download is stored under the base name, or not at all', () => {
  assert.equal(safeDownloadName('kelas/7b/contoh.txt'), 'contoh.txt');
  for (const name of ['../../etc/passwd', '/etc/passwd', 'a/..', '..\\x', 'a/.kelana-1.part', '']) {
    assert.throws(() => safeDownloadName(name), refuses('BAD_NAME'));
  }
  assert.throws(() => storedName('a/b'), refuses('BAD_NAME'));
});

test('the error of a refused name shows it without its control characters', () => {
  assert.throws(
    () => storedName('a\x1b[31m\n'),
    (thrown: unknown) => thrown instanceof Error && thrown.message.includes("'a\\u{1b}[31m\\u{a}'"),
  );
});

test('a number goes before the extension', () => {
  assert.equal(numbered('contoh.txt', 1), 'contoh (1).txt');
  assert.equal(numbered('Makefile', 2), 'Makefile (2)');
  assert.equal(numbered('.env', 3), '.env (3)');
  assert.equal(numbered('a.b.tar', 10), 'a.b (10).tar');
});

test('whatever is accepted stays one segment of at most 255 bytes, also numbered', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.integer({ min: 1, max: 999 }),
      (name, n) => {
        if (checkSegment(name) !== null) return;
        const other = numbered(name, n);
        assert.equal(checkSegment(other), null, other);
        assert.ok(Buffer.byteLength(other) <= 255 && other !== name);
        assert.equal(Buffer.from(name, 'utf8').toString('utf8'), name);
      },
    ),
  );
});
