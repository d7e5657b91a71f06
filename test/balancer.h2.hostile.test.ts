import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { eventually, backend, HELLO } from './balancer.kit.ts';
import { answerOf, ask, over } from './balancer.h2.kit.ts';

/** What backends answer and HTTP/2 clients must not suffer from: one of them would end the process, and with it all others. */

const OK = 'HTTP/1.1 200 OK\r\n';
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n`;
/** Above what is read as one text. */
const LONG = `${OK}Content-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`;

/** Status and body of a whole answer, and what comes after it. */
type Case = readonly [
  what: string,
  answer: string,
  status: number,
  bytes: number,
  fields?: Record<string, string>,
];
const ANSWERS: readonly Case[] = [
  ['a short answer', HELLO, 200, 5],
  ['a long one', LONG, 200, 20_000],
  ['a chunked one', `${CHUNKED}\r\n`, 200, 5],
  ['one with a trailer', `${CHUNKED}X: y\r\n\r\n`, 200, 5],
  ['one after an interim', `HTTP/1.1 103 Early Hints\r\n\r\n${HELLO}`, 200, 5],
  ['an answer to HEAD', LONG.slice(0, -20_000), 200, 0, { ':method': 'HEAD' }],
  ['204', 'HTTP/1.1 204 No\r\n\r\n', 204, 0],
  ['304', 'HTTP/1.1 304 No\r\nContent-Length: 7\r\n\r\n', 304, 0],
  ['205', 'HTTP/1.1 205 No\r\nContent-Length: 0\r\n\r\n', 205, 0],
];
const SURPLUS: readonly string[] = [
  HELLO,
  LONG,
  `HTTP/1.1 103 Early Hints\r\n\r\n${HELLO}`,
  'garbage\r\n\r\n',
];

test('what a backend sends after its answer reaches no HTTP/2 client and ends nothing', async (t) => {
  let text = '';
  const back = await backend(t, ({ head }) => (head.path === '/' ? text : HELLO));
  const { bench, client } = await over(t, back);
  for (const [what, answer, status, bytes, fields] of ANSWERS)
    for (const surplus of SURPLUS) {
      text = answer + surplus;
      const got = await answerOf(ask(client, fields));
      assert.deepEqual([got.status, got.body.length], [status, bytes], what);
    }
  assert.equal((await answerOf(ask(client, { ':path': '/next' }))).body, 'hello');
  await eventually(() => bench.balancer.stats().active === 0, 'the end of all');
  const told = bench.events.flatMap((event) => (event.type === 'balancer.request' ? [event.cut] : []));
  assert.deepEqual(told, Array<undefined>(ANSWERS.length * SURPLUS.length + 1).fill(undefined));
});

/** A backend that answers as soon as it has the head of a POST. */
async function early(t: TestContext, answer: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on(
      'data',
      (bytes) => void socket.write(bytes.toString('latin1').startsWith('POST ') ? answer : HELLO),
    );
  });
  t.after(() => server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('an answer before the whole request, with another after it, is the one that the client gets, and told as whole', async (t) => {
  const answer = `HTTP/1.1 413 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n${HELLO}`;
  const { bench, client } = await over(t, { url: await early(t, answer) });
  const stream = ask(client, { ':method': 'POST' });
  stream.write('some');
  const { status, body } = await answerOf(stream);
  assert.deepEqual([status, body], [413, 'no']);
  await eventually(() => bench.balancer.stats().active === 0, 'its end');
  const told = bench.events.flatMap((event) => (event.type === 'balancer.request' ? [event] : []));
  assert.deepEqual(
    told.map((event) => [event.status, event.cut]),
    [[413, undefined]],
    'it was not cut off',
  );
});

/** Fields that speak of a connection (RFC 9113 section 8.2.2), and others that look odd and are none of these. */
const SPECIFIC = [
  'Connection',
  'HTTP2-Settings',
  'Keep-Alive',
  'Proxy-Connection',
  'TE',
  'Transfer-Encoding',
  'Upgrade',
];

test('fields of a connection in the trailers of a backend are left out, and the rest of them comes', async (t) => {
  let name = '';
  const back = await backend(
    t,
    () => `${CHUNKED}${name}: x\r\nX-Sum: 7\r\nX-Sum: 8\r\n__proto__: \xff\r\n\r\n`,
  );
  const { client } = await over(t, back);
  for (name of SPECIFIC) {
    const { status, body, trailers } = await answerOf(ask(client));
    const came = Object.keys(trailers).filter((key) => typeof key === 'string');
    assert.deepEqual([status, body, trailers['x-sum']], [200, 'hello', '7, 8'], name);
    assert.ok(!came.includes(name.toLowerCase()), name);
  }
});

test('trailers of a backend that are none reset the stream, and the connection goes on', async (t) => {
  let line = '';
  const back = await backend(t, ({ head }) => (head.path === '/' ? `${CHUNKED}${line}\r\n\r\n` : HELLO));
  const { bench, client } = await over(t, back);
  for (line of [':status: 200', ':x: 1', 'x: a\x00b', 'x: a\rb', 'x y: 1', ': 1', ' x: 1']) {
    await assert.rejects(async () => {
      const { status } = await answerOf(ask(client));
      throw new Error(status === 502 ? 'reset 502' : 'it passed');
    }, /reset|INTERNAL_ERROR/);
    assert.equal((await answerOf(ask(client, { ':path': '/next' }))).body, 'hello', line);
  }
  await eventually(() => bench.balancer.stats().active === 0, 'the end of all');
});

test('interim answers with fields of a connection, or that come again, reach an HTTP/2 client without those', async (t) => {
  // An interim answer with a transfer coding is no HTTP.
  const odd = SPECIFIC.filter((name) => name !== 'Transfer-Encoding')
    .map((name) => `${name}: x\r\n`)
    .join('');
  const back = await backend(
    t,
    () => `HTTP/1.1 103 E\r\n${odd}ETag: a\r\nETag: b\r\nLink: </a>\r\n\r\n`.repeat(3) + HELLO,
  );
  const { client } = await over(t, back);
  const { interim, body } = await answerOf(ask(client));
  assert.deepEqual([interim, body], [[103, 103, 103], 'hello']);
});
