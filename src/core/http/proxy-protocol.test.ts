import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp } from './ip.ts';
import { ProxyHeaderParser, proxyHeader, type ProxyAddresses, type ProxyResult } from './proxy-protocol.ts';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const SIGNATURE = '\r\n\r\n\0\r\nQUIT\n';

/** All that it says of these bytes, in pieces of the given sizes: the result, and all that came after the head. */
function read(
  input: Uint8Array,
  sizes: readonly number[] = [],
): { result: ProxyResult | undefined; rest: number[] } {
  const parser = new ProxyHeaderParser();
  let result: ProxyResult | undefined;
  const rest: number[] = [];
  let at = 0;
  for (let turn = 0; at < input.length; turn += 1) {
    const piece = input.subarray(at, at + (sizes[turn] ?? input.length));
    at += piece.length;
    if (result !== undefined) rest.push(...piece);
    else {
      result = parser.push(piece);
      if (result?.type === 'header') rest.push(...result.rest);
    }
  }
  return { result, rest };
}

/** What is said must not depend on where the bytes are split: tried at every boundary, and byte by byte. */
function everywhere(input: Uint8Array): { result: ProxyResult | undefined; rest: number[] } {
  const told = ({ result, rest }: ReturnType<typeof read>) =>
    result?.type === 'header' ? { header: result.header, rest } : { result };
  const whole = read(input);
  for (let cut = 1; cut < input.length; cut += 1)
    assert.deepEqual(told(read(input, [cut])), told(whole), `cut at ${cut}`);
  assert.deepEqual(
    told(
      read(
        input,
        Array.from(input, () => 1),
      ),
    ),
    told(whole),
  );
  return whole;
}

function source(input: Uint8Array): string {
  const { result } = everywhere(input);
  assert.equal(result?.type, 'header', JSON.stringify(result));
  const addresses = result?.type === 'header' ? result.header.addresses : null;
  return addresses === null ? '-' : `${addresses.source.address} ${addresses.source.port}`;
}

function why(input: Uint8Array): string {
  const { result } = everywhere(input);
  return result?.type === 'error' ? result.why : `no error: ${JSON.stringify(result)}`;
}

test('version 1 names the client, and what follows is left as it was', () => {
  assert.equal(source(bytes('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n')), '192.0.2.7 56324');
  assert.equal(source(bytes('PROXY TCP6 2001:DB8::7 ::1 1 65535\r\n')), '2001:db8::7 1');
  const { rest } = everywhere(bytes('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET / HTTP/1.1\r\n'));
  assert.equal(String.fromCharCode(...rest), 'GET / HTTP/1.1\r\n');
});

test('UNKNOWN and LOCAL name nobody, whatever they carry', () => {
  assert.equal(source(bytes('PROXY UNKNOWN\r\n')), '-');
  assert.equal(source(bytes('PROXY UNKNOWN ffff:: ffff:: 65535 65535 and more\r\n')), '-');
  assert.equal(source(bytes(`${SIGNATURE}\x20\x00\x00\x00`)), '-');
  assert.equal(source(bytes(`${SIGNATURE}\x20\xff\x00\x03abc`)), '-');
  assert.equal(source(bytes(`${SIGNATURE}\x21\x00\x00\x02ab`)), '-', 'UNSPEC');
  assert.equal(source(bytes(`${SIGNATURE}\x21\x31\x00\xd8${'\0'.repeat(216)}`)), '-', 'UNIX');
});

test('version 2 names the client, and skips extensions that are whole', () => {
  const v4 = `${SIGNATURE}\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb`;
  assert.equal(source(bytes(v4)), '192.0.2.7 56324');
  const extended = v4.replace('\x00\x0c', '\x00\x14') + '\x01\x00\x02h2\x04\x00\x00';
  assert.equal(source(bytes(extended)), '192.0.2.7 56324');
  assert.match(why(bytes(extended.replace('\x01\x00\x02h2', '\x01\x00\x09h2'))), /cut extension/);
});

