import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Tally } from '../core/load/report.ts';
import { createHistogram } from './histogram.ts';

/** The value at or below which `percent` of the sorted values lie. */
function exact(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? Number.NaN;
}

test('percentiles are within 0.1 % and 1 µs of the exact ones', () => {
  const micros = fc.oneof(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 60_000_000 }));
  fc.assert(
    fc.property(fc.array(micros, { minLength: 1, maxLength: 2_000 }), (values) => {
      const tally = new Tally(createHistogram(), createHistogram());
      for (const value of values) {
        tally.add({
          ok: true,
          server: null,
          firstByteMs: value / 2000,
          responseMs: value / 1000,
          sent: 1,
          received: 2,
          retries: 0,
        });
      }
      const sorted = values.toSorted((a, b) => a - b).map((value) => value / 1000);
      const { responseMs } = tally.report({ clients: 1, seconds: 2, notSent: 0, interrupted: false });
      for (const [name, percent] of [
        ['p50', 50],
        ['p90', 90],
        ['p99', 99],
        ['p999', 99.9],
        ['max', 100],
      ] as const) {
        const right = exact(sorted, percent);
        const got = responseMs[name] ?? Number.NaN;
        assert.ok(Math.abs(got - right) <= right * 0.001 + 0.001, `${name}: ${got}, exact ${right}`);
      }
      const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
      assert.ok(Math.abs((responseMs.mean ?? Number.NaN) - mean) <= 0.001);
    }),
    { numRuns: 60 },
  );
});

test('a value beyond the histogram counts as its highest', () => {
  const histogram = createHistogram();
  histogram.record(Number.MAX_SAFE_INTEGER);
  assert.ok(histogram.percentile(50) >= 3_600_000_000 * 0.999);
});
