import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chunkedEnd,
  forwardInterim,
  forwardRequest,
  forwardResponse,
  selfDelimited,
  tellsKey,
} from './forward.ts';
import { noMemo, type MessageHead } from './head.ts';
import { originOf } from './provenance.ts';
import type { RequestHead } from './request.ts';
import type { ResponseHead } from './response.ts';
import { bytesOf, readRequests, readResponses } from './testing.ts';

const ROUTE = { origin: originOf('10.1.2.3', 'http'), fallbackHost: 'backend:8080' };

function request(raw: string): RequestHead {
  const [message] = readRequests([bytesOf(raw)]).messages;
  assert.ok(message, raw);
  return message.head;
}

function response(raw: string, method = 'GET'): ResponseHead {
  const [message] = readResponses([bytesOf(raw)], [method], true).messages;
  assert.ok(message, raw);
  return message.head;
}

/** The same, as it was read the first time. */
function unseen<H extends MessageHead>(head: H): H {
  return { ...head, memo: noMemo() };
}

function lines(text: string): string[] {
  assert.ok(text.endsWith('\r\n\r\n'));
  return text.slice(0, -4).split('\r\n');
}

test('a request goes on with what ends at this hop taken out, also what Connection nominates', () => {
  const head = request(
    'POST /a?b HTTP/1.1\r\nHost: kelana.test\r\nConnection: keep-alive, X-Secret, x-forwarded-for\r\nX-Secret: 1\r\n' +
      'Keep-Alive: timeout=5\r\nTE: trailers\r\nUpgrade: websocket\r\nProxy-Authorization: Basic eDp5\r\n' +
      'Proxy-Connection: close\r\nCONTENT-LENGTH: 005\r\nX-Kept:  caf\u00e9 \r\n\r\nhello',
  );
  assert.deepEqual(lines(forwardRequest(head, ROUTE)), [
    'POST /a?b HTTP/1.1',
    'Host: kelana.test',
    'X-Kept: caf\u00e9',
    'Content-Length: 5',
    'Via: 1.1 kelana',
    'X-Forwarded-Host: kelana.test',
    'X-Forwarded-For: 10.1.2.3',
    'X-Forwarded-Proto: http',
  ]);
});

test('a head that comes again from others names each of them', () => {
  const head = request('GET / HTTP/1.1\r\nHost: kelana.test\r\n\r\n');
  const others = request('GET / HTTP/1.1\r\nHost: kelana.test\r\n\r\n');
  for (const client of ['10.1.2.3', '10.1.2.3', '10.9.9.9', '10.1.2.3', '::1'])
    for (const form of ['x-forwarded', 'forwarded', 'none'] as const)
      for (const trusted of [false, true]) {
        const origin = originOf(client, 'http', form, trusted);
        const again = forwardRequest(head, { ...ROUTE, origin });
        assert.equal(again, forwardRequest({ ...others, memo: noMemo() }, { ...ROUTE, origin }));
        assert.equal(forwardRequest(head, { ...ROUTE, origin }), again);
      }
});

test('a response head that comes again is written as it would be for that client, whoever had it before', () => {
  let time = 0;
  const date = (): string => `time ${(time += 1)}`;
  for (const fields of ['Date: then\r\n', '']) {
    const raw = `HTTP/1.1 200 OK\r\n${fields}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`;
    const head = response(raw);
    for (const minor of [1, 0, 1] as const)
      for (const keepAlive of [true, false, true])
        for (const added of ['', 'Set-Cookie: k=1\r\n', '']) {
          const again = forwardResponse(head, { minor, keepAlive, added, date: () => 'now' });
          assert.equal(
            again,
            forwardResponse(unseen(head), { minor, keepAlive, added, date: () => 'now' }),
            `${minor} ${keepAlive} ${added}`,
          );
        }
  }
  const undated = response('HTTP/1.1 204 No Content\r\n\r\n');
  const seen = [1, 2].map(
    () => /Date: (.*)\r/.exec(forwardResponse(undated, { minor: 1, keepAlive: true, date }))?.[1],
  );
  assert.deepEqual(seen, ['time 1', 'time 2']);
});

