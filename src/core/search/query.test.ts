import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SEARCH } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Filters, Holding, Query } from '../ports.ts';
import { seededRandom } from '../random.ts';
import {
  matches,
  parseQuery,
  parseSize,
  parseTypes,
  printWords,
  QUERY_KINDS,
  score,
  SCORE_STEP,
  textOf,
  TYPE_SETS,
} from './query.ts';
import { wordsOf } from './words.ts';

const CID = 'bafkreibievu5oc4wriww3t5uwzwcvcu7xcjwewdga2z5wdwyq3kwknfhb4';
const file = (name: string, size = 10, cid = CID): Holding => ({ name, size, cid });
const glob = (pattern: string, ...names: string[]): boolean[] =>
  names.map((name) => matches({ kind: 'glob', pattern }, file(name)));
const isBadValue = (thrown: unknown): boolean =>
  thrown instanceof KelanaError &&
  thrown.code === 'BAD_VALUE' &&
  thrown.params['name'] !== undefined &&
  thrown.describe('id').says !== thrown.describe('en').says;

test('a text is read as CID, pattern, file name or words, in this order', () => {
  const kinds: Readonly<Record<string, Query['kind']>> = {
    [CID]: 'cid',
    [` ${CID}\n`]: 'cid',
    '*.pdf': 'glob',
    'lap?ran': 'glob',
    'foto [0-9].jpg': 'glob',
    'contoh.txt': 'name',
    'kelas/7b/contoh.txt': 'name',
    'laporan akhir.pdf': 'name',
    'laporan akhir 2024': 'words',
    laporan: 'words',
    '.gitignore': 'words',
    'a [b': 'words',
    'kalimat. Lalu kalimat lain': 'words',
    '!!!': 'name',
  };
  for (const [text, kind] of Object.entries(kinds)) assert.equal(parseQuery(text).kind, kind, text);
  assert.deepEqual(parseQuery('Résumé AKHIR résumé'), { kind: 'words', words: ['resume', 'akhir'] });
  assert.deepEqual(parseQuery('contoh.txt', { as: 'words' }), { kind: 'words', words: ['contoh', 'txt'] });
  assert.deepEqual(parseQuery('*.pdf', { as: 'name' }), { kind: 'name', name: '*.pdf' });
  const filters = { minSize: 5, types: ['pdf'] };
  assert.deepEqual(parseQuery('laporan', { filters }), { kind: 'words', words: ['laporan'], filters });
});

test('what cannot be asked is refused with its cause, in both languages', () => {
  const tooMany = Array.from({ length: SEARCH.maxWords + 1 }, (_, at) => `kata${at}`).join(' ');
  for (const text of ['', '  ', 'x'.repeat(SEARCH.maxQueryBytes + 1), '\ud800', tooMany])
    assert.throws(() => parseQuery(text), isBadValue, text.slice(0, 10));
  assert.throws(() => parseQuery('!!!', { as: 'words' }), isBadValue);
  assert.throws(() => parseQuery('contoh.txt', { as: 'cid' }), isBadValue);
  assert.throws(() => parseQuery('x', { filters: { minSize: 2, maxSize: 1 } }), isBadValue);
  // U+0149 folds to two letters of three bytes: what fits as typed may not fit as words.
  const swelling = Array.from({ length: 16 }, (_, at) => `${at}${'\u0149'.repeat(30)}`).join(' ');
  assert.throws(() => parseQuery(swelling, { as: 'words' }), isBadValue);
});

test('a name is the base name or the path, in any Unicode form but in this very case', () => {
  const named = (name: string): Query => ({ kind: 'name', name });
  assert.ok(matches(named('re\u0301sume\u0301.txt'), file('a/r\u00e9sum\u00e9.txt')));
  assert.ok(matches(named('a/b.txt'), file('a/b.txt')));
  assert.ok(!matches(named('b/c.txt'), file('a/b/c.txt')));
  assert.ok(!matches(named('B.txt'), file('a/b.txt')));
  // As it was typed first, in whichever form that was.
  const [composed, apart] = ['a/caf\u00e9.txt', 'a/cafe\u0301.txt'];
  for (const [asked, other] of [
    [composed, apart],
    [apart, composed],
  ] as const) {
    assert.ok(score(named(asked), file(asked)) > score(named(asked), file(other)));
    assert.ok(score(named(asked.slice(2)), file(asked)) > score(named(asked.slice(2)), file(other)));
  }
});

test('words must all be words of one path, whatever their case and accents', () => {
  const words = parseQuery('ANGGARAN é-2024');
  assert.ok(matches(words, file('Keuangan/anggaran_2024 E.xlsx')));
  assert.ok(!matches(words, file('anggaran 20245 e')));
  assert.ok(!matches(words, file('anggaran e')));
});

