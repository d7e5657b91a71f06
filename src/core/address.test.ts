import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { KelanaError } from './errors.ts';
import { formatHostPort, labelOf, parsePeerAddress } from './address.ts';

test('the three ways to write an address mean the same place', () => {
  const peer = '12D3KooWPV4ADPVJJzvApzcobkZqYHRHZFgtQKGfDdguCdxdi5Rs';
  assert.deepEqual(parsePeerAddress('localhost:5002'), { host: 'localhost', port: 5002, peer: null });
  assert.deepEqual(parsePeerAddress('kelana:192.168.1.5:5002'), {
    host: '192.168.1.5',
    port: 5002,
    peer: null,
  });
  assert.deepEqual(parsePeerAddress(`/ip4/10.0.0.1/tcp/5002/p2p/${peer}`), {
    host: '10.0.0.1',
    port: 5002,
    peer,
  });
  assert.deepEqual(parsePeerAddress(`kelana:/ip6/fe80::1/tcp/5002/p2p/${peer}`), {
    host: 'fe80::1',
    port: 5002,
    peer,
  });
  assert.deepEqual(parsePeerAddress('[::1]:5002'), { host: '::1', port: 5002, peer: null });
});

test('what is no address is refused with an example, whatever it is', () => {
  const bad = [
    '',
    'localhost',
    ':5001',
    'localhost:0',
    'localhost:65536',
    'localhost:x',
    'a b:1',
    '[::1]',
    '::1:5001',
    'http://x:1',
    '-a:1',
  ];
  for (const text of [
    ...bad,
    '/ip4/1.2.3.4/udp/1',
    '/ip4/1.2.3.4/tcp/99999',
    'x\n:1',
    `${'a'.repeat(300)}:1`,
    'é:1',
  ]) {
    assert.throws(() => parsePeerAddress(text), { code: 'BAD_VALUE' }, text);
  }
  fc.assert(
    fc.property(fc.string({ maxLength: 80 }), (text) => {
      try {
        const { host, port } = parsePeerAddress(text);
        assert.deepEqual(parsePeerAddress(formatHostPort(host, port)).port, port);
      } catch (thrown) {
        assert.ok(thrown instanceof KelanaError && thrown.code === 'BAD_VALUE');
      }
    }),
  );
});

test('addresses of this machine are shown as localhost', () => {
  assert.equal(labelOf('0.0.0.0', 5001), 'localhost:5001');
  assert.equal(labelOf('127.0.0.1', 5001), 'localhost:5001');
  assert.equal(labelOf('192.168.137.92', 8002), '192.168.137.92:8002');
  assert.equal(labelOf('fe80::1', 8002), '[fe80::1]:8002');
});

test('the example shows how the address is written there', () => {
  const example = (...where: [] | [string, string]): unknown => {
    try {
      return parsePeerAddress('foo', ...where);
    } catch (thrown) {
      return thrown instanceof KelanaError ? thrown.params['example'] : thrown;
    }
  };
  assert.equal(example(), '--peer 192.168.1.5:5001');
  assert.equal(example('ADDR', 'kelana peers add'), 'kelana peers add 192.168.1.5:5001');
});
