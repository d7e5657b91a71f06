import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RequestParser, ResponseParser } from './parser.ts';
import { LIMITS, bytesOf, everyByte, readRequests, split } from './testing.ts';

/** How many of the bytes it took to be refused, and why; null where all were taken. */
function refusedAt(
  text: string,
  parser: ResponseParser | RequestParser = new ResponseParser(LIMITS),
): [bytes: number, why: string] | null {
  for (const [at, byte] of everyByte(bytesOf(text)).entries()) {
    parser.push(byte);
    for (let event = parser.next(); event !== undefined; event = parser.next()) {
      if (event.type === 'error') return [at + 1, event.problem.why];
    }
  }
  return null;
}

for (const [what, text, wrong] of [
  ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n', 1],
  ['SMTP', '220 mail ESMTP\r\n', 1],
  ['a TLS alert', '\u0015\u0003\u0003\u0000\u0002\u0002\u0046', 1],
  ['HTTP/2 in text', 'HTTP/2 200\r\n', 6],
  ['a lower-case protocol', 'Http/1.1 200 OK\r\n', 2],
  ['an empty line', '\r\n', 1],
] as const) {
  test(`a response that begins with ${what} is refused at its first wrong byte`, () => {
    assert.deepEqual(refusedAt(text), [wrong, 'not HTTP/1']);
  });
}

test('what follows an interim or a whole response is judged from its first byte too', () => {
  for (const before of ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok']) {
    assert.deepEqual(refusedAt(`${before}HTTP/1.x\r\n\r\n`), [before.length + 12, 'invalid status line']);
    assert.deepEqual(refusedAt(`${before}x`), [before.length + 1, 'not HTTP/1']);
  }
});

for (const [what, text, wrong, why] of [
  ['NUL', '\0\u0001\u00ff', 1, 'method is not a token'],
  ['a TLS hello', '\u0016\u0003\u0001\u0002\0\u0001', 1, 'method is not a token'],
  ['a space', ' GET / HTTP/1.1', 1, 'request line is not METHOD SP TARGET SP VERSION'],
  ['an empty line, then a byte over 0x7f', '\r\n\u00ff', 3, 'method is not a token'],
  ['two spaces', 'GET  / HTTP/1.1', 5, 'request line is not METHOD SP TARGET SP VERSION'],
  ['a control byte in its target', 'GET /\u0001', 6, 'invalid request target'],
  ['another protocol for its version', 'GET / ICY', 7, 'invalid HTTP version'],
  ['a fourth word', 'GET / HTTP/1.1 x', 15, 'request line is not METHOD SP TARGET SP VERSION'],
] as const) {
  test(`a request that begins with ${what} is refused at its first wrong byte`, () => {
    assert.deepEqual(refusedAt(text, new RequestParser(LIMITS)), [wrong, why]);
  });
}

test('the next request of a connection is judged from its first byte too', () => {
  const before = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok';
  const parser = new RequestParser(LIMITS);
  assert.deepEqual(refusedAt(`${before}\0`, parser), [before.length + 1, 'method is not a token']);
});

test('any bytes as a request get the same verdict however they are split', () => {
  const piece = fc.oneof(
    fc.constantFrom('GET', ' ', '/', 'HTTP/1.1', '\r\n', '\n', '\r', 'Host: a', '\0', '\u00ff', 'x'),
    fc.string({ unit: 'binary-ascii', maxLength: 4 }),
  );
  const limits = { ...LIMITS, maxHeadBytes: 40 };
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 4 }), (pieces, cuts) => {
      const bytes = bytesOf(pieces.join(''));
      const whole = readRequests([bytes], limits);
      assert.deepEqual(readRequests(everyByte(bytes), limits), whole);
      assert.deepEqual(readRequests(split(bytes, cuts), limits), whole);
    }),
    { numRuns: 1_000 },
  );
});
