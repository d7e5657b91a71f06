import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { NO_FIGURES, sumFigures, Tally } from '../balance/figures.ts';
import { balancerMetrics, type BalancerFigures } from './balancer-metrics.ts';

function figuresOf(name: string, times: readonly number[]): BalancerFigures {
  const tally = new Tally();
  for (const ms of times) tally.ended(200, ms, 10, 1);
  const more = { state: 'up', weight: 2, active: 1, idle: 3, requests: times.length, failures: 0 };
  return {
    active: 1,
    queued: 0,
    connections: 5,
    workers: 1,
    own: NO_FIGURES,
    backends: [{ name, ...more, figures: tally.plain() }],
  };
}

test('buckets rise, the last one is the count, and each holds what is at or below its bound', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 300_000, noNaN: true }), { maxLength: 60 }), (times) => {
      const text = balancerMetrics(figuresOf('a:1', times));
      const rows = [...text.matchAll(/request_seconds_bucket\{backend="a:1",le="([^"]+)"\} (\d+)/g)];
      let last = 0;
      for (const [, bound, told] of rows) {
        const [most, count] = [bound === '+Inf' ? Infinity : 1000 * Number(bound), Number(told)];
        assert.ok(count >= last, 'counts never fall');
        assert.ok(count <= times.filter((ms) => ms <= most * (1 + 1e-9)).length, 'none that is longer');
        last = count;
      }
      assert.equal(last, times.length);
      assert.match(text, new RegExp(`request_seconds_count\\{backend="a:1"\\} ${times.length}\n`));
    }),
  );
});

test('every line is of the text format, also where a name is hostile', () => {
  const text = balancerMetrics(figuresOf('a"} 1\nevil{x="\\', [1, 2, 3]));
  const line = /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="([^"\\\n]|\\["\\n])*",?)*\})? [\d.e+-]+)$/;
  for (const each of text.trimEnd().split('\n')) assert.match(each, line);
  assert.match(text, /requests_total\{backend="a\\"\} 1\\nevil\{x=\\"\\\\",status="2xx"\} 3\n/);
});

test('errors of its own are told by what they were, ejections by why, and there is a bound to both', () => {
  const own = new Tally();
  for (const cause of ['NO_SERVER', 'BAD_REQUEST no Host', 'NO_SERVER']) own.because(cause);
  const figures = figuresOf('a:1', []);
  const tally = new Tally();
  tally.because('in-a-row');
  const backends = figures.backends.map((row) => ({ ...row, figures: tally.plain() }));
  const text = balancerMetrics({
    ...figures,
    own: sumFigures([own.plain(), NO_FIGURES, own.plain()]),
    backends,
  });
  assert.match(text, /_errors_total\{error="BAD_REQUEST",reason="no Host"\} 2\n/);
  assert.match(text, /_errors_total\{error="NO_SERVER",reason=""\} 4\n/);
  assert.match(text, /_backend_ejections_total\{backend="a:1",reason="in-a-row"\} 1\n/);
  for (let each = 0; each < 1_000; each += 1) own.because(`cause ${each}`);
  const { causes = {} } = own.plain();
  assert.ok(Object.keys(causes).length <= 129);
  assert.equal(
    Object.values(causes).reduce((sum, count) => sum + count, 0),
    1_003,
  );
});