test('a pattern is held against the base name, or against the path where it has a slash', () => {
  assert.deepEqual(glob('*.pdf', 'A.PDF', 'x/y/b.pdf', 'pdf', 'b.pdf.txt'), [true, true, false, false]);
  assert.deepEqual(glob('resume?.*', 'Résumé1.doc', 'résumé.doc'), [true, false]);
  assert.deepEqual(glob('[a-cX]*[!0-9]', 'b1x', 'x1', 'd1x', 'É'), [true, false, false, false]);
  assert.deepEqual(glob('[É]x', 'ex', 'éx', 'ax'), [true, true, false]);
  assert.deepEqual(glob('[]a]x', ']x', 'ax', 'bx'), [true, true, false]);
  assert.deepEqual(glob('docs/*.pdf', 'docs/a.pdf', 'docs/x/a.pdf', 'b/docs/a.pdf'), [true, false, false]);
  assert.deepEqual(glob('**/docs/**/*.pdf', 'docs/a.pdf', 'b/docs/x/y/a.pdf', 'docs'), [true, true, false]);
  assert.deepEqual(glob('*', 'a', 'b/c'), [true, true]);
  assert.deepEqual(glob('a**b', 'ab', 'axxb', 'abx'), [true, true, false]);
  assert.deepEqual(glob('/', 'a'), [false]);
  assert.deepEqual(glob('Lagu [live].mp3', 'x/lagu [LIVE].mp3', 'Lagu v.mp3'), [true, true]);
});

test('a pattern full of stars costs no more than its length times that of the name', () => {
  const pattern = `${'*a'.repeat(400)}*b`;
  const name = 'a'.repeat(255);
  const before = process.cpuUsage();
  for (let at = 0; at < 100; at += 1) glob(pattern, name, `${name}c`, 'a/'.repeat(500));
  glob(`${'**/a/'.repeat(150)}b`, 'a/'.repeat(500));
  // Some 0.3 s; trying every way to share the name among the stars would take longer than there is time.
  assert.ok(process.cpuUsage(before).user < 20e6);
});

test('filters let through what has the size and one of the types', () => {
  const some = (filters: Filters, name: string, size: number): boolean =>
    matches({ kind: 'words', words: ['x'], filters }, file(name, size));
  assert.ok(some({ minSize: 10, maxSize: 10 }, 'x', 10));
  assert.ok(!some({ minSize: 11 }, 'x', 10));
  assert.ok(!some({ maxSize: 9 }, 'x', 10));
  assert.ok(some({ types: ['pdf', 'jpg'] }, 'a.b/x.JPG', 1));
  assert.ok(!some({ types: ['pdf'] }, 'x pdf', 1));
  assert.ok(!some({ types: ['x'] }, 'a/.x', 1), 'a dotfile has no extension');
});

test('types are sets or extensions, sizes have units', () => {
  assert.deepEqual(parseTypes(['PDF', '.Docx,pdf']), ['pdf', 'docx']);
  assert.deepEqual(parseTypes(['Image']), TYPE_SETS.image);
  assert.ok(parseTypes(Object.keys(TYPE_SETS)).length <= SEARCH.maxTypes);
  for (const list of [[], [''], ['a/b'], ['x'.repeat(33)], ['tar.gz']])
    assert.throws(() => parseTypes(list), isBadValue, String(list));
  const sizes = { '2000': 2000, '10MB': 1e7, '1.5 GiB': 1610612736, '1,5k': 1500, '7 B': 7, '2tib': 2 ** 41 };
  for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseSize(text), bytes, text);
  for (const text of ['', 'x', '-1', '1e3', '1 XB', '9999999 TB', '1.2.3'])
    assert.throws(() => parseSize(text, '--max-size'), isBadValue, text);
});

test('the exact name is best, then the name without extension, words in the name, words in folders', () => {
  const query = parseQuery('Laporan 2024', { as: 'words' });
  const names = [
    'x/laporan-2024',
    'laporan 2024.pdf',
    '2024 laporan.pdf',
    'laporan keuangan 2024.pdf',
    '2024/laporan.pdf',
  ];
  const scores = names.map((name) => score(query, file(name)));
  assert.equal(scores[0], 1);
  assert.deepEqual(
    scores,
    scores.toSorted((a, b) => b - a),
  );
  const [, stem = 0, short = 0, long = 0, folder = 0] = scores;
  assert.ok(stem - short >= SCORE_STEP && long - folder >= SCORE_STEP);
  assert.ok(short > long && short - long < SCORE_STEP, 'length alone is less than a step');
  assert.equal(score(parseQuery('liburan/sub'), file('Liburan/sub')), 1, 'the whole path');
  assert.ok(score(parseQuery('liburan/sub'), file('x/liburan/sub')) < 1);
  assert.equal(score(parseQuery('a.txt'), file('b/a.txt')), 1);
  assert.equal(score(parseQuery(CID), file('b/a.txt')), 1);
  assert.equal(score(parseQuery('[x].txt'), file('[X].txt')), 1);
  for (const name of names) assert.ok(score(parseQuery('*'), file(name)) < 1);
  assert.ok(score(query, file('x/'.repeat(500))) > 0);
});

