import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Tally, type Figures } from '../balance/figures.ts';
import { sparkline, topLines, type TopSample, type TopView } from './top.ts';

function figures(count: number, status = 200, ms = 4): Figures {
  const tally = new Tally();
  for (let at = 0; at < count; at += 1) tally.ended(status, ms, 1_000, status === 500 ? 1 : 0);
  return tally.plain();
}

const view = (one: Figures, two: Figures): TopView => ({
  url: 'http://localhost:8000',
  method: 'round-robin',
  active: 3,
  queued: 1,
  connections: 7,
  own: figures(0),
  backends: [
    { name: 'localhost:8080', state: 'up', weight: 1, active: 2, figures: one },
    { name: 'localhost:8081', state: 'down', weight: 2, active: 0, figures: two },
  ],
});

const SAMPLES: readonly TopSample[] = [
  { at: 0, view: view(figures(1_000), figures(1_000)) },
  { at: 2_000, view: view(figures(3_000), figures(1_500, 500)) },
];

test('rates, percentiles and shares are of the time between two looks, not since the start', () => {
  const text = topLines(SAMPLES, 200, 'en').join('\n');
  assert.match(text, /^http:\/\/localhost:8000 {2}method round-robin$/m);
  assert.match(text, /3 active {2}1 queued {2}7 connections/);
  assert.match(text, /localhost:8080 +up +1 +1,000 +█{12} +2 +4\.\d+ +4\.\d+ +4\.\d+ +0 +0/);
  // All of the second one's, since it began anew: 1,500 in 2 s, each sent twice.
  assert.match(text, /localhost:8081 +down +2 +750 +█{9}░{3} +0 +4\.\d+ +4\.\d+ +4\.\d+ +750 +750/);
  assert.match(text, /^1,750 requests\/s/m);
});

test('both languages have the same rows, with words and numbers of their own', () => {
  const lines = topLines(SAMPLES, 200, 'id');
  assert.equal(lines.length, topLines(SAMPLES, 200, 'en').length);
  assert.match(lines.join('\n'), /localhost:8081 +mati/);
  assert.match(lines.join('\n'), /1\.750 permintaan\/dtk/);
});

test('no line is longer than the terminal; the names and rates stay when it is narrow', () => {
  fc.assert(
    fc.property(fc.integer({ min: 20, max: 200 }), (columns) => {
      const lines = topLines(SAMPLES, columns, 'en');
      for (const line of lines) assert.ok(line.length <= columns, line);
      if (columns >= 30) assert.match(lines.join('\n'), /localhost:8080 .*1,000/);
    }),
  );
});

test('a hostile name does not move the cursor', () => {
  const base = view(figures(1), figures(1));
  const [first] = base.backends;
  assert.ok(first);
  const evil = {
    ...base,
    method: '\x1b[2J',
    backends: [{ ...first, name: 'a\x1b[31m\r\n\u202eb', state: '\x07' }],
  };
  const text = topLines([{ at: 0, view: evil }], 120, 'en').join('');
  assert.doesNotMatch(text, /\p{C}/u);
});

test('a first look has no rate yet, and nothing to show draws nothing', () => {
  assert.match(topLines(SAMPLES.slice(0, 1), 120, 'en').join('\n'), /localhost:8080 +up +1 +0/);
  assert.deepEqual(topLines([], 80, 'en'), []);
});

test('a line of blocks shows the last values, the largest as the full one', () => {
  assert.equal(sparkline([0, 1, 2, 4, 8], 4), '▂▃▅█');
  assert.equal(sparkline([0, 0], 4), '▁▁');
  assert.equal(sparkline([], 4), '');
});