test('a checksum that does not match is refused', () => {
  const head = `${SIGNATURE}\x21\x11\x00\x13\xc0\x00\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb\x03\x00\x04`;
  assert.match(why(bytes(`${head}\0\0\0\0`)), /wrong checksum/);
  // CRC-32C of the head with four zeros, by the reflected polynomial 0x82f63b78.
  let crc = 0xffffffff;
  for (const byte of bytes(`${head}\0\0\0\0`)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  const sum = new Uint8Array(4);
  new DataView(sum.buffer).setUint32(0, (crc ^ 0xffffffff) >>> 0);
  assert.equal(source(bytes(head + String.fromCharCode(...sum))), '192.0.2.7 56324');
});

const BAD: Readonly<Record<string, RegExp>> = {
  'GET / HTTP/1.1\r\n': /no PROXY header/,
  'PROXy TCP4': /no PROXY header/,
  'proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n': /no PROXY header/,
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n': /CRLF/,
  'PROXY TCP4 1.2.3.4 1.2.3.4\r1 1\r\n': /CRLF/,
  'PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n': /malformed address/,
  'PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n': /malformed address/,
  'PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n': /malformed address/,
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n': /malformed address/,
  'PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n': /malformed address/,
  'PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n': /malformed PROXY line/,
  'PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n': /malformed/,
  'PROXY TCP4 ::1 ::1 1 1\r\n': /malformed address/,
  'PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n': /malformed address/,
  'PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n': /malformed address/,
  'PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n': /malformed PROXY line/,
  [`PROXY UNKNOWN ${'x'.repeat(120)}\r\n`]: /too long/,
  '\r\n\r\n\0\r\nQUIT\r': /no PROXY header/,
  [`${SIGNATURE}\x11\x11\x00\x0c${'\0'.repeat(12)}`]: /unknown version/,
  [`${SIGNATURE}\x22\x11\x00\x0c${'\0'.repeat(12)}`]: /unknown command/,
  [`${SIGNATURE}\x21\x41\x00\x0c${'\0'.repeat(12)}`]: /unknown family/,
  [`${SIGNATURE}\x21\x13\x00\x0c${'\0'.repeat(12)}`]: /unknown family/,
  [`${SIGNATURE}\x21\x11\x00\x0b${'\0'.repeat(11)}`]: /shorter than its addresses/,
  [`${SIGNATURE}\x21\x21\x00\x0c${'\0'.repeat(12)}`]: /shorter than its addresses/,
  [`${SIGNATURE}\x21\x11\xff\xff`]: /too long/,
};
for (const [input, says] of Object.entries(BAD))
  test(`refused: ${JSON.stringify(input).slice(0, 60)}`, () => assert.match(why(bytes(input)), says));

test('a peer that speaks something else is told at its first wrong byte', () => {
  assert.equal(read(bytes('G')).result?.type, 'error');
  assert.equal(read(bytes('PROXI')).result?.type, 'error');
  assert.equal(read(bytes('\r\n\r\nG')).result?.type, 'error');
});

const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
);
const port = fc.integer({ min: 0, max: 65_535 });

test('what is written is read again, in both versions and across families', () => {
  fc.assert(
    fc.property(address, address, port, port, fc.uint8Array(), (from, to, p, q, rest) => {
      const addresses: ProxyAddresses = {
        source: { address: formatIp(from), port: p },
        destination: { address: formatIp(to), port: q },
      };
      for (const version of [1, 2] as const) {
        const head = proxyHeader(version, addresses);
        const { result, rest: left } = everywhere(Uint8Array.from([...head, ...rest.subarray(0, 20)]));
        assert.deepEqual(result?.type === 'header' ? result.header : result, { version, addresses });
        assert.deepEqual(left, [...rest.subarray(0, 20)]);
      }
    }),
    { numRuns: 100 },
  );
});

test('a health check speaks for itself', () => {
  assert.equal(source(proxyHeader(1, null)), '-');
  assert.equal(source(proxyHeader(2, null)), '-');
});

test('no bytes whatever break it, and how they are split changes nothing', () => {
  const start = fc.constantFrom(
    '',
    'PROXY ',
    'PROXY TCP4 ',
    'PROXY TCP6 ::1 ',
    SIGNATURE,
    `${SIGNATURE}\x21\x11\x00`,
  );
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 60 }), (prefix, noise) => {
      everywhere(Uint8Array.from([...bytes(prefix), ...noise]));
    }),
    { numRuns: 500 },
  );
});