test('prints are asked for whole words only', () => {
  const asked = (text: string, as?: (typeof QUERY_KINDS)[number]): unknown =>
    printWords(parseQuery(text, as === undefined ? {} : { as }))?.words ?? null;
  assert.deepEqual(asked('*.pdf'), ['pdf']);
  assert.deepEqual(asked('lap*'), null);
  assert.deepEqual(asked('lap*.pdf'), ['pdf']);
  assert.deepEqual(asked('Laporan ?024 akhir.*'), ['laporan', 'akhir']);
  assert.deepEqual(asked('[ab]c d.txt'), ['d', 'txt']);
  assert.deepEqual(asked('docs/**/x*'), ['docs']);
  assert.deepEqual(asked('a[b *'), ['a', 'b']);
  assert.deepEqual(asked('x/Contoh.txt'), ['x', 'contoh', 'txt']);
  assert.deepEqual(asked('!!!'), null);
  assert.deepEqual(printWords(parseQuery(CID)), { words: [], cid: CID });
  assert.equal(printWords({ kind: 'cid', cid: 'none' }), null);
});

const piece = fc.constantFrom(
  ...Array.from('ab éẞ가가ﬁ㎏\u0301-_./[]!0Kς'),
  'ab',
  'pdf',
  'É'.normalize('NFD'),
);
const path = fc.array(piece, { minLength: 1, maxLength: 12 }).map((list) => list.join(''));

/** A query that is likely to match: the name with parts of it made wild, in another case and form. */
const askedFor = fc
  .tuple(path, fc.integer(), fc.constantFrom('NFC', 'NFD', 'NFKD'), fc.boolean())
  .map(([name, seed, form, upper]) => {
    const random = seededRandom(seed);
    const wild = Array.from(name, (character) => {
      const dice = random();
      if (dice < 0.15) return '*';
      if (dice < 0.25) return '?';
      if (dice < 0.3) return '[!/]';
      return dice < 0.35 ? `*${character}` : character;
    }).join('');
    return { name, text: (upper ? wild.toUpperCase() : wild).normalize(form) };
  });

test('whatever matches has every word that prints are asked for', () => {
  let matched = 0;
  fc.assert(
    fc.property(askedFor, fc.constantFrom(...QUERY_KINDS), ({ name, text }, as) => {
      let query: Query;
      try {
        query = parseQuery(text, { as });
      } catch {
        return;
      }
      const holding = file(name);
      if (!matches(query, holding)) return;
      matched += 1;
      const words = new Set(wordsOf(name));
      for (const word of printWords(query)?.words ?? []) assert.ok(words.has(word), `${text}: ${word}`);
      const rank = score(query, holding);
      assert.ok(rank > 0 && rank <= 1);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(matched > 2_000, `${matched} matched`);
});

/** What the matcher must say, by a regular expression. */
function slowly(pattern: string, name: string): boolean {
  const source = pattern.replace(/[*?]|\[.*?\]|[^\w]/g, (part) =>
    part === '*' ? '.*' : part === '?' ? '.' : part.length > 1 ? part.replace('!', '^') : `\\${part}`,
  );
  return new RegExp(`^${source}$`, 's').test(name);
}

test('a pattern matches what a regular expression says it must', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 8 }).map((list) => list.join(''));
  const tokens = fc.array(fc.constantFrom('a', 'b', '*', '*', '?', '[ab]', '[!a]', '[b-c]'), {
    maxLength: 7,
  });
  fc.assert(
    fc.property(tokens, letters, (list, name) => {
      const pattern = list.join('');
      if (pattern === name) return;
      assert.equal(glob(pattern, name)[0], slowly(pattern, name), `${pattern} ${name}`);
    }),
    { numRuns: 5_000 },
  );
});

test('a query is told in the words of who asked', () => {
  for (const text of ['contoh.txt', 'laporan akhir', '*.pdf', CID])
    assert.equal(textOf(parseQuery(text)), text);
});
