import assert from 'node:assert/strict';
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp, parseIpv4, parseIpv6, sourceOf } from './ip.ts';

test('every address is written as Node writes it, and read again', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.nat(7),
      fc.nat(7),
      (bytes, from, length) => {
        bytes.fill(0, 2 * from, 2 * (from + length));
        const text = formatIp(bytes);
        const parsed = parseIpv6(text) ?? parseIpv4(text);
        assert.ok(parsed !== null, text);
        if (parsed.length === 16) assert.deepEqual(parsed, bytes);
        if (!text.includes('.') && !bytes.subarray(0, 12).every((byte) => byte === 0))
          assert.equal(text, new SocketAddress({ address: text, family: 'ipv6' }).address);
      },
    ),
  );
});

test('what is taken for an address is one for Node too', () => {
  const piece = fc.constantFrom('1', '12', '256', '::', ':', '.', 'ff', '0', '01', 'g', '1.2.3.4', '%1', ' ');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
      const text = pieces.join('');
      if (parseIpv4(text) !== null) assert.ok(isIPv4(text), text);
      if (!text.includes('%')) assert.equal(parseIpv6(text) !== null, isIPv6(text), text);
    }),
    { numRuns: 3000 },
  );
});

test('IPv6 clients are one source by their first 64 bits, IPv4 ones by their address', () => {
  assert.equal(sourceOf('192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(sourceOf('2001:db8:1:2:3:4:5:6'), sourceOf('2001:db8:1:2::9'));
  assert.notEqual(sourceOf('2001:db8:1:2::1'), sourceOf('2001:db8:1:3::1'));
  assert.equal(sourceOf('2001:db8:1:2::1'), '2001:db8:1:2::/64');
});
