import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResponseParser } from './parser.ts';
import { LIMITS, bytesOf, everyByte } from './testing.ts';

/** How many of the bytes it took to be refused, and why; null where all were taken. */
function refusedAt(text: string): [bytes: number, why: string] | null {
  const parser = new ResponseParser(LIMITS);
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
