import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PRINTS } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Holding } from '../ports.ts';
import { seededRandom, type Random } from '../random.ts';
import { RAW, cidText } from '../transfer/cid.ts';
import { BitReader, BitWriter } from './bits.ts';
import { murmur3 } from './murmur.ts';
import { encodePrints, openSegment, Prints, PrintWriter, probeOf, wordPrint } from './prints.ts';
import { matches, parseQuery, printWords } from './query.ts';
import { encodeSegment } from './segment.ts';
import { fold, wordsOf } from './words.ts';

function cidOf(random: Random): string {
  return cidText(
    RAW,
    Uint8Array.from({ length: 32 }, () => Math.floor(random() * 256)),
  );
}

/** The library that SEARCH.md measures: `files` files whose words are 450 to 131 files, the frequent ones Zipf's. */
function library(files: number, random: Random, words = Math.round((files * 450) / 131)): Holding[] {
  const names = Array.from({ length: files }, (): Set<string> => new Set());
  const put = (word: string): boolean => {
    const name = names[Math.floor(random() * files)];
    const isNew = name?.has(word) === false;
    name?.add(word);
    return isNew;
  };
  let pairs = 0;
  for (let at = 0; at < words; at += 1) pairs += put(`kata${at}`) ? 1 : 0;
  while (pairs < Math.round((files * 766) / 131))
    pairs += put(`kata${Math.floor(words ** random()) - 1}`) ? 1 : 0;
  return names.map((name, at) => ({ name: [...name].join(' '), size: at, cid: cidOf(random) }));
}

const asks = (prints: Prints, words: readonly string[], cid: string | null = null): boolean =>
  prints.mayHold(probeOf({ words, cid }));
const isRefused = (thrown: unknown): boolean =>
  thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL';

test('prints of a usual library are small, and say yes wrongly to less than one of 100,000 queries', (t) => {
  const probes = 1_000_000;
  const yes = { word: 0, two: 0, cid: 0 };
  let largest = 0;
  for (let seed = 1; seed <= 4; seed += 1) {
    const random = seededRandom(seed);
    const files = library(131, random);
    const distinct = new Set(files.flatMap(({ name }) => wordsOf(name)));
    const pairs = files.reduce((sum, { name }) => sum + wordsOf(name).length, 0);
    assert.deepEqual([files.length, distinct.size, pairs], [131, 450, 766]);
    const encoded = encodePrints(files);
    largest = Math.max(largest, encoded.segments[0]?.length ?? Infinity);
    const prints = Prints.open(encoded);
    for (let at = 0; at < probes / 4; at += 1) {
      if (prints.mayHold({ words: [wordPrint(`lain${seed}x${at}`)], cid: null })) yes.word += 1;
      if (prints.mayHold({ words: [], cid: murmur3(`cid${seed}x${at}`, 1) >>> 4 })) yes.cid += 1;
    }
    const sets = files.map(({ name }) => new Set(wordsOf(name)));
    const all = [...distinct];
    for (let at = 0; at < 25_000; at += 1) {
      // The frequent words of the library itself: most pairs stand in its files, but not in one.
      const [one = '', two = ''] = [0, 0].map(() => all[Math.floor(all.length ** random()) - 1]);
      const here = sets.some((set) => set.has(one) && set.has(two));
      const said = asks(prints, [one, two]);
      assert.ok(said || !here);
      if (said && !here) yes.two += 1;
    }
  }
  t.diagnostic(
    `${largest} bytes; wrong of 1,000,000: word ${yes.word}, CID ${yes.cid}; of 100,000: two words ${yes.two}`,
  );
  assert.ok(largest <= 2_400, `${largest} bytes`);
  assert.ok(yes.word <= 10 && yes.cid <= 10 && yes.two <= 1, JSON.stringify(yes));
});

const word = fc.constantFrom('laporan', 'Résumé', '2024', 'pdf', 'ﬁnal', 'Straße', 'a', 'b', 'c', '가나');
const holdings = fc.array(
  fc.record({
    name: fc.array(word, { minLength: 1, maxLength: 5 }).map((list) => list.join('-')),
    size: fc.nat(),
    cid: fc.constantFrom('c1', 'c2', 'c3', 'c4', 'c5', 'c6'),
  }),
  { maxLength: 12 },
);

