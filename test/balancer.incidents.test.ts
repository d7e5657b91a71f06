import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { bytesOf, readResponses } from '../src/core/http/testing.ts';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { parseMethod } from '../src/core/balance/choice.ts';
import {
  backend,
  balance,
  balanceWith,
  client,
  CLOSE,
  eventually,
  get,
  HELLO,
  HOST,
  once,
  statusOf,
  type Received,
} from './balancer.kit.ts';

/**
 * What went wrong in other servers and proxies, each by its number, through a whole balancer with a real backend. Those
 * about Upgrade (CVE-2026-2833) are in balancer.tunnel.test.ts.
 */

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: kelana.test\r\n\r\n';
const POST = `POST /p HTTP/1.1\r\n${HOST}`;
const chunks = (body: string): string => `${POST}Transfer-Encoding: chunked\r\n\r\n${body}`;

/** Each is answered with this status alone, whole and byte by byte, and no request comes whole to the backend. */
async function refused(t: TestContext, status: number, all: readonly string[]): Promise<void> {
  const behind = await backend(t);
  const bench = await balance(t, behind.url);
  for (const raw of all) {
    const whole = await once(t, bench, raw);
    const dripping = client(t, bench);
    for (const byte of raw) {
      if (dripping.over !== null) break;
      dripping.send(byte);
      await new Promise((done) => setImmediate(done));
    }
    for (const answer of [whole, await dripping.closes()]) {
      assert.equal(statusOf(answer), status, JSON.stringify(raw));
      assert.equal(answer.match(/^HTTP\/1\.1 /gm)?.length, 1, JSON.stringify(raw));
    }
  }
  assert.deepEqual(behind.requests, []);
}

/** What comes to the backend of these bytes, which end with a request that says close. */
async function reached(t: TestContext, raw: string): Promise<readonly Received[]> {
  const behind = await backend(t);
  const bench = await balance(t, behind.url);
  await once(t, bench, raw + get('/last', CLOSE));
  return behind.requests;
}

test('HAProxy CVE-2023-40225: an empty Content-Length is refused, alone and beside another', (t) =>
  refused(t, 400, [
    `${POST}Content-Length:\r\n\r\n${SMUGGLED}`,
    `${POST}Content-Length: \t \r\n\r\n${SMUGGLED}`,
    `${POST}Content-Length:\r\nContent-Length: 5\r\n\r\nhello${SMUGGLED}`,
    `${POST}Content-Length: 5\r\nContent-Length:\r\n\r\nhello${SMUGGLED}`,
    `${POST}Content-Length: 5,\r\n\r\nhello${SMUGGLED}`,
  ]));

