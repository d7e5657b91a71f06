import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { h2Fields, h2Response, readH2Request, readH2Trailers } from './h2.ts';
import { ResponseParser } from './parser.ts';

const LIMITS = { maxHeadBytes: 8192, maxHeaders: 100, maxExtensionBytes: 1024 };
const encode = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const GET = [':method', 'GET', ':scheme', 'https', ':authority', 'a.test', ':path', '/'];
const read = (pairs: readonly string[], ended = true) => readH2Request(pairs, ended, 'https', LIMITS, encode);

function head(pairs: readonly string[], ended = true) {
  const result = read(pairs, ended);
  assert.equal(result.type, 'head', JSON.stringify(result));
  return result.type === 'head' ? result.head : assert.fail();
}

test('a request is read as the same request of HTTP/1.1', () => {
  const { method, path, host, framing, fields } = head([
    ...GET,
    'x-a',
    'b',
    'cookie',
    'c=1',
    'cookie',
    'd=2',
  ]);
  assert.deepEqual([method, path, host, framing], ['GET', '/', 'a.test', 'none']);
  assert.equal(fields.find(({ name }) => name === 'cookie')?.value, 'c=1; d=2');
});

test('a body has its length, or is of unknown length; Host alone is enough', () => {
  assert.deepEqual(
    [head(GET, false).framing, head([...GET, 'content-length', '3'], false).framing],
    ['chunked', 'length'],
  );
  const { host } = head([':method', 'GET', ':scheme', 'https', ':path', '/', 'host', 'b.test']);
  assert.equal(host, 'b.test');
});

const MALFORMED: Readonly<Record<string, readonly string[]>> = {
  'no path': [':method', 'GET', ':scheme', 'https', ':authority', 'a.test'],
  'no scheme': [':method', 'GET', ':path', '/', ':authority', 'a.test'],
  'no host at all': [':method', 'GET', ':scheme', 'https', ':path', '/'],
  'an empty path': [...GET.slice(0, 6), ':path', ''],
  'a pseudo-header twice': [...GET, ':path', '/b'],
  'one that is not known': [...GET, ':protocol', 'websocket'],
  'a response pseudo-header': [...GET, ':status', '200'],
  'one after a field': [...GET.slice(0, 6), 'x', 'y', ':path', '/'],
  'an upper-case name': [...GET, 'X-A', 'b'],
  'a name with a space': [...GET, 'x a', 'b'],
  'an empty name': [...GET, '', 'b'],
  'a line end in a value': [...GET, 'x-a', 'b\r\nevil: c'],
  'a bare LF in a value': [...GET, 'x-a', 'b\nevil: c'],
  'a line end in the path': [...GET.slice(0, 6), ':path', '/ HTTP/1.1\r\nevil: c'],
  'a space in the method': [':method', 'GET /x', ...GET.slice(2)],
  'a line end in the authority': [...GET.slice(0, 4), ':authority', 'a\r\nevil: c', ':path', '/'],
  Connection: [...GET, 'connection', 'close'],
  'Transfer-Encoding': [...GET, 'transfer-encoding', 'chunked'],
  Upgrade: [...GET, 'upgrade', 'h2c'],
  'TE other than trailers': [...GET, 'te', 'gzip'],
  'two hosts': [...GET, 'host', 'a.test', 'host', 'a.test'],
  'another host': [...GET, 'host', 'b.test'],
  'two lengths': [...GET, 'content-length', '1', 'content-length', '1'],
  'a signed length': [...GET, 'content-length', '+1'],
  'plain http': [':method', 'GET', ':scheme', 'http', ...GET.slice(4)],
};
for (const [what, pairs] of Object.entries(MALFORMED))
  test(`refused: ${what}`, () => {
    const result = read(pairs, false);
    assert.equal(result.type === 'error' ? result.problem.status : JSON.stringify(result), 400);
  });

test('CONNECT is not supported, and too many fields or bytes are 431', () => {
  const status = (pairs: readonly string[]): number => {
    const result = read(pairs);
    return result.type === 'error' ? result.problem.status : 200;
  };
  assert.equal(status([':method', 'CONNECT', ':authority', 'a.test:1']), 501);
  assert.equal(
    status([...GET, ...Array.from({ length: 220 }, (_, at) => (at % 2 === 0 ? `x${at}` : 'y'))]),
    431,
  );
  assert.equal(status([...GET, 'x-a', 'y'.repeat(9000)]), 431);
});

test('nothing that a client may send becomes more than one request', () => {
  const text = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom('\r\n', '\r\n\r\nGET / HTTP/1.1\r\n', '\n', '\0', ' ', ':'),
  );
  const name = fc.oneof(
    fc.constantFrom('x', 'host', 'content-length', 'cookie', ':path', ':method', ':authority'),
    text,
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(name, text), { maxLength: 5 }), fc.boolean(), (extra, ended) => {
      const result = read([...GET, ...extra.flat()], ended);
      if (result.type !== 'head') return;
      assert.deepEqual([result.head.method, result.head.path, result.head.host], ['GET', '/', 'a.test']);
      for (const field of result.head.fields) assert.doesNotMatch(field.value, /[\r\n\0]/);
    }),
    { numRuns: 2000 },
  );
});

test('an answer loses what speaks of its connection, and keeps the rest as it was', () => {
  const parser = new ResponseParser(LIMITS);
  parser.expect('GET');
  parser.push(
    encode(
      'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n',
    ),
  );
  const event = parser.next();
  assert.deepEqual(event?.type === 'head' ? h2Response(event.head) : event, [
    ':status',
    '200',
    'set-cookie',
    'a',
    'set-cookie',
    'b',
  ]);
});

test('trailers of an answer lose the same as its head', () => {
  const names = ['x-sum', 'http2-settings', 'connection', 'te', 'upgrade', ':status', 'x-sum', '__proto__'];
  const pairs = h2Fields(names.map((name) => ({ name, raw: name, value: '1' })));
  assert.deepEqual(pairs, ['x-sum', '1', 'x-sum', '1', '__proto__', '1']);
});

test('trailers are fields and nothing else', () => {
  assert.deepEqual(readH2Trailers(['x-sum', '1']), [{ name: 'x-sum', raw: 'x-sum', value: '1' }]);
  for (const pairs of [
    [':status', '200'],
    ['connection', 'close'],
    ['x', 'a\r\nb: c'],
    ['', 'x'],
  ])
    assert.equal(readH2Trailers(pairs), null);
});
