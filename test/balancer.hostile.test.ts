import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { BALANCER } from '../src/core/config.ts';
import { bytesOf, readResponses } from '../src/core/http/testing.ts';
import {
  backend,
  balance,
  client,
  CLOSE,
  eventually,
  get,
  HELLO,
  HOST,
  once,
  post,
  statusOf,
} from './balancer.kit.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
/** An answer that nobody asked for. */
const EVIL = `${OK}Content-Length: 4\r\n\r\nEvil`;

/** Answers whose head is wrong: the client is told 502 and sees nothing of them. */
const BAD_HEADS: readonly (readonly [what: string, answer: string])[] = [
  ['status 000', 'HTTP/1.1 000 Evil\r\nContent-Length: 0\r\n\r\n'],
  ['status 999', 'HTTP/1.1 999 Evil\r\nContent-Length: 0\r\n\r\n'],
  ['no HTTP at all', 'Evil\r\n\r\n'],
  ['two Content-Lengths', `${OK}Content-Length: 4\r\nContent-Length: 6\r\n\r\nEvil!!`],
  [
    'Content-Length and Transfer-Encoding',
    `${OK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  ],
  ['an unknown transfer coding', `${OK}Transfer-Encoding: evil\r\n\r\nEvil`],
  ['a folded header', `${OK}X: Evil\r\n more\r\nContent-Length: 0\r\n\r\n`],
  ['a header name with a space', `${OK}X Evil: 1\r\nContent-Length: 0\r\n\r\n`],
  ['a control byte in a header', `${OK}X: Evil\u0000\r\nContent-Length: 0\r\n\r\n`],
  ['a bare LF', `HTTP/1.1 200 OK\nX: Evil\r\nContent-Length: 0\r\n\r\n`],
  ['a huge head', `${OK}X: ${'Evil'.repeat(10_000)}\r\nContent-Length: 0\r\n\r\n`],
  ['too many headers', `${OK}${'X: Evil\r\n'.repeat(200)}Content-Length: 0\r\n\r\n`],
  ['a 101 nobody asked for', 'HTTP/1.1 101 Switching\r\nUpgrade: evil\r\n\r\nEvil'],
  ['endless interim answers', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)],
];

for (const [what, answer] of BAD_HEADS) {
  test(`a backend that answers with ${what} gives its client a 502, and the next request is well`, async (t) => {
    const hostile = await backend(t, ({ head }) => (head.path === '/evil' ? answer : HELLO));
    const bench = await balance(t, hostile.url);
    const browser = client(t, bench).send(get('/evil'));
    const text = await browser.reads('BAD_GATEWAY');
    const { messages } = readResponses([bytesOf(text)]);
    assert.deepEqual(
      messages.map(({ head }) => head.status),
      [502],
    );
    assert.ok(!text.includes('Evil'));
    // On the same client connection, on a new one to the backend.
    await browser.send(post('next')).reads('BAD_GATEWAY', 'hello');
    assert.equal(hostile.connections, 2);
    assert.ok(bench.events.some((event) => event.type === 'error' && event.code === 'BAD_GATEWAY'));
  });
}

/** Answers that go wrong after their head: the client must be able to tell that they are not whole. */
const BAD_BODIES: readonly (readonly [what: string, answer: string])[] = [
  ['a bad chunk', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nPart\r\nzz\r\n`],
  ['a chunk longer than it says', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nParts\r\n0\r\n\r\n`],
  ['a bad trailer', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nPart\r\n0\r\nno colon\r\n\r\n`],
  ['a close in the middle of a length', `${OK}Content-Length: 100\r\n\r\nPart`],
  ['a close in the middle of chunks', `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nPart\r\n`],
];

for (const [what, answer] of BAD_BODIES) {
  for (const version of ['HTTP/1.1', 'HTTP/1.0']) {
    test(`${version}: a response with ${what} is cut, never completed`, async (t) => {
      const answers = (_: unknown, socket: Socket): undefined => {
        const cut = answer.indexOf('\r\n\r\n') + 4;
        // The head and the body come apart, so that the head has gone out when the fault shows.
        socket.write(answer.slice(0, cut));
        setTimeout(() => socket.end(answer.slice(cut)), 20);
      };
      const [one, other] = [await backend(t, answers), await backend(t, answers)];
      const bench = await balance(t, one.url, other.url);
      const browser = client(t, bench).send(`GET / ${version}\r\n${HOST}\r\n`);
      const text = await browser.closes();
      assert.equal(readResponses([bytesOf(text)], [], browser.over === 'end').messages.length, 0, text);
      assert.equal(one.requests.length + other.requests.length, 1, 'nobody else goes on with it');
      const [told] = bench.events.filter((event) => event.type === 'balancer.request');
      assert.deepEqual([told?.status, told?.cut], [200, true]);
    });
  }
}

