import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { BadResponse, ResponseReader } from './response.ts';

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const readerOf = (maxKeptBytes = 100): ResponseReader =>
  new ResponseReader({ maxHeadBytes: 1024, maxKeptBytes }, latin1);

interface Result {
  status: number;
  server: string | null;
  bodyBytes: number;
  keepAlive: boolean;
  body: string;
}

/** Feeds the pieces, then the end of the stream; the result, or the fault's message. */
function read(pieces: readonly Uint8Array[], ends: boolean): Result | string {
  const reader = readerOf();
  reader.start();
  try {
    let done = false;
    for (const piece of pieces) done = reader.push(piece);
    if (!done && (!ends || !reader.end())) return 'incomplete';
  } catch (thrown) {
    if (thrown instanceof BadResponse) return thrown.message;
    throw thrown;
  }
  const { status, server, bodyBytes, keepAlive } = reader;
  return { status, server, bodyBytes, keepAlive, body: latin1(reader.body()) };
}

const GOOD: Readonly<Record<string, { text: string; expected: Partial<Result>; ends?: boolean }>> = {
  'a body of known length': {
    text: 'HTTP/1.1 201 Created\r\nX-Kelana-Server: server 1\r\nContent-Length: 4\r\n\r\nhalo',
    expected: { status: 201, server: 'server 1', body: 'halo', bodyBytes: 4, keepAlive: true },
  },
  'no reason phrase, no body': {
    text: 'HTTP/1.1 200\r\ncontent-length:0 \t\r\n\r\n',
    expected: { status: 200, bodyBytes: 0, keepAlive: true },
  },
  '204 without a length': {
    text: 'HTTP/1.1 204 No Content\r\n\r\n',
    expected: { status: 204, bodyBytes: 0, keepAlive: true },
  },
  'chunks with extensions and trailers': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nha\r\n002\r\nlo\r\n0\r\nX-T: 1\r\n\r\n',
    expected: { body: 'halo', bodyBytes: 4, keepAlive: true },
  },
  'an interim response before the final one': {
    text: 'HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx',
    expected: { status: 201, body: 'x' },
  },
  'a body that ends with the connection': {
    text: 'HTTP/1.0 200 OK\r\n\r\nhalo',
    expected: { body: 'halo', keepAlive: false },
    ends: true,
  },
  'a connection that closes afterwards': {
    text: 'HTTP/1.1 503 Busy\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n',
    expected: { status: 503, keepAlive: false },
  },
  'bytes after the end spoil the connection, not the answer': {
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n',
    expected: { status: 200, body: 'ok', keepAlive: false },
  },
  'an obs-text byte in a value': {
    text: 'HTTP/1.1 200 \xff\r\nX-Kelana-Server: \xe9\r\nContent-Length: 0\r\n\r\n',
    expected: { server: '\xe9' },
  },
};

const BAD: Readonly<Record<string, string>> = {
  'not HTTP at all': 'SSH-2.0-OpenSSH_9.2\r\n\r\n',
  'HTTP/2': 'HTTP/2 200 OK\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\n\r\n',
  'status 000': 'HTTP/1.1 000 OK\r\n\r\n',
  'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
  'a length list': 'HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx',
  'a signed length': 'HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx',
  'an empty length': 'HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n',
  'a huge length': 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n',
  'length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'chunks in HTTP/1.0': 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'another coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  'a space before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n',
  'a folded line': 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n',
  'an empty header name': 'HTTP/1.1 200 OK\r\n: a\r\n\r\n',
  'a bare line feed in the head': 'HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n',
  'a bare carriage return': 'HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n',
  'a bare line feed after a chunk size':
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n',
  'a chunk longer than its size': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n',
  'a chunk size that is none': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n',
  'an upgrade nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'endless interim responses': 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(9),
  'an endless head': `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(2000)}`,
  'an endless chunk line': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;${'a'.repeat(2000)}`,
  'endless trailers': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n${'X: aaaaaaaaaaaaa\r\n'.repeat(100)}`,
};

suite('the response reader', () => {
  for (const [name, { text, expected, ends = false }] of Object.entries(GOOD)) {
    test(`reads ${name}, cut at any byte`, () => {
      const bytes = bytesOf(text);
      const whole = read([bytes], ends);
      assert.partialDeepStrictEqual(whole, expected);
      for (let at = 1; at < bytes.length; at += 1) {
        assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)], ends), whole, `cut at ${at}`);
      }
      assert.deepEqual(
        read(
          Array.from(bytes, (byte) => Uint8Array.of(byte)),
          ends,
        ),
        whole,
      );
    });
  }

  for (const [name, text] of Object.entries(BAD)) {
    test(`refuses ${name}, whole and byte by byte`, () => {
      const bytes = bytesOf(text);
      for (const pieces of [[bytes], Array.from(bytes, (byte) => Uint8Array.of(byte))]) {
        const result = read(pieces, true);
        assert.equal(typeof result, 'string');
        assert.notEqual(result, 'incomplete');
      }
    });
  }

  test('is incomplete after every proper prefix of an answer with a length', () => {
    const bytes = bytesOf(GOOD['a body of known length']?.text ?? '');
    for (let end = 0; end < bytes.length; end += 1) {
      assert.equal(read([bytes.subarray(0, end)], true), 'incomplete', `${end} bytes`);
    }
  });

  test('keeps only so much of a body and counts the rest', () => {
    const reader = readerOf(3);
    reader.start();
    assert.equal(reader.push(bytesOf('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabcd')), false);
    assert.equal(reader.push(bytesOf('efghij')), true);
    assert.equal(latin1(reader.body()), 'abc');
    assert.equal(reader.bodyBytes, 10);
  });

  test('throws nothing but BadResponse on any bytes in any pieces', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .constantFrom(
          'HTTP/1.1 200 OK\r\n',
          'Content-Length: 3\r\n',
          '\r\n',
          'Transfer-Encoding: chunked\r\n',
          '3\r\nabc\r\n',
          '0\r\n\r\n',
        )
        .map(bytesOf),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        read(pieces, true);
      }),
      { numRuns: 500 },
    );
  });
});
