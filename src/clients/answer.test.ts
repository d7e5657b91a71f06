import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { CLIENTS } from '../core/config.ts';
import { AnswerReader, BadAnswer } from './answer.ts';

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const byByte = (bytes: Uint8Array): Uint8Array[] => Array.from(bytes, (byte) => Uint8Array.of(byte));

interface Result {
  status: number;
  server: string | null;
  bodyBytes: number;
  keepAlive: boolean;
  body: string;
}

/** Feeds the pieces, then the end of the stream; the result, or the fault's message. */
function read(pieces: readonly Uint8Array[], ends: boolean, reader = new AnswerReader(100)): Result | string {
  reader.start();
  let spoilt = false;
  try {
    let done = false;
    for (const piece of pieces) {
      // A connection closes on bytes that come when nothing is asked.
      if (done) spoilt = true;
      else done = reader.push(piece);
    }
    if (!done && (!ends || !reader.end())) return 'incomplete';
  } catch (thrown) {
    if (thrown instanceof BadAnswer) return thrown.message;
    throw thrown;
  }
  const { status, server, bodyBytes, keepAlive } = reader;
  return { status, server, bodyBytes, keepAlive: keepAlive && !spoilt, body: textOf(reader.body()) };
}

const KNOWN = 'HTTP/1.1 201 Created\r\nX-Kelana-Server: server 1\r\nContent-Length: 4\r\n\r\nhalo';

const GOOD: Readonly<Record<string, { text: string; expected: Partial<Result>; ends?: boolean }>> = {
  'a body of known length': {
    text: KNOWN,
    expected: { status: 201, server: 'server 1', body: 'halo', bodyBytes: 4, keepAlive: true },
  },
  'no reason phrase, no body': {
    text: 'HTTP/1.1 200\r\ncontent-length:0 \t\r\n\r\n',
    expected: { status: 200, server: null, bodyBytes: 0, keepAlive: true },
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
    text:
      'HTTP/1.1 103 Early Hints\r\nX-Kelana-Server: no\r\n\r\n' +
      'HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx',
    expected: { status: 201, server: null, body: 'x' },
  },
  'as many interim responses as are allowed': {
    text: `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(CLIENTS.maxInterim)}HTTP/1.1 204 No Content\r\n\r\n`,
    expected: { status: 204, keepAlive: true },
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
  'bytes after the end, which spoil the connection and not the answer': {
    text: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n',
    expected: { status: 200, body: 'ok', keepAlive: false },
  },
  'an obs-text byte in a value': {
    text: 'HTTP/1.1 200 \xff\r\nX-Kelana-Server: \xe9\r\nContent-Length: 0\r\n\r\n',
    expected: { server: '\xe9' },
  },
};

const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n';

/** What only a reader with limits and a wish can judge; the rest of RFC 9112 is core/http's. */
const BAD: Readonly<Record<string, string>> = {
  'another protocol, at once': 'SSH-2.0-OpenSSH_9.2\r\n',
  'an upgrade nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\n\r\n',
  'one interim response too many': 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(CLIENTS.maxInterim + 1),
  'an endless head': `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(CLIENTS.maxHeadBytes)}`,
  'a head of too many lines': `HTTP/1.1 200 OK\r\n${'X: a\r\n'.repeat(CLIENTS.maxHeaders + 1)}`,
  'an endless chunk line': `${CHUNKED}1;${'a'.repeat(CLIENTS.maxExtensionBytes)}`,
  'an endless row of zeros for a chunk size': CHUNKED + '0'.repeat(100),
  'endless trailers': `${CHUNKED}0\r\n${'X: aaaaaaaaaaaaa\r\n'.repeat(CLIENTS.maxHeaders + 1)}`,
};

suite('the reader of answers', () => {
  for (const [name, { text, expected, ends = false }] of Object.entries(GOOD)) {
    test(`reads ${name}, cut at any byte`, () => {
      const bytes = bytesOf(text);
      const whole = read([bytes], ends);
      assert.partialDeepStrictEqual(whole, expected);
      for (let at = 1; at < bytes.length; at += 1) {
        assert.deepEqual(read([bytes.subarray(0, at), bytes.subarray(at)], ends), whole, `cut at ${at}`);
      }
      assert.deepEqual(read(byByte(bytes), ends), whole);
    });
  }

  for (const [name, text] of Object.entries(BAD)) {
    test(`refuses ${name}, whole and byte by byte`, () => {
      const bytes = bytesOf(text);
      const whole = read([bytes], false);
      assert.equal(typeof whole, 'string');
      assert.notEqual(whole, 'incomplete');
      assert.equal(read(byByte(bytes), false), whole);
    });
  }

  test('is incomplete after every proper prefix of an answer', () => {
    for (const text of [KNOWN, `${CHUNKED}4\r\nhalo\r\n0\r\n\r\n`]) {
      const bytes = bytesOf(text);
      for (let end = 0; end < bytes.length; end += 1) {
        assert.equal(read([bytes.subarray(0, end)], true), 'incomplete', `${end} bytes`);
      }
    }
  });

  test('reads one answer after another and carries nothing over', () => {
    const reader = new AnswerReader(100);
    const kept = Object.entries(GOOD).filter(([, { expected }]) => expected.keepAlive === true);
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...kept), { maxLength: 8 }), (answers) => {
        for (const [name, { text, expected }] of answers) {
          const result = read([bytesOf(text)], false, reader);
          assert.partialDeepStrictEqual(result, { server: null, ...expected }, name);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('keeps only so much of a body and counts the rest', () => {
    const reader = new AnswerReader(3);
    reader.start();
    const head = bytesOf('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab');
    assert.equal(reader.push(head), false);
    // A host may use its buffer again.
    head.fill(0);
    assert.equal(reader.push(bytesOf('cdefghij')), true);
    assert.equal(textOf(reader.body()), 'abc');
    assert.equal(reader.bodyBytes, 10);
  });

  test('throws nothing but BadAnswer on any bytes in any pieces', () => {
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