for (const version of ['HTTP/1.1', 'HTTP/1.0'])
  test(`${version}: an answer up to the close that ends in a reset is no whole one`, async (t) => {
    let reset = (): void => {};
    const hostile = await backend(t, (_, socket) => {
      reset = () => socket.resetAndDestroy();
      return `${OK}\r\nPart`;
    });
    const bench = await balance(t, hostile.url);
    const browser = client(t, bench).send(`GET / ${version}\r\n${HOST}\r\n`);
    await browser.reads('Part');
    reset();
    const text = await browser.closes();
    assert.deepEqual([browser.over, text.endsWith('0\r\n\r\n')], ['error', false]);
  });

test('of an answer that is wrong in the piece its head comes in, nothing goes out, and nothing is left for the next', async (t) => {
  const [chunk = '', longer = '', trailer = ''] = BAD_BODIES.map(([, answer]) => answer);
  for (const wrong of [chunk, longer, trailer]) {
    const hostile = await backend(t, ({ head }) => (head.path === '/evil' ? wrong : HELLO));
    const bench = await balance(t, hostile.url);
    const browser = client(t, bench).send(get('/evil'));
    await browser.reads('BAD_GATEWAY');
    const text = await browser.send(get('/next')).reads('hello');
    const { messages } = readResponses([bytesOf(text)]);
    assert.deepEqual(
      messages.map(({ head }) => head.status),
      [502, 200],
    );
    assert.equal(messages[1]?.body, 'hello');
    assert.ok(!text.includes('Part'));
  }
});

test('bytes after an answer never become the answer to the next request', async (t) => {
  const hostile = await backend(t, () => HELLO + EVIL);
  const bench = await balance(t, hostile.url);
  const browser = client(t, bench);
  for (let sent = 1; sent <= 3; sent += 1) {
    await browser.send(get()).reads(...Array.from({ length: sent }, () => 'hello'));
    assert.ok(!browser.received.includes('Evil'));
  }
  assert.equal(hostile.connections, 3);
});

test('bytes after an answer that has not left answer nothing: the client that reads it late gets its own next ones', async (t) => {
  const body = 'x'.repeat(60_000);
  const [asked, whole] = [150, `${OK}Content-Length: ${body.length}\r\n\r\n${body}`];
  const hostile = await backend(t, () => whole + EVIL);
  const bench = await balance(t, hostile.url);
  const browser = client(t, bench);
  browser.socket.pause();
  browser.send(get().repeat(asked));
  // All is full when no further request is let through from one look to the next few.
  let [before, same] = [-1, 0];
  await eventually(() => {
    same = hostile.heads > 0 && hostile.heads === before ? same + 1 : 0;
    before = hostile.heads;
    return same === 5;
  }, 'answers that do not leave');
  assert.ok(hostile.heads < asked, 'the client holds all of it');
  browser.socket.resume();
  await eventually(() => browser.received.length > asked * whole.length, 'all answers');
  assert.deepEqual(
    [browser.received.split(OK).length - 1, browser.received.includes('Evil')],
    [asked, false],
  );
});

test('bytes that come while a backend connection is idle end it', async (t) => {
  const hostile = await backend(t, (_, socket) => {
    socket.write(HELLO);
    setTimeout(() => socket.write(EVIL), 10);
    return undefined;
  });
  const bench = await balance(t, hostile.url);
  const browser = client(t, bench);
  await browser.send(get()).reads('hello');
  await eventually(() => bench.balancer.stats().backends[0]?.idle === 0, 'the connection to be dropped');
  await browser.send(get()).reads('hello', 'hello');
  assert.ok(!browser.received.includes('Evil'));
});