test('HAProxy CVE-2021-40346: the length of a name never wraps around, so a long one hides no Content-Length', async (t) => {
  for (const more of [241, 255, 256, 257, 270]) {
    // What wraps at 256 reads this as `Content-Length`, and its value as the start of another field.
    const name = `Content-Length0${'a'.repeat(more)}`;
    const body = SMUGGLED;
    const seen = await reached(t, `${POST}${name}: 0\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    assert.deepEqual(
      seen.map(({ head, body: got }) => [head.path, got]),
      [
        ['/p', body],
        ['/last', ''],
      ],
    );
    assert.equal(seen[0]?.head.fields.find(({ raw }) => raw === name)?.value, '0');
  }
});

test('HAProxy CVE-2023-25725: an empty field name is refused, so it cannot cut off the fields after it', (t) =>
  refused(t, 400, [
    `${POST}: x\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    `${POST}Content-Length: 5\r\n:\r\n\r\nhello`,
    `${POST} : x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    chunks(`0\r\n: x\r\n\r\n${SMUGGLED}`),
  ]));

test('Pingora CVE-2026-2835: HTTP/1.0 with Transfer-Encoding, or more than one coding, is refused', async (t) => {
  await refused(t, 400, [
    `POST /p HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `POST /p HTTP/1.0\r\n${HOST}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${POST}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ]);
  await refused(t, 501, [`${POST}Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`]);
});

test('Pingora CVE-2026-105299: what Connection nominates goes before our own fields are added, not after', async (t) => {
  const ours = ['host', 'via', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'];
  const asked = `Connection: ${[...ours, 'content-length', 'x-own', 'close'].join(', ')}\r\nX-Own: 1\r\nX-Forwarded-For: 6.6.6.6\r\n`;
  const behind = await backend(t);
  const bench = await balance(t, behind.url);
  await once(t, bench, `${POST}Content-Length: ${SMUGGLED.length}\r\n${asked}\r\n${SMUGGLED}`);
  const [only, ...none] = behind.requests;
  assert.deepEqual([only?.body, none], [SMUGGLED, []]);
  const fields = new Map(only?.head.fields.map(({ name, value }) => [name, value]));
  for (const name of ours) assert.ok((fields.get(name) ?? '') !== '', name);
  assert.equal(fields.get('x-forwarded-for'), '127.0.0.1');
  assert.equal(fields.has('x-own'), false);
});

test("CVE-2026-105299, from the backend's answer: its Connection takes away neither framing nor fields of ours", async (t) => {
  const answer =
    'HTTP/1.1 200 OK\r\nConnection: content-length, date, set-cookie, transfer-encoding, x-inner\r\n' +
    'X-Inner: secret\r\nContent-Length: 5\r\n\r\nhello';
  const behind = await backend(t, () => answer);
  const method = parseMethod('sticky:name=sid');
  const bench = await balanceWith(t, { ...BALANCE_DEFAULTS, method }, behind.url);
  const browser = client(t, bench).send(get('/1') + get('/2'));
  await browser.reads('hello', 'hello');
  const { messages } = readResponses([bytesOf(browser.received)]);
  assert.deepEqual(
    messages.map(({ head, body }) => [head.status, head.framing, head.length, body]),
    [
      [200, 'length', 5, 'hello'],
      [200, 'length', 5, 'hello'],
    ],
  );
  const [first] = messages;
  const names = first?.head.fields.map(({ name }) => name) ?? [];
  assert.ok(names.includes('date') && names.includes('set-cookie'), names.join());
  assert.ok(!names.includes('x-inner') && !names.includes('connection'), names.join());
});

test('h11 CVE-2025-43859: what ends the data of a chunk has to be CR and LF', (t) =>
  refused(t, 400, [
    chunks(`5\r\nhelloXX0\r\n\r\n${SMUGGLED}`),
    chunks(`5\r\nhello\n\n0\r\n\r\n${SMUGGLED}`),
    chunks(`5\r\nhello\rX0\r\n\r\n${SMUGGLED}`),
    chunks(`5\r\nhello0\r\n\r\n${SMUGGLED}`),
    chunks(`0\r\nXX${SMUGGLED}`),
  ]));

test('Netty CVE-2026-33870: a quote in a chunk extension does not go on past the end of its line', async (t) => {
  await refused(t, 400, [
    chunks(`1;a="\r\nX\r\n0\r\n\r\n${SMUGGLED}`),
    chunks(`1;a="x\ny"\r\nX\r\n0\r\n\r\n`),
    chunks(`1;a="x\ry"\r\nX\r\n0\r\n\r\n`),
    chunks(`1;\nX\r\n0\r\n\r\n`),
    chunks(`1;a="\\\r\n"\r\nX\r\n0\r\n\r\n`),
  ]);
  // One that ends in its line is no more than an extension, and goes no further than here.
  const seen = await reached(t, chunks('5;a="b;c\\"d"\r\nhello\r\n0\r\n\r\n'));
  assert.deepEqual(
    seen.map(({ head, body }) => [head.path, body]),
    [
      ['/p', 'hello'],
      ['/last', ''],
    ],
  );
});

