import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chunked, get, HOST, post, REFUSED } from './smuggling.testkit.ts';
import { bytesOf, everyByte, LIMITS, readRequests, split } from './testing.ts';

/** What is valid: method, target, framing and body of each message. */
const VALID: readonly (readonly [what: string, raw: string, messages: readonly string[]])[] = [
  ['a plain GET', get(''), ['GET / none ""']],
  ['a body of known length', post('Content-Length: 5\r\n', 'hello'), ['POST /p length "hello"']],
  ['leading zeros in Content-Length', post('Content-Length: 003\r\n', 'abc'), ['POST /p length "abc"']],
  ['white space around a value', post('Content-Length: \t 5 \t\r\n', 'hello'), ['POST /p length "hello"']],
  ['chunks', chunked('5\r\nhello\r\n6\r\n world\r\n000\r\n\r\n'), ['POST /p chunked "hello world"']],
  ['chunked in capitals', post('TRANSFER-ENCODING: CHUNKED\r\n', '0\r\n\r\n'), ['POST /p chunked ""']],
  ['chunk extensions', chunked('5; a;b = "c \\" d"\r\nhello\r\n0;x=y\r\n\r\n'), ['POST /p chunked "hello"']],
  ['two requests in a row', get('') + get(''), ['GET / none ""', 'GET / none ""']],
  ['empty lines before a request', `\r\n\r\n${get('')}`, ['GET / none ""']],
  [
    'an absolute target',
    `GET http://kelana.test/a HTTP/1.1\r\n${HOST}\r\n`,
    ['GET http://kelana.test/a none ""'],
  ],
  ['an IPv6 Host', 'GET / HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n', ['GET / none ""']],
  ['an IPv6 Host with IPv4 in it', 'GET / HTTP/1.1\r\nHost: [::ffff:10.0.0.5]\r\n\r\n', ['GET / none ""']],
  ['a Host with the last port', 'GET / HTTP/1.1\r\nHost: a:65535\r\n\r\n', ['GET / none ""']],
  ['a Host with an empty port', 'GET / HTTP/1.1\r\nHost: a:\r\n\r\n', ['GET / none ""']],
  ['any Max-Forwards of a GET', get('Max-Forwards: x\r\n'), ['GET / none ""']],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', ['GET / none ""']],
  ['OPTIONS on all', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, ['OPTIONS * none ""']],
  ['a method of its own', `M-SEARCH /a HTTP/1.1\r\n${HOST}\r\n`, ['M-SEARCH /a none ""']],
  [
    'characters browsers send raw',
    `GET /a[1]|{b}?c=^\\d HTTP/1.1\r\n${HOST}\r\n`,
    ['GET /a[1]|{b}?c=^\\d none ""'],
  ],
  ['obs-text in a value', get('X: caf\u00e9\u0085\r\n'), ['GET / none ""']],
  ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', ['GET / none ""']],
  ['a later minor version', `GET / HTTP/1.2\r\n${HOST}\r\n`, ['GET / none ""']],
  ['nothing after a closing request', `${get('Connection: close\r\n')}GARBAGE`, ['GET / none ""']],
  ['nothing after HTTP/1.0', 'GET / HTTP/1.0\r\n\r\nGET /second HTTP/1.1\r\n\r\n', ['GET / none ""']],
];

function told(raw: Uint8Array[]): { refusal: string | null; messages: string[]; clean: boolean } {
  const { refusal, messages, clean } = readRequests(raw);
  return {
    refusal,
    clean,
    messages: messages.map(
      ({ head, body }) => `${head.method} ${head.target} ${head.framing} ${JSON.stringify(body)}`,
    ),
  };
}

for (const [what, section, status, raw] of REFUSED) {
  test(`RFC ${section}: a request with ${what} is refused with ${status}, however it is split`, () => {
    const bytes = bytesOf(raw);
    const whole = told([bytes]);
    assert.equal(whole.refusal?.slice(0, 3), String(status), JSON.stringify(whole));
    assert.deepEqual(whole.messages, []);
    assert.deepEqual(told(everyByte(bytes)), whole);
    for (let cut = 1; cut < bytes.length; cut += 1) assert.deepEqual(told(split(bytes, [cut])), whole);
  });
}

for (const [what, raw, messages] of VALID) {
  test(`${what}: read as it is, however it is split`, () => {
    const bytes = bytesOf(raw);
    const expected = { refusal: null, messages, clean: true };
    assert.deepEqual(told([bytes]), expected);
    assert.deepEqual(told(everyByte(bytes)), expected);
    for (let cut = 1; cut < bytes.length; cut += 1) assert.deepEqual(told(split(bytes, [cut])), expected);
  });
}