test('garbage gets 400 and a close, and hurts nobody else', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const good = client(t, bench);
  await good.send(get()).reads('hello');
  const garbage = [
    '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\r\n\r\n',
    'SSH-2.0-OpenSSH\r\n',
    'GET /\r\n\r\n',
    `GET / HTTP/1.1\r\n${HOST}X : 1\r\n\r\n`,
    `POST / HTTP/1.1\r\n${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    `GET / HTTP/1.1\n${HOST}\n`,
    'GET / HTTP/1.1\r\n\r\n',
  ];
  for (const raw of garbage) {
    const text = await once(t, bench, `${raw}\r\n\r\nGET /smuggled HTTP/1.1\r\n${HOST}\r\n`);
    assert.equal(statusOf(text), 400, raw);
    assert.match(text, /Connection: close\r\n/);
    assert.equal(readResponses([bytesOf(text)]).messages.length, 1);
  }
  assert.equal(statusOf(await once(t, bench, `GET / HTTP/3.0\r\n${HOST}\r\n`)), 505);
  assert.equal(statusOf(await once(t, bench, `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`)), 501);
  assert.equal(statusOf(await once(t, bench, get('/', `X: ${'x'.repeat(BALANCER.maxHeadBytes)}\r\n`))), 431);
  assert.equal(statusOf(await once(t, bench, get(`/${'x'.repeat(BALANCER.maxHeadBytes)}`))), 414);
  await good.send(get()).reads('hello', 'hello');
  assert.equal(one.requests.length, 2);
});

test('a request that goes wrong in its body is answered 400, and the backend never has it whole', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const text = await once(
    t,
    bench,
    `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n${get('/smuggled')}`,
  );
  assert.equal(statusOf(text), 400);
  assert.equal(one.requests.length, 0);
});

test('a bad request after a good one is answered in its turn', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const text = await once(t, bench, `${get()}GARBAGE\r\n\r\n`);
  assert.deepEqual(
    readResponses([bytesOf(text)]).messages.map(({ head }) => head.status),
    [200, 400],
  );
});

test('a head that drips in gets 408 at its time, however steadily it drips', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const slow = client(t, bench).send('GET / HTTP/1.1\r\n');
  let waited = 0;
  await eventually(() => {
    if (slow.over !== null) return true;
    slow.send('X: 1\r\n');
    bench.skip(500);
    waited += 500;
    return false;
  }, 'the end');
  assert.ok(waited >= BALANCER.headTimeoutMs / 2);
  assert.equal(statusOf(await slow.closes()), 408);
  assert.equal(one.requests.length, 0);
});

test('an idle client is closed at its time, without a word', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const idle = client(t, bench);
  await idle.send(get()).reads('hello');
  const before = idle.received;
  bench.skip(BALANCER.clientIdleMs + 1);
  assert.equal(await idle.closes(), before);
  await eventually(
    () => bench.balancer.stats().backends[0]?.idle === 0,
    'the idle backend connection to expire',
  );
});

test('a request body that stalls gets 408, and a backend that stalls gives 504', async (t) => {
  const silent = await backend(t, () => undefined);
  const bench = await balance(t, silent.url);
  const stalled = client(t, bench).send(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`);
  await eventually(() => silent.heads === 1, 'the request');
  bench.skip(BALANCER.bodyIdleMs + 1);
  assert.equal(statusOf(await stalled.closes()), 408);
  const waiting = client(t, bench).send(get('/', CLOSE));
  await eventually(() => silent.requests.length === 1, 'the second request');
  bench.skip(BALANCER.responseTimeoutMs + 1);
  assert.equal(statusOf(await waiting.closes()), 504);
});

test('a response that stalls half way is cut', async (t) => {
  const stalling = await backend(t, () => `${OK}Content-Length: 100\r\n\r\nPart`);
  const bench = await balance(t, stalling.url);
  const browser = client(t, bench).send(get());
  await browser.reads('Part');
  bench.skip(BALANCER.bodyIdleMs + 1);
  const text = await browser.closes();
  assert.equal(readResponses([bytesOf(text)], [], true).messages.length, 0);
});

test('bytes that cannot begin a request are refused at once, not after the time a head may take', async (t) => {
  const bench = await balance(t, (await backend(t, () => HELLO)).url);
  const started = performance.now();
  const garbage = client(t, bench).send('\u0000\u0001\u00ff'.repeat(100));
  await garbage.reads('method is not a token');
  const text = await garbage.closes();
  assert.deepEqual(
    readResponses([bytesOf(text)]).messages.map(({ head }) => [head.status, head.keepAlive]),
    [[400, false]],
  );
  assert.ok(performance.now() - started < BALANCER.headTimeoutMs / 2);
});

test('a head that comes a line at a time has one time for all of it', async (t) => {
  let write: (text: string) => void = () => undefined;
  const dripping = await backend(t, (request, socket) => {
    if (request.head.target !== '/slow') return HELLO;
    write = (text) => void socket.write(text);
    return undefined;
  });
  const bench = await balance(t, dripping.url);
  const browser = client(t, bench).send(get('/slow', CLOSE));
  await eventually(() => dripping.heads === 1, 'the backend has the request');
  write('HTTP/1.1 200 OK\r\n');
  for (let line = 0; line < 4; line += 1) {
    write(`X-Line: ${line}\r\n`);
    // What was written before this has been read when it is answered.
    await once(t, bench, get('/', CLOSE));
    bench.skip(0.3 * BALANCER.responseTimeoutMs);
  }
  assert.match(await browser.closes(), /^HTTP\/1\.1 504 /);
});