test('Node CVE-2022-32214: LF alone ends no line', (t) =>
  refused(t, 400, [
    `GET / HTTP/1.1\n${HOST}\r\n`,
    `${POST}X: 1\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${POST}Content-Length: 5\r\n\nhello${SMUGGLED}`,
    `${POST}Content-Length: 5\n\nhello`,
  ]));

test('Node CVE-2022-32215: a Transfer-Encoding over several lines is refused', (t) =>
  refused(t, 400, [
    `${POST}Transfer-Encoding: chunked\r\n , identity\r\n\r\n1\r\na\r\n0\r\n\r\n${SMUGGLED}`,
    `${POST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${POST}Transfer-Encoding: identity\r\n\t, chunked\r\nContent-Length: 5\r\n\r\nhello`,
  ]));

test('Node CVE-2022-35256: a field that CR and LF do not end is refused', (t) =>
  refused(t, 400, [
    `${POST}X: 1\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${POST}Content-Length: 5\r\rhello`,
    `${POST}Transfer-Encoding: chunked\n\r\n0\r\n\r\n${SMUGGLED}`,
    `${POST}X: 1\r\n\rContent-Length: 5\r\n\r\nhello`,
  ]));

test('node:http and a status nobody checked: what is no status from 100 to 599 never reaches a client', async (t) => {
  const lines = [
    '000 OK',
    '099 OK',
    '20 OK',
    '2000 OK',
    '2OO OK',
    '+20 OK',
    '-20 OK',
    ' 200 OK',
    '200x OK',
    '0x200 OK',
    '',
    '600 OK',
  ];
  let line = '';
  const behind = await backend(t, () => `HTTP/1.1 ${line}\r\nContent-Length: 4\r\n\r\nevil`);
  const bench = await balance(t, behind.url);
  for (line of lines) {
    const browser = client(t, bench).send(get('/', CLOSE));
    const text = await browser.closes();
    assert.equal(statusOf(text), 502, `${line}: ${text}`);
    assert.ok(!text.includes('evil'), line);
  }
  line = '200 OK';
  await client(t, bench).send(get()).reads('evil');
});

test('a request without Host is refused, but for HTTP/1.0, which then gets one', async (t) => {
  await refused(t, 400, ['GET / HTTP/1.1\r\n\r\n', 'POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello']);
  const behind = await backend(t);
  const bench = await balance(t, behind.url);
  await once(t, bench, 'GET /old HTTP/1.0\r\n\r\n');
  assert.equal(behind.requests[0]?.head.host, `127.0.0.1:${behind.port}`);
});

test('server-sent events pass one by one as they come, and a client that leaves ends the connection behind', async (t) => {
  let send: (text: string) => void = () => assert.fail('no request came');
  let gone = false;
  const behind = await backend(t, ({ head }, socket) => {
    if (head.path !== '/events') return HELLO;
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    socket.on('close', () => (gone = true));
    send = (text) => void socket.write(`${text.length.toString(16)}\r\n${text}\r\n`);
    return undefined;
  });
  const bench = await balance(t, behind.url);
  const reader = client(t, bench).send(get('/events'));
  // The head does not wait for a first event.
  await reader.reads('text/event-stream', '\r\n\r\n');
  for (let each = 1; each <= 5; each += 1) {
    const event = `id: ${each}\ndata: tick\n\n`;
    send(event);
    // The next one is not sent before this one is here, so none is kept back for more.
    await reader.reads(`\r\n${event}\r\n`);
  }
  assert.equal(bench.balancer.stats().active, 1);
  reader.socket.destroy();
  // A client that only ended its side may still read, so the next event tells that nobody does.
  await eventually(() => {
    if (!gone) send('data: late\n\n');
    return gone;
  }, 'the end of the connection to the backend');
  await eventually(() => bench.balancer.stats().active === 0, 'the end of the request');
  await once(t, bench, get('/', CLOSE));
  assert.equal(behind.connections, 2);
});
