import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { reportLines, progressLine } from './table.ts';
import { Tally, perSecond, type Histogram, type Outcome } from './report.ts';

/** A histogram that keeps every value. */
function exactHistogram(): Histogram {
  const values: number[] = [];
  return {
    record: (micros) => void values.push(micros),
    percentile: (percent) =>
      values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil((percent / 100) * values.length) - 1)] ?? 0,
  };
}

const tallyOf = (outcomes: readonly Outcome[]): Tally => {
  const tally = new Tally(exactHistogram(), exactHistogram());
  for (const outcome of outcomes) tally.add(outcome);
  return tally;
};

const done = { clients: 3, seconds: 2, notSent: 0, interrupted: false };

const outcome: fc.Arbitrary<Outcome> = fc.oneof(
  fc
    .record({
      server: fc.option(fc.string({ maxLength: 200, unit: 'binary' })),
      firstByteMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
      extra: fc.double({ min: 0, max: 1e6, noNaN: true }),
      sent: fc.nat(),
      received: fc.nat(),
      retries: fc.nat({ max: 2 }),
    })
    .map(({ extra, ...rest }) => ({ ok: true as const, ...rest, responseMs: rest.firstByteMs + extra })),
  fc.record({
    ok: fc.constant(false as const),
    server: fc.option(fc.constantFrom('a', '__proto__', 'constructor')),
    code: fc.constantFrom('HTTP_503', 'ECONNRESET', '__proto__'),
    retries: fc.nat({ max: 2 }),
  }),
);

suite('the report', () => {
  test('counts every outcome exactly once, whatever servers call themselves', () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 60 }), (outcomes) => {
        const report = tallyOf(outcomes).report(done);
        const sum = (counts: Readonly<Record<string, number>>): number =>
          Object.values(counts).reduce((total, count) => total + count, 0);
        assert.equal(report.requests, outcomes.length);
        assert.equal(report.ok + report.failed, report.requests);
        assert.equal(sum(report.errors), report.failed);
        assert.equal(sum(report.servers), outcomes.filter(({ server }) => server !== null).length);
        assert.equal(report.requestsPerSecond, outcomes.length / 2);
        const { p50, p90, p99, p999, max } = report.responseMs;
        const rising = [p50, p90, p99, p999, max].map((value) => value ?? 0);
        assert.deepEqual(
          rising,
          rising.toSorted((a, b) => a - b),
        );
        assert.deepEqual(
          Object.keys(JSON.parse(JSON.stringify(report.errors)) as object),
          Object.keys(report.errors),
        );
      }),
      { numRuns: 100 },
    );
  });

  test('has no percentiles where nothing was answered', () => {
    const report = tallyOf([{ ok: false, server: null, code: 'ECONNRESET', retries: 2 }]).report(done);
    assert.deepEqual(report.responseMs, {
      p50: null,
      p90: null,
      p99: null,
      p999: null,
      max: null,
      mean: null,
    });
    assert.deepEqual({ ...report.errors }, { ECONNRESET: 1 });
    assert.equal(report.retries, 2);
  });

  test('tells only so many names apart and counts the rest together', () => {
    const tally = tallyOf(
      Array.from({ length: 1_000 }, (_, index) => ({
        ok: false as const,
        server: `server ${index}`,
        code: 'X',
        retries: 0,
      })),
    );
    const names = Object.keys(tally.report(done).servers);
    assert.equal(names.length, 257);
    assert.equal(tally.report(done).servers['other'], 744);
  });

  test('divides by no time at all without an infinity', () => {
    assert.equal(perSecond(5, 0), 0);
  });
});

suite('the table', () => {
  test('fits its columns, is one line per line, and lets no name act on the terminal', () => {
    fc.assert(
      fc.property(
        fc.array(outcome, { maxLength: 30 }),
        fc.integer({ min: 40, max: 200 }),
        fc.constantFrom('id' as const, 'en' as const),
        (outcomes, columns, lang) => {
          const report = tallyOf(outcomes).report({ ...done, notSent: 5, interrupted: true });
          for (const line of reportLines(report, lang, columns)) {
            assert.ok(line.length <= Math.min(80, columns), `${line.length} > ${columns}: ${line}`);
            assert.doesNotMatch(line, /\p{Cc}/u);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('writes numbers as each language does', () => {
    const report = tallyOf(
      Array.from({ length: 1_500 }, () => ({
        ok: true as const,
        server: 'server1',
        firstByteMs: 1.5,
        responseMs: 1234.5,
        sent: 500,
        received: 500,
        retries: 0,
      })),
    ).report(done);
    const indonesian = reportLines(report, 'id', 80).join('\n');
    const english = reportLines(report, 'en', 80).join('\n');
    assert.match(indonesian, /Permintaan +1\.500 +1\.500 berhasil, 0 gagal/);
    assert.match(indonesian, /Waktu respon +1\.235/);
    assert.match(indonesian, /750,0 permintaan\/s, 750,00 kB\/s/);
    assert.match(english, /Requests +1,500 +1,500 ok, 0 failed/);
    assert.match(english, /First byte +1\.50 /);
    assert.match(english, /server1 +1,500 +100\.0 % +█+/);
  });

  test('shows the progress in one line with the time that is left', () => {
    const progress = {
      done: 500,
      total: 2_000,
      failed: 1,
      seconds: 10,
      durationSeconds: null,
      p50: 1.25,
      p99: null,
    };
    const line = progressLine(progress, 'id', 80);
    assert.equal(line, '500/2.000  50/s  p50 1,25 ms  p99 – ms  1 gagal  sisa 0:30');
    assert.ok(progressLine(progress, 'id', 30).length < 30);
    const timed = { ...progress, total: null, durationSeconds: 3_700 };
    assert.match(progressLine(timed, 'en', 80), /left 1:01:30$/);
  });
});
