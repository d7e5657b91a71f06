import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../core/random.ts';
import { matches } from '../core/search/query.ts';
import { Catalogue, cidOf, distinct, REPLICATIONS } from './content.ts';
import { Keywords } from './keywords.ts';
import { Libraries, wordText } from './libraries.ts';
import { parseCopies, parseNodes, parsePercent } from './parse.ts';
import { copiesOf } from './plan.ts';

const base = {
  nodes: 5_000,
  copies: 50,
  replication: 'uniform',
  zipf: 0,
  misses: 0,
  cid: false,
  seed: 1,
} as const;

test('uniform replication gives each object exactly as many copies as asked for', () => {
  const catalogue = new Catalogue(base);
  for (let number = 0; number < 200; number += 1) {
    const { holders } = catalogue.question(number);
    assert.equal(new Set(holders).size, 50);
  }
});

test('proportional and square-root replication give what is asked for often more copies, the mean unchanged', () => {
  const copiesOfAll = (replication: (typeof REPLICATIONS)[number]) => {
    const catalogue = new Catalogue({ ...base, replication, zipf: 1.2 });
    const copies = new Map<string, number>();
    for (let number = 0; number < 6_000; number += 1) {
      const { query, holders } = catalogue.question(number);
      if (query.kind === 'name') copies.set(query.name.split('-')[1] ?? '', holders.length);
    }
    return copies;
  };
  const [uniform, proportional, root] = REPLICATIONS.map(copiesOfAll);
  assert.equal(uniform?.get('0'), 50);
  assert.ok((proportional?.get('0') ?? 0) > (root?.get('0') ?? 0));
  assert.ok((root?.get('0') ?? 0) > 50);
  assert.ok((root?.get('60') ?? 50) < 50);
});

test('a question is the same whenever it is asked, its holders match it and nobody else is one', () => {
  fc.assert(
    fc.property(fc.nat(10_000), fc.nat(), fc.boolean(), (number, seed, cid) => {
      const one = new Catalogue({ ...base, seed, cid, misses: 0.3 }).question(number);
      const other = new Catalogue({ ...base, seed, cid, misses: 0.3 }).question(number);
      assert.deepEqual([one.query, one.holders], [other.query, other.holders]);
      for (const holder of one.holders)
        for (const holding of one.holdings(holder)) assert.ok(matches(one.query, holding));
    }),
  );
});

test('distinct numbers are distinct, up to all there are', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.integer({ min: 1, max: 200 }), fc.nat(), (count, below, seed) => {
      const list = distinct(count, below, seededRandom(seed));
      assert.equal(new Set(list).size, Math.min(count, below));
      assert.ok(list.every((one) => one < below));
    }),
  );
});

test('keyword questions name every holder of a file with all the words, and only those', () => {
  const libraries = new Libraries(40, 2);
  const keywords = new Keywords(libraries, 0.25, 2);
  const shelves = Array.from({ length: 40 }, (_, node) => libraries.library(node));
  let misses = 0;
  for (let number = 0; number < 60; number += 1) {
    const question = keywords.question(number);
    const { query, holders, suspects } = question;
    const truth = shelves.flatMap((shelf, node) =>
      shelf.some((file) => matches(query, file)) ? [node] : [],
    );
    assert.deepEqual(
      [...holders].sort((a, b) => a - b),
      truth,
    );
    assert.ok([...suspects].every((node) => !truth.includes(node)));
    for (const node of holders) assert.ok(question.holdings(node).every((file) => matches(query, file)));
    if (truth.length === 0) misses += 1;
  }
  assert.ok(misses >= 5 && misses <= 30, String(misses));
});

test('a word of the vocabulary is one word, and a CID is one that kelana reads', () => {
  assert.match(wordText(39_999), /^k[a-z0-9]+$/);
  assert.ok(matches({ kind: 'cid', cid: cidOf(7) }, { name: 'x', size: 1, cid: cidOf(7) }));
});

test('copies, sizes and percent are read as people write them', () => {
  assert.deepEqual(parseCopies('3'), { kind: 'count', count: 3 });
  assert.equal(copiesOf(parseCopies('0.1%'), 10_000), 10);
  assert.equal(copiesOf(parseCopies('0.1%'), 100), 1);
  assert.equal(copiesOf(parseCopies('0'), 100), 0);
  assert.deepEqual(['10k', '1M', '1500'].map(parseNodes), [10_000, 1_000_000, 1_500]);
  assert.equal(parsePercent('20%', '--churn'), 0.2);
  for (const text of ['', '-1', '1.5', '101%', 'x', '1e3'])
    assert.throws(() => parseCopies(text), /--copies/);
  for (const text of ['1', '2M', '1.5', 'k', '']) assert.throws(() => parseNodes(text), /--nodes/);
  for (const text of ['120', '-1%', '']) assert.throws(() => parsePercent(text, '--churn'), /--churn/);
});
