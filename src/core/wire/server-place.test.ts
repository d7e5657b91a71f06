import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KelanaError } from '../errors.ts';
import { decodeServerAsk, decodeServerPlace, encodeServerAsk, encodeServerPlace } from './server-place.ts';

const proof = fc.uint8Array({ minLength: 32, maxLength: 32 });
const host = fc.oneof(fc.constant(''), fc.ipV4(), fc.ipV6());

test('what is written is read back', () => {
  fc.assert(
    fc.property(proof, host, fc.integer({ min: 1, max: 65_535 }), (bytes, address, port) => {
      assert.deepEqual(decodeServerAsk(encodeServerAsk(bytes)), bytes);
      const place = { host: address, port, proof: bytes };
      assert.deepEqual(decodeServerPlace(encodeServerPlace(place)), place);
    }),
  );
});

test('anything else is refused as a breach of the protocol, whatever it is', () => {
  const good = encodeServerPlace({ host: '10.0.0.5', port: 8080, proof: new Uint8Array(32).fill(7) });
  const breaches = (bytes: Uint8Array): void => {
    for (const decode of [decodeServerAsk, decodeServerPlace]) {
      try {
        decode(bytes);
      } catch (thrown) {
        assert.ok(thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL');
      }
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 96 }), breaches));
  for (let at = 0; at < good.length; at += 1) {
    breaches(good.subarray(0, at));
    assert.throws(() => decodeServerPlace(good.subarray(0, at)), KelanaError);
  }
  const place = { port: 8080, proof: new Uint8Array(32) };
  for (const bad of [
    { ...place, host: 'evil.example' },
    { ...place, host: '', port: 0 },
    { ...place, host: '1'.repeat(46) },
    { ...place, host: '', proof: new Uint8Array(31) },
  ])
    assert.throws(() => decodeServerPlace(encodeServerPlace(bad)), KelanaError);
});