test('prints never deny a file that matches, and several words only where they stand in one file', () => {
  fc.assert(
    fc.property(holdings, fc.array(word, { minLength: 1, maxLength: 3 }), (files, list) => {
      const prints = Prints.open(encodePrints(files));
      for (const text of [list.join(' '), list.join('_').toUpperCase().normalize('NFD')]) {
        const query = parseQuery(text, { as: 'words' });
        const asked = printWords(query);
        assert.ok(asked !== null);
        assert.equal(
          prints.mayHold(probeOf(asked)),
          files.some((file) => matches(query, file)),
          text,
        );
      }
      for (const { name, cid } of files) {
        assert.ok(asks(prints, wordsOf(fold(name)), cid));
        assert.ok(asks(prints, [], cid));
      }
      assert.ok(!asks(prints, [], 'c7'));
    }),
    { numRuns: 1_000 },
  );
});

test('the same files give the same bytes, in any order and named twice', () => {
  fc.assert(
    fc.property(
      holdings.chain((files) =>
        fc.tuple(
          fc.constant(files),
          fc.shuffledSubarray([...files, ...files], { minLength: 2 * files.length }),
        ),
      ),
      ([files, shuffled]) => {
        const [one, other] = [encodePrints(files), encodePrints(shuffled)];
        assert.deepEqual(one, other);
        assert.equal(
          Prints.open(one).segments.reduce((sum, { files: count }) => sum + count, 0),
          new Set(files.map(({ name, cid }) => `${cid}/${name}`)).size,
        );
      },
    ),
  );
});

test('a large library has segments, and one more file changes one of them', () => {
  const random = seededRandom(3);
  const files = library(3_000, random);
  const writer = new PrintWriter();
  const before = writer.encode(files);
  assert.equal(before.segments.length, 16);
  const added = { name: 'berkas baru.txt', size: 1, cid: cidOf(random) };
  const after = writer.encode([...files, added]);
  assert.equal(after.segments.filter((bytes, at) => bytes !== before.segments[at]).length, 1);
  assert.deepEqual(after, encodePrints([added, ...files]), 'what was kept is what would be written');
  const renamed = files.map((file, at) => (at === 5 ? { ...file, name: 'nama lain' } : file));
  assert.deepEqual(writer.encode(renamed), encodePrints(renamed));
  const prints = Prints.open(after);
  assert.ok(asks(prints, ['berkas', 'baru'], added.cid));
  assert.ok(!asks(prints, ['berkas', 'kata1']));
  for (const { name, cid } of files) assert.ok(asks(prints, wordsOf(name), cid));
  assert.ok(prints.memoryBytes < 5 * after.segments.reduce((sum, { length }) => sum + length, 0));
});

test('the number of segments holds while the library grows or shrinks a little', () => {
  const files = library(400, seededRandom(4));
  const writer = new PrintWriter();
  const counts = [256, 300, 330, 257, 120, 255].map((n) => writer.encode(files.slice(0, n)).segments.length);
  assert.deepEqual(counts, [1, 1, 2, 2, 1, 1]);
  assert.equal(encodePrints([]).segments.length, 1);
  assert.ok(!asks(Prints.open(encodePrints([])), ['a']));
});

test('who has too many files for prints is asked whatever the query is', () => {
  const many = Array.from({ length: PRINTS.maxFiles + 1 }, (_, at) => ({ name: `${at}`, size: 1, cid: 'c' }));
  const encoded = encodePrints(many);
  assert.deepEqual(encoded, { segments: [], partial: true });
  assert.ok(asks(Prints.open(encoded), ['anything']));
  // All with one CID, so all in one segment: more than a reader takes.
  assert.ok(encodePrints(many.slice(0, PRINTS.maxSegmentFiles + 1)).partial);
  assert.ok(new Prints([], false).mayHold(null), 'a query that prints cannot answer');
});

