import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { judgeRow } from '../claims.ts';
import { csvHead, csvLine } from '../csv.ts';
import { mergeSeeds } from '../row.ts';
import { SCENARIO, SCENARIOS } from '../scenarios.ts';
import { rowFor } from '../testkit.ts';
import { htmlReport } from './html.ts';
import { linearScale, logScale } from './scale.ts';
import { escapeHtml } from './svg.ts';
import { tableHead, tableLine } from './table.ts';

const row = await rowFor({
  nodes: 100,
  strategy: 'groups',
  copies: { kind: 'count', count: 1 },
  queries: 10,
});
const about = { scenario: null, seed: 1, seeds: 1, prints: null, lang: 'en' } as const;

test('the page fetches nothing, runs nothing, and escapes what comes from outside', () => {
  const evil = { ...row, graph: '<script>alert("1")</script>' };
  const page = htmlReport([{ row: evil, single: [evil], judgements: [], title: 'row' }], about);
  assert.ok(!page.includes('<script'));
  assert.ok(page.includes('&lt;script&gt;'));
  assert.doesNotMatch(page, /(?:src|href|url)\s*[=(]/);
  assert.match(page, /default-src 'none'/);
});

test('the page is written in the language asked for, with a plot of messages, hops and load', () => {
  const list = [{ row, single: [row], judgements: [], title: 'row' }];
  const en = htmlReport(list, about);
  const id = htmlReport(list, { ...about, lang: 'id' });
  assert.match(en, /<html lang="en">[^]*Load per node/);
  assert.match(id, /<html lang="id">[^]*Beban per node/);
  assert.equal(en.split('<svg').length - 1, 3);
});

test('rows that differ in churn or size get a line each', () => {
  const rows = [0, 0.1, 0.2].map((churn) => ({ ...row, churn, recall: 1 - churn / 10 }));
  const sizes = [100, 1_000].map((nodes) => ({ ...row, nodes }));
  const page = htmlReport(
    [...rows, ...sizes].map((one) => ({ row: one, single: [one], judgements: [], title: 'row' })),
    about,
  );
  assert.match(page, /Recall under churn/);
  assert.match(page, /Growth/);
});

test('escaped text holds no character that ends text or an attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      assert.doesNotMatch(escapeHtml(text), /[<>"']/);
    }),
  );
});

test('scales put every value on the axis, in order, and name values on it', () => {
  const values = fc.array(fc.double({ min: 0.001, max: 1e7, noNaN: true }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(values, (list) => {
      for (const scale of [logScale(list, 500), linearScale(list, 500)]) {
        const places = list.toSorted((a, b) => a - b).map(scale.at);
        for (const [at, place] of places.entries()) {
          assert.ok(place >= -1e-6 && place <= 500 + 1e-6);
          assert.ok(place >= (places[at - 1] ?? 0) - 1e-6);
        }
        assert.ok(scale.ticks.length >= 2 && scale.ticks.length <= 12);
      }
    }),
  );
});

test('a table line is as wide as its head, and CSV has a field for each of its names', () => {
  for (const lang of ['id', 'en'] as const) assert.equal(tableLine(row, lang).length, tableHead(lang).length);
  assert.equal(csvLine(row).split(',').length, csvHead(row).split(',').length);
  assert.ok(csvLine({ ...row, graph: '=1+1,"x"' }).startsWith('"\'=1+1,""x"""'));
});

test('rows of several seeds become one: counts add up, figures are averaged, the spread is kept', () => {
  const merged = mergeSeeds([
    row,
    { ...row, messagesMean: row.messagesMean + 2, messagesMin: 0, recall: null },
  ]);
  assert.equal(merged.queries, 20);
  assert.equal(merged.messagesMean, Number((row.messagesMean + 1).toFixed(4)));
  assert.deepEqual([merged.messagesMin, merged.messagesMax], [row.messagesMean, row.messagesMean + 2]);
  assert.deepEqual([merged.seeds, merged.recall], [2, row.recall]);
});

test('claims are judged: at most, at least, within a share, or only shown', () => {
  const judged = judgeRow({ ...row, messagesMean: 9.5 }, [
    { figure: 'messagesMean', kind: 'most', value: 9 },
    { figure: 'messagesMean', kind: 'least', value: 9 },
    { figure: 'messagesMean', kind: 'within', value: 10, share: 0.05 },
    { figure: 'messagesMean', kind: 'within', value: 10, share: 0 },
  ]);
  assert.deepEqual(
    judged.map(({ ok, ratio }) => [ok, ratio]),
    [
      [false, 1.0556],
      [true, 1.0556],
      [true, 0.95],
      [null, 0.95],
    ],
  );
});

test('every scenario says what it is in both languages and has cells', () => {
  for (const name of SCENARIOS) {
    const { summary, cells, seeds } = SCENARIO[name];
    assert.ok(summary.id !== '' && summary.en !== '' && cells.length > 0 && seeds > 0);
  }
});