test('a request head that comes again goes on as it would the first time, whatever backend and form it had before', () => {
  for (const raw of ['GET / HTTP/1.0\r\n\r\n', 'GET / HTTP/1.1\r\nHost: kelana.test\r\n\r\n']) {
    const head = request(raw);
    for (const form of ['x-forwarded', 'forwarded', 'none', 'both'] as const)
      for (const client of ['10.1.2.3', '::1'])
        for (const fallbackHost of ['one:80', 'two:80', 'one:80']) {
          const route = { origin: originOf(client, 'http', form), fallbackHost };
          assert.equal(forwardRequest(head, route), forwardRequest(unseen(head), route));
        }
  }
});

test('Connection cannot take away Host, the framing or what this hop adds', () => {
  const head = request(
    'POST / HTTP/1.1\r\nHost: kelana.test\r\nConnection: host, content-length, transfer-encoding, x-forwarded-for, via\r\n' +
      'Content-Length: 1\r\nVia: 1.0 liar\r\n\r\na',
  );
  const text = forwardRequest(head, ROUTE);
  assert.match(text, /\r\nHost: kelana\.test\r\n/);
  assert.match(text, /\r\nContent-Length: 1\r\n/);
  assert.match(text, /\r\nX-Forwarded-For: 10\.1\.2\.3\r\n/);
  assert.match(text, /\r\nVia: 1\.1 kelana\r\n/);
});

test('what a client says of its own origin is replaced, and Via is continued', () => {
  const head = request(
    'GET / HTTP/1.1\r\nHost: kelana.test\r\nX-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\n' +
      'X-Real-IP: 127.0.0.1\r\nX-Forwarded-Proto: https\r\nVia: 1.1 one\r\nVia: 1.0 two\r\n\r\n',
  );
  const text = forwardRequest(head, ROUTE);
  assert.ok(!text.includes('127.0.0.1') && !text.includes('https'));
  assert.match(text, /\r\nVia: 1\.1 one, 1\.0 two, 1\.1 kelana\r\n/);
});

test('an old request gets a Host and loses its expectation', () => {
  const text = forwardRequest(
    request('PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n'),
    ROUTE,
  );
  assert.match(text, /^PUT \/ HTTP\/1\.1\r\nHost: backend:8080\r\n/);
  assert.ok(!/expect/i.test(text));
  assert.match(text, /\r\nVia: 1\.0 kelana\r\n/);
});

test('an absolute target is sent on as a path, with its own authority as Host', () => {
  const text = forwardRequest(request('GET http://b.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n'), ROUTE);
  assert.match(text, /^GET \/x HTTP\/1\.1\r\nHost: b\.test\r\n/);
  assert.ok(!text.includes('a.test'));
});

test('a response goes on with what the backend nominates taken out, and with framing written anew', () => {
  const head = response(
    'HTTP/1.1 200 OK\r\nConnection: close, X-Inside\r\nX-Inside: 1\r\nKeep-Alive: timeout=5\r\nDate: now\r\n' +
      'Transfer-Encoding: chunked\r\nX-Kept: 1\r\n\r\n0\r\n\r\n',
  );
  const route = { minor: 1, keepAlive: true, date: () => 'then' } as const;
  assert.deepEqual(lines(forwardResponse(head, route)), [
    'HTTP/1.1 200 OK',
    'Date: now',
    'X-Kept: 1',
    'Transfer-Encoding: chunked',
  ]);
  assert.deepEqual(lines(forwardResponse(head, { ...route, minor: 0, keepAlive: false })).slice(1), [
    'Date: now',
    'X-Kept: 1',
    'Connection: close',
  ]);
  assert.equal(selfDelimited(head, 0), false);
});