test('a segment is refused when it is cut anywhere, or followed by anything', () => {
  const bytes = encodePrints(library(131, seededRandom(5))).segments[0] ?? new Uint8Array();
  openSegment(bytes);
  for (let end = 0; end < bytes.length; end += 1)
    assert.throws(() => openSegment(bytes.subarray(0, end)), isRefused, `cut at ${end}`);
  assert.throws(() => openSegment(Uint8Array.of(...bytes, 0)), isRefused);
});

test('bits turned around are refused or read as some other prints, and nothing else happens', () => {
  const bytes = encodePrints(library(40, seededRandom(6))).segments[0] ?? new Uint8Array();
  const probe = probeOf({ words: ['kata1', 'kata2'], cid: null });
  let read = 0;
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const turned = bytes.slice();
    turned[bit >> 3] = (turned[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
    try {
      openSegment(turned).mayHold(probe);
      read += 1;
    } catch (thrown) {
      assert.ok(isRefused(thrown), String(thrown));
    }
  }
  assert.ok(read < bytes.length * 8);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
      noise[0] = 1;
      try {
        openSegment(noise).mayHold(probe);
      } catch (thrown) {
        assert.ok(isRefused(thrown), String(thrown));
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a short segment that claims much is refused before memory is taken for it', () => {
  for (const [files, words] of [
    [PRINTS.maxSegmentFiles, 0],
    [1, PRINTS.maxSegmentWords],
    [PRINTS.maxSegmentFiles + 1, 0],
    [1, PRINTS.maxSegmentWords + 1],
    [0, 1],
  ] as const) {
    const out = new BitWriter();
    out.bits(1, 8);
    out.gamma(files + 1);
    out.gamma(words + 1);
    for (let at = 0; at < 64; at += 1) out.bits(0, 32);
    assert.throws(() => openSegment(out.finish()), isRefused, `${files} files, ${words} words`);
  }
});

test('words that all files share cost nothing but themselves, and reading is linear all the same', () => {
  const shared = Array.from({ length: 500 }, (_, at) => at * 7);
  const files = Array.from({ length: 4_096 }, (_, at) => ({ cid: at * 1_000, words: shared }));
  const bytes = encodeSegment(files);
  assert.ok(bytes !== null && bytes.length < 16_000, `${bytes?.length} bytes`);
  const started = performance.now();
  const segment = openSegment(bytes);
  assert.ok(performance.now() - started < 500);
  assert.ok(segment.memoryBytes < 5 * bytes.length);
  assert.ok(segment.mayHold({ words: shared, cid: 4_095_000 }));
  assert.ok(!segment.mayHold({ words: [...shared, 1], cid: null }));
});

test('every code reads back what it wrote', () => {
  const number = fc.integer({ min: 0, max: 2 ** 28 - 1 });
  fc.assert(
    fc.property(fc.array(fc.tuple(number, fc.integer({ min: 14, max: 28 }), fc.nat(10_000))), (list) => {
      const out = new BitWriter();
      for (const [value, shift, more] of list) {
        out.rice(value, shift);
        out.gamma(value + 1);
        out.below(value, value + 1 + more);
      }
      const bytes = out.finish();
      const from = new BitReader(bytes);
      for (const [value, shift, more] of list) {
        assert.equal(from.rice(shift, value), value);
        assert.equal(from.gamma(value + 1), value + 1);
        assert.equal(from.below(value + 1 + more), value);
      }
      from.end();
    }),
  );
});

test('the hash is MurmurHash3, x86, 32 bits', () => {
  // Known answers of the reference code.
  assert.equal(murmur3('', 0), 0);
  assert.equal(murmur3('', 1), 0x514e28b7);
  assert.equal(murmur3('aaaa', 0x9747b28c), 0x5a97808a);
  assert.equal(murmur3('abc', 0), 0xb3dd93fa);
  assert.equal(murmur3('Hello, world!', 0x9747b28c), 0x24884cba);
  assert.equal(murmur3('ππππππππ', 0x9747b28c), 0xd58063c1);
  assert.equal(murmur3('x'.repeat(300), 5), murmur3('x'.repeat(300), 5));
});