test('random cuts never change what is read of a row of requests', () => {
  const row = VALID.filter(([, raw]) => !/close|HTTP\/1\.0/.test(raw)).map(([, raw]) => raw);
  fc.assert(
    fc.property(
      fc.shuffledSubarray(row, { minLength: 1 }),
      fc.array(fc.nat(), { maxLength: 40 }),
      (requests, cuts) => {
        const bytes = bytesOf(requests.join(''));
        assert.deepEqual(told(split(bytes, cuts)), told([bytes]));
      },
    ),
    { numRuns: 200 },
  );
});

test('bytes changed at random are read the same way whole and split, and never loop', () => {
  const seeds = [...VALID.map(([, raw]) => raw), ...REFUSED.map(([, , , raw]) => raw)];
  fc.assert(
    fc.property(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(0, 9, 10, 13, 32, 48, 58, 59, 127, 255)), { maxLength: 3 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (raw, changes, cuts) => {
        const bytes = bytesOf(raw);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        assert.deepEqual(told(split(bytes, cuts)), told([bytes]));
      },
    ),
    { numRuns: 1000 },
  );
});

test('each limit has its own error, at exactly its size', () => {
  const limits = { ...LIMITS, maxHeadBytes: 100, maxHeaders: 3 };
  const refusal = (raw: string): string | null => {
    const bytes = bytesOf(raw);
    const whole = readRequests([bytes], limits).refusal;
    assert.equal(readRequests(everyByte(bytes), limits).refusal, whole);
    return whole;
  };
  const head = (length: number): string => {
    const fixed = `GET / HTTP/1.1\r\n${HOST}X: \r\n\r\n`;
    return fixed.replace('X: ', `X: ${'x'.repeat(length - fixed.length)}`);
  };
  assert.equal(refusal(head(100)), null);
  assert.equal(refusal(head(101)), '431 header section too large');
  assert.equal(refusal(`GET /${'x'.repeat(100)} HTTP/1.1\r\n`), '414 request line too long');
  assert.equal(refusal(get('A: 1\r\nB: 2\r\n')), null);
  assert.equal(refusal(get('A: 1\r\nB: 2\r\nC: 3\r\n')), '431 too many header lines');
  const trailers = (lines: string): string =>
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n${lines}\r\n`;
  assert.equal(refusal(trailers('A: 1\r\nB: 2\r\nC: 3\r\n')), null);
  assert.equal(refusal(trailers('A: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n')), '431 too many header lines');
  assert.equal(refusal(trailers(`A: ${'x'.repeat(100)}\r\n`)), '431 header section too large');
});

test('chunk extensions are bounded over the whole message, not per chunk', () => {
  const chunk = `1;${'x'.repeat(99)}\r\na\r\n`;
  assert.equal(readRequests([bytesOf(chunked(chunk.repeat(10)))]).refusal, null);
  assert.equal(readRequests([bytesOf(chunked(chunk.repeat(11)))]).refusal, '400 chunk extensions too large');
});

test('a head that drips byte by byte costs linear time', () => {
  const limits = { ...LIMITS, maxHeadBytes: 1 << 20 };
  const bytes = bytesOf(get(`X: ${'x'.repeat(300_000)}\r\n`));
  const started = performance.now();
  assert.equal(readRequests(everyByte(bytes), limits).messages.length, 1);
  assert.ok(performance.now() - started < 5_000);
});

test('white space in a huge value does not slow the reading', () => {
  const limits = { ...LIMITS, maxHeadBytes: 1 << 20 };
  const started = performance.now();
  readRequests([bytesOf(get(`X: a${' '.repeat(500_000)}b\r\n`))], limits);
  assert.ok(performance.now() - started < 2_000);
});

test('a request that our own hops have handed on too often is refused; what others say of their way is not counted', () => {
  const refused = (fields: string): string | null => readRequests([bytesOf(get(fields))]).refusal;
  const hops = (count: number, hop = '1.1 kelana'): string =>
    Array.from({ length: count }, () => hop).join(', ');
  assert.equal(refused(`Via: ${hops(8)}\r\n`), null);
  assert.match(refused(`Via: ${hops(9)}\r\n`) ?? '', /^508 /);
  assert.match(refused(`Via: ${hops(4)}, 1.0 other\r\nVia: ${hops(5, '2.0 kelana (a)')}\r\n`) ?? '', /^508 /);
  assert.equal(refused(`Via: ${hops(20, '1.1 other')}, ${hops(20, '1.1 kelana.test')}\r\n`), null);
});

test('an absolute target replaces Host, and its path goes on', () => {
  const head = (raw: string) => readRequests([bytesOf(raw)]).messages[0]?.head;
  const absolute = head(`GET http://other.test:81?q=1 HTTP/1.1\r\n${HOST}\r\n`);
  assert.deepEqual([absolute?.host, absolute?.path], ['other.test:81', '/?q=1']);
  assert.equal(head(`OPTIONS http://other.test HTTP/1.1\r\n${HOST}\r\n`)?.path, '*');
});
