import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KelanaError } from '../errors.ts';
import { parseSource, scaledWeight, usedRecords } from './source.ts';

test('names are read with their port and options, and anything else is left to others or refused', () => {
  assert.deepEqual(parseSource('dns://App.Example.:8080,weight=2,max=9'), {
    kind: 'dns',
    text: 'dns://App.Example.:8080,weight=2,max=9',
    name: 'app.example',
    port: 8080,
    options: ',weight=2,max=9',
    weighted: true,
  });
  assert.equal(parseSource('srv://_http._tcp.app.example')?.name, '_http._tcp.app.example');
  assert.equal(parseSource('http://localhost:8080'), null);
  for (const text of [
    'dns://app.example',
    'dns://:80',
    'dns://a b:80',
    'dns://app.example:0',
    'dns://app.example:65536',
    'dns://app.example:80/path',
    'dns://10.0.0.5:80',
    'dns://-a.example:80',
    `dns://${'a'.repeat(64)}.example:80`,
    'srv://app.example:80',
    'srv://',
  ])
    assert.throws(
      () => parseSource(text),
      (error) => error instanceof KelanaError && error.code === 'BAD_VALUE',
      text,
    );
});

test('of SRV records only the lowest priority counts, and a target of a dot is no server', () => {
  const record = fc.record({
    name: fc.constantFrom('a.test', 'b.test', '.', ''),
    port: fc.integer({ min: 0, max: 65_535 }),
    priority: fc.integer({ min: 0, max: 3 }),
    weight: fc.integer({ min: 0, max: 65_535 }),
  });
  fc.assert(
    fc.property(fc.array(record), (records) => {
      const used = usedRecords(records);
      const good = records.filter(({ name, port }) => name.length > 1 && port > 0);
      const lowest = Math.min(...good.map(({ priority }) => priority));
      assert.equal(used.length, Math.min(64, good.filter(({ priority }) => priority === lowest).length));
      assert.ok(used.every(({ priority, name }) => priority === lowest && name.length > 1));
    }),
  );
});

test('weights of records stay in order and in bounds', () => {
  const weight = fc.integer({ min: 0, max: 65_535 });
  fc.assert(
    fc.property(weight, weight, (a, b) => {
      const largest = Math.max(a, b);
      const [x, y] = [scaledWeight(a, largest, 1000), scaledWeight(b, largest, 1000)];
      assert.ok(x >= 1 && x <= 1000);
      assert.ok(a < b ? x <= y : x >= y);
    }),
  );
});