test('a response without content keeps its length for HEAD and 304, and loses it for 204', () => {
  const route = { minor: 1, keepAlive: true, date: () => 'then' } as const;
  const sent = (raw: string, method: string): string => forwardResponse(response(raw, method), route);
  assert.match(sent('HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n', 'HEAD'), /Content-Length: 7/);
  assert.match(sent('HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n', 'GET'), /Content-Length: 7/);
  const empty = sent('HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', 'GET');
  assert.equal(empty, 'HTTP/1.1 204 No Content\r\nDate: then\r\n\r\n');
  assert.ok(!sent('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'HEAD').includes('Transfer'));
});

test('an interim response goes on without framing', () => {
  const { messages } = readResponses([
    bytesOf(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n',
    ),
  ]);
  const [interim] = messages[0]?.interim ?? [];
  assert.ok(interim);
  assert.equal(forwardInterim(interim), 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n');
});

test('trailers that could change what a message means are dropped', () => {
  const field = (raw: string, value: string) => ({ name: raw.toLowerCase(), raw, value });
  assert.equal(
    chunkedEnd([
      field('Content-Length', '9'),
      field('Host', 'evil'),
      field('Transfer-Encoding', 'chunked'),
      field('Authorization', 'x'),
      field('Digest', 'abc'),
    ]),
    '0\r\nDigest: abc\r\n\r\n',
  );
});

test('neither do trailers that pose as such by a _, nor those that Connection nominates', () => {
  const field = (raw: string, value: string) => ({ name: raw.toLowerCase(), raw, value });
  const names = ['Content_Length', 'X_Forwarded_For', 'Transfer_Encoding', 'Set_Cookie', 'X-Hop', 'My_Sum'];
  assert.equal(
    chunkedEnd(
      names.map((name) => field(name, '7')),
      ['x-hop'],
    ),
    '0\r\nMy_Sum: 7\r\n\r\n',
  );
});

test('a name with _ that CGI would read as one of ours does not go on; others with _ do', () => {
  const head = request(
    'GET / HTTP/1.1\r\nHost: kelana.test\r\nX_Forwarded_For: 6.6.6.6\r\nx-forwarded_proto: https\r\nTransfer_Encoding: chunked\r\n' +
      'Content_Length: 30\r\nHOST_: a\r\nX_Real_IP: 6.6.6.6\r\nConnection_: close\r\nMy_Name: kept\r\n\r\n',
  );
  assert.deepEqual(
    lines(forwardRequest(head, ROUTE)).filter((line) => line.split(':')[0]?.includes('_')),
    ['HOST_: a', 'Connection_: close', 'My_Name: kept'],
  );
});

test('a key counts as told only where it goes on, and says something', () => {
  const head = (fields: string) => request(`POST / HTTP/1.1\r\nHost: kelana.test\r\n${fields}\r\n`);
  const told = (fields: string) => tellsKey(head(fields));
  assert.ok(told('Idempotency-Key: k\r\n'));
  assert.ok(told('Idempotency-Key:\r\nConnection: x-other\r\nidempotency-key: k\r\n'));
  for (const fields of [
    '',
    'Idempotency-Key:\r\n',
    'Idempotency-Key: k\r\nConnection: x, Idempotency-KEY\r\n',
  ])
    assert.ok(!told(fields), fields);
});

test('the host that a trusted proxy tells goes on where it is one, else the one that was asked', () => {
  const origin = originOf('10.0.0.1', 'http', 'x-forwarded', true);
  for (const [value, told] of [
    ['shop.test', 'shop.test'],
    ['shop.test:8443', 'shop.test:8443'],
    ['a b', 'kelana.test'],
    ['shop.test, other.test', 'kelana.test'],
    ['[::1', 'kelana.test'],
    ['', 'kelana.test'],
  ] as const) {
    const head = request(`GET / HTTP/1.1\r\nHost: kelana.test\r\nX-Forwarded-Host: ${value}\r\n\r\n`);
    const sent = lines(forwardRequest(head, { ...ROUTE, origin }));
    assert.ok(sent.includes(`X-Forwarded-Host: ${told}`), `${value}: ${sent.join(' | ')}`);
  }
});
