import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf, everyByte, readResponses, split } from './testing.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

const REFUSED: readonly (readonly [what: string, raw: string, method?: string])[] = [
  ['status 000', 'HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n'],
  ['status 099', 'HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n'],
  ['status 600', 'HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n'],
  ['status 999', 'HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n'],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n'],
  ['a signed status', 'HTTP/1.1 +20 OK\r\nContent-Length: 0\r\n\r\n'],
  ['another protocol', 'ICY 200 OK\r\n\r\n'],
  ['HTTP/2', 'HTTP/2 200\r\n\r\n'],
  ['HTTP/0.9', 'hello\r\n\r\n'],
  ['an empty line first', `\r\n${OK}Content-Length: 0\r\n\r\n`],
  ['a control byte in the reason', 'HTTP/1.1 200 O\u0007K\r\nContent-Length: 0\r\n\r\n'],
  ['two Content-Lengths', `${OK}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello`],
  [
    'Content-Length and Transfer-Encoding',
    `${OK}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['a bad Content-Length to HEAD', `${OK}Content-Length: x\r\n\r\n`, 'HEAD'],
  ['Transfer-Encoding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['an unknown coding', `${OK}Transfer-Encoding: gzip, chunked\r\n\r\n`],
  ['Transfer-Encoding in a 204', 'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['Transfer-Encoding in a 100', 'HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a folded field', `${OK}X: 1\r\n 2\r\nContent-Length: 0\r\n\r\n`],
  ['a bare LF', `HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n`],
  ['a bad chunk', `${OK}Transfer-Encoding: chunked\r\n\r\nzz\r\n`],
];

function told(parts: Uint8Array[], methods: readonly string[], closed: boolean): unknown {
  const { refusal, messages } = readResponses(parts, methods, closed);
  return {
    refusal,
    messages: messages.map(({ head, body, trailers, interim }) => ({
      status: head.status,
      framing: head.framing,
      keepAlive: head.keepAlive,
      body,
      trailers,
      interim: interim.map(({ status }) => status),
    })),
  };
}

for (const [what, raw, method] of REFUSED) {
  test(`a response with ${what} is refused, however it is split`, () => {
    const bytes = bytesOf(raw);
    const methods = method === undefined ? [] : [method];
    const whole = told([bytes], methods, false) as { refusal: string | null; messages: unknown[] };
    assert.notEqual(whole.refusal, null);
    assert.deepEqual(whole.messages, []);
    assert.deepEqual(told(everyByte(bytes), methods, false), whole);
  });
}

test('responses in a row are told apart by the methods they answer', () => {
  const bytes = bytesOf(
    [
      `${OK}Content-Length: 5\r\n\r\n`,
      `${OK}Content-Length: 5\r\n\r\nhello`,
      'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
      `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nDigest: x\r\n\r\n`,
      'HTTP/1.1 200\r\n\r\nup to the close',
    ].join(''),
  );
  const methods = ['HEAD', 'GET', 'DELETE', 'GET', 'PUT', 'GET'];
  const message = (status: number, framing: string, body = '', more = {}) => ({
    status,
    framing,
    keepAlive: true,
    body,
    trailers: [] as string[],
    interim: [] as number[],
    ...more,
  });
  const expected = {
    refusal: null,
    messages: [
      message(200, 'none'),
      message(200, 'length', 'hello'),
      message(204, 'none'),
      message(304, 'none'),
      message(200, 'chunked', 'hello', { trailers: ['Digest: x'], interim: [100, 103] }),
      message(200, 'close', 'up to the close', { keepAlive: false }),
    ],
  };
  assert.deepEqual(told([bytes], methods, true), expected);
  assert.deepEqual(told(everyByte(bytes), methods, true), expected);
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 30 }), (cuts) => {
      assert.deepEqual(told(split(bytes, cuts), methods, true), expected);
    }),
    { numRuns: 200 },
  );
});

test('a response cut anywhere before its end is never taken for whole', () => {
  for (const raw of [
    `${OK}Content-Length: 5\r\n\r\nhello`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  ]) {
    const bytes = bytesOf(raw);
    for (let end = 1; end < bytes.length; end += 1) {
      const { refusal, messages } = readResponses([bytes.subarray(0, end)], [], true);
      assert.equal(messages.length, 0);
      assert.equal(refusal, '400 connection closed in the middle of a message');
    }
  }
});

test('a response persists as its version and Connection say', () => {
  const keeps = (raw: string): boolean | undefined =>
    readResponses([bytesOf(raw)]).messages[0]?.head.keepAlive;
  assert.equal(keeps(`${OK}Content-Length: 0\r\n\r\n`), true);
  assert.equal(keeps(`${OK}Connection: Close\r\nContent-Length: 0\r\n\r\n`), false);
  assert.equal(keeps('HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'), false);
  assert.equal(keeps('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n'), true);
});
