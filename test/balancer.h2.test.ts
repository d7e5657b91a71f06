import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { connect, constants } from 'node:http2';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { backend, eventually, HELLO, type TestBackend } from './balancer.kit.ts';
import { tlsBalancer } from './balancer.edge.kit.ts';
import { answerOf, ask, over } from './balancer.h2.kit.ts';
import { fields, frame, GET, rawH2, TYPE } from './balancer.h2.raw.ts';

const field = (back: TestBackend, name: string, index = 0): string | undefined =>
  back.requests[index]?.head.fields.find((one) => one.name === name)?.value;

test('a request over HTTP/2 reaches the backend as HTTP/1.1, in one log', async (t) => {
  const back = await backend(t);
  const { bench, client } = await over(t, back);
  const answer = await answerOf(
    ask(client, { ':path': '/a?b', cookie: ['a=1', 'b=2'], 'x-one': 'yes', te: 'trailers' }),
  );
  assert.deepEqual([answer.status, answer.body], [200, 'hello']);
  assert.ok(answer.headers.date !== undefined);
  const [request] = back.requests;
  assert.deepEqual(
    [request?.head.method, request?.head.target, request?.head.host],
    ['GET', '/a?b', 'kelana.test'],
  );
  assert.equal(field(back, 'cookie'), 'a=1; b=2');
  assert.equal(field(back, 'via'), '2.0 kelana');
  assert.equal(field(back, 'x-forwarded-proto'), 'https');
  assert.equal(field(back, 'te'), undefined);
  const logged = bench.events.filter((event) => event.type === 'balancer.request');
  assert.deepEqual(
    logged.map(({ method, target, status }) => [method, target, status]),
    [['GET', '/a?b', 200]],
  );
});

test('a client that goes is gone at once, with what it asked for, and its place is free', async (t) => {
  let dropped = 0;
  const back = await backend(t, (_, socket) => void socket.on('close', () => (dropped += 1)));
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  for (let turn = 0; turn < 8; turn += 1) {
    const raw = await rawH2(t, bench.balancer.port, ca);
    await eventually(() => raw.got(TYPE.settings, 0), 'its settings');
    if (turn % 2 === 0) raw.send(frame(TYPE.headers, 5, 1, fields(...GET)));
    if (turn % 2 === 0) await eventually(() => bench.balancer.stats().active === 1, 'the request');
    // As curl ends: a last word, and a FIN.
    raw.send(frame(TYPE.goaway, 0, 0, Buffer.alloc(8)));
    raw.socket.end();
    await eventually(() => bench.balancer.stats().connections === 0, 'the connection to be gone');
  }
  await eventually(() => dropped === 4, 'the backend to hear of it');
});

/** What no field may hold (RFC 9113 section 8.2.1). */
const NO_FIELDS: readonly (readonly [name: string, value: string])[] = [
  ['a', '1\r\nb: c'],
  ['a', '1\nb: c'],
  ['a', '1\0'],
  ['a\r\nb: c', '1'],
  ['a b', '1'],
  ['a:b', '1'],
  ['', '1'],
];

test('a field that is none goes nowhere: node:http2 drops it without a word, and the rest goes on', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const raw = await rawH2(t, bench.balancer.port, ca);
  let stream = -1;
  const POST = [[':method', 'POST'] as const, ...GET.slice(1)];
  for (const one of NO_FIELDS) {
    raw.send(frame(TYPE.headers, 5, (stream += 2), fields(...GET, one, ['x-kept', '1'])));
    // The same as a trailer.
    raw.send(
      frame(TYPE.headers, 4, (stream += 2), fields(...POST)),
      frame(TYPE.data, 0, stream, Buffer.from('body')),
    );
    raw.send(frame(TYPE.headers, 5, stream, fields(one, ['x-kept', '1'])));
  }
  await eventually(() => back.requests.length === 2 * NO_FIELDS.length, 'the requests');
  for (const { head, body, trailers } of back.requests) {
    const sent = head.fields
      .map(({ name, value }) => `${name}: ${value}`)
      .filter((line) => /^[abx]\b/.test(line));
    const ours = sent.filter((line) => !line.startsWith('x-forwarded'));
    assert.deepEqual(
      [ours, body, trailers],
      body === '' ? [['x-kept: 1'], '', []] : [[], 'body', ['x-kept: 1']],
    );
  }
  // Of what says where a request goes, nothing is dropped: it is refused.
  for (const [at, [name]] of GET.entries()) {
    const wrong = GET.map((pair, place) => (place === at ? ([name, 'x\r\ny'] as const) : pair));
    raw.send(frame(TYPE.headers, 5, (stream += 2), fields(...wrong)));
    await eventually(
      () => raw.got(TYPE.reset, stream) || raw.got(TYPE.headers, stream),
      `an answer to ${name}`,
    );
  }
  assert.equal(back.requests.length, 2 * NO_FIELDS.length);
});

test('many streams at once, each with its own answer', async (t) => {
  const back = await backend(
    t,
    ({ head }) => `HTTP/1.1 200 OK\r\nContent-Length: ${head.target.length}\r\n\r\n${head.target}`,
  );
  const { client } = await over(t, back);
  const paths = Array.from({ length: 90 }, (_, at) => `/${at}`);
  const answers = await Promise.all(paths.map((path) => answerOf(ask(client, { ':path': path }))));
  assert.deepEqual(
    answers.map(({ body }) => body),
    paths,
  );
});

test('bodies go both ways, with a length and without, and with trailers', async (t) => {
  const back = await backend(
    t,
    ({ body }) =>
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nX-Sum: 7\r\n\r\n`,
  );
  const { client } = await over(t, back);
  const text = 'x'.repeat(300_000);
  for (const fields of [{}, { 'content-length': String(text.length) }]) {
    const stream = ask(client, { ':method': 'POST', ...fields });
    stream.end(text);
    const answer = await answerOf(stream);
    assert.equal(answer.body.length, text.length);
    assert.equal(answer.trailers['x-sum'], '7');
    assert.equal(answer.headers['transfer-encoding'], undefined);
  }
  assert.deepEqual(
    back.requests.map(({ body }) => body.length),
    [300_000, 300_000],
  );
  const trailing = client.request(
    { ':method': 'POST', ':authority': 'kelana.test' },
    {
      waitForTrailers: true,
    },
  );
  trailing.on('wantTrailers', () => trailing.sendTrailers({ 'x-end': 'yes' }));
  trailing.end('abc');
  await answerOf(trailing);
  assert.deepEqual(back.requests[2]?.trailers, ['x-end: yes']);
});

test('HEAD, 204, 304, and interim answers', async (t) => {
  const back = await backend(t, ({ head }) =>
    head.method === 'HEAD'
      ? 'HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n'
      : head.path === '/hints'
        ? `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${HELLO}`
        : `HTTP/1.1 ${head.path.slice(1)} No\r\n\r\n`,
  );
  const { client } = await over(t, back);
  const head = await answerOf(ask(client, { ':method': 'HEAD' }));
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '77', '']);
  for (const status of [204, 304]) {
    const answer = await answerOf(ask(client, { ':path': `/${status}` }));
    assert.deepEqual([answer.status, answer.body], [status, '']);
  }
  assert.deepEqual((await answerOf(ask(client, { ':path': '/hints' }))).interim, [103]);
});

test('a repeated field of an answer stays repeated', async (t) => {
  const back = await backend(
    t,
    () =>
      'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n__proto__: x\r\nContent-Length: 0\r\n\r\n',
  );
  const { client } = await over(t, back);
  const answer = await answerOf(ask(client));
  assert.deepEqual(answer.headers['set-cookie'], ['a=1', 'b=2']);
});

const MALFORMED: Readonly<Record<string, Record<string, string>>> = {
  'another host than the authority': { host: 'other.test' },
  'an authority with a name and password': { ':authority': 'a:b@kelana.test' },
  'a path in full form': { ':path': 'https://other.test/' },
  'a path with a space': { ':path': '/a b' },
  'an asterisk with GET': { ':path': '*' },
  'a scheme of a plain connection': { ':scheme': 'http' },
  'two lengths in one field': { 'content-length': '0, 0' },
};
for (const [what, fields] of Object.entries(MALFORMED))
  test(`refused: ${what}`, async (t) => {
    const back = await backend(t);
    const { client } = await over(t, back);
    const outcome = await answerOf(ask(client, fields)).then(
      ({ status }) => String(status),
      (thrown: unknown) => String(thrown),
    );
    assert.match(outcome, /^(400|.*reset|.*PROTOCOL_ERROR)/);
    assert.equal(back.heads, 0);
    assert.equal((await answerOf(ask(client))).status, 200, 'the connection goes on');
  });

test('a backend that breaks off resets the stream, and only that', async (t) => {
  const back = await backend(t, ({ head }, socket) => {
    if (head.path === '/') return HELLO;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.resetAndDestroy());
    return undefined;
  });
  const { client } = await over(t, back);
  const broken = answerOf(ask(client, { ':path': '/broken' }));
  const whole = answerOf(ask(client));
  await assert.rejects(broken, /INTERNAL_ERROR|reset 2/);
  assert.equal((await whole).body, 'hello');
});

test('a client that cancels ends the request at the backend, and half a body never counts as whole', async (t) => {
  const back = await backend(t, () => undefined);
  const { bench, client, ca } = await over(t, back);
  const waiting = ask(client);
  waiting.on('error', () => {});
  await eventually(() => back.requests.length === 1, 'the request');
  waiting.close(constants.NGHTTP2_CANCEL);
  await eventually(() => bench.balancer.stats().active === 0, 'its end');
  // The client of node:http2 ends a stream before it resets it, so these frames are written by hand.
  const raw = await rawH2(t, bench.balancer.port, ca);
  for (const [turn, code] of [constants.NGHTTP2_CANCEL, constants.NGHTTP2_NO_ERROR].entries()) {
    const [heads, stream] = [back.heads, 1 + 2 * turn];
    const post = fields([':method', 'POST'], ...GET.slice(1));
    raw.send(frame(TYPE.headers, 4, stream, post), frame(TYPE.data, 0, stream, Buffer.from('half')));
    await eventually(() => back.heads === heads + 1, 'the head of the half request');
    raw.send(frame(TYPE.reset, 0, stream, Buffer.from([0, 0, 0, code])));
    await eventually(() => bench.balancer.stats().active === 0, 'its end');
  }
  assert.equal(back.requests.length, 1, 'no half request became a whole one');
  const statuses = bench.events.flatMap((event) => (event.type === 'balancer.request' ? [event.status] : []));
  assert.deepEqual(statuses, [499, 499, 499]);
});

test('an answer before the whole request ends the upload without an error', async (t) => {
  const back = await backend(t);
  const { client } = await over(t, back);
  await back.kill();
  const stream = ask(client, { ':method': 'POST' });
  stream.write('some');
  assert.equal((await answerOf(stream)).status, 503);
});

test('a slow reader holds the backend back, and nobody else', async (t) => {
  const chunk = 'x'.repeat(65_536);
  let written = 0;
  const back = await backend(t, ({ head }, socket) => {
    if (head.path === '/') return HELLO;
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${chunk.length * 400}\r\n\r\n`);
    const more = (): void => {
      while (written < 400 && !socket.destroyed) {
        written += 1;
        if (!socket.write(chunk)) {
          socket.once('drain', more);
          return;
        }
      }
    };
    more();
    return undefined;
  });
  const { bench, client } = await over(t, back);
  const slow = ask(client, { ':path': '/long' });
  await new Promise((resolve) => {
    slow.once('response', resolve);
  });
  // Nothing is read: the window of 64 KiB fills, then the stream's buffer, then the sockets.
  assert.equal((await answerOf(ask(client))).body, 'hello');
  let before = -1;
  await eventually(() => {
    const still = before === written;
    before = written;
    return still;
  }, 'the backend to be held back');
  assert.ok(written < 400, `${written} pieces of 400 went out`);
  const error = new Promise((resolve) => {
    slow.once('error', resolve);
  });
  // What left before the first look still counts there as a client that reads.
  await eventually(() => {
    bench.skip(2_000);
    return bench.balancer.stats().active === 0;
  }, 'the end of what stands still');
  slow.resume();
  assert.match(String(await error), /INTERNAL_ERROR/);
});

test('answers of which nothing is read are given up at their time, those of our own too', async (t) => {
  const back = await backend(t, ({ head }) => {
    const body = 'x'.repeat(head.path === '/short' ? 5 : 60_000);
    return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  });
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const client = connect(`https://127.0.0.1:${bench.balancer.port}`, {
    ca,
    servername: 'kelana.test',
    settings: { initialWindowSize: 0 },
  });
  t.after(() => client.destroy());
  const codes: number[] = [];
  const paths = ['/short', '/long', '/short', '/long'];
  const asked = [
    ...paths.map((path) => ask(client, { ':path': path })),
    ask(client, { ':method': 'OPTIONS', 'max-forwards': '0' }),
    ask(client, { ':method': 'TRACE', 'max-forwards': '0' }),
  ];
  for (const stream of asked) {
    stream.on('error', () => {});
    stream.on('close', () => void codes.push(stream.rstCode));
    stream.resume();
  }
  await eventually(() => back.requests.length >= 4, 'the requests');
  await eventually(() => bench.balancer.stats().backends[0]?.active === 0, 'the whole answers');
  await eventually(() => {
    bench.skip(2_000);
    return bench.balancer.stats().active === 0 && codes.length === asked.length;
  }, 'the end of all streams');
  // OPTIONS has no body to wait for.
  assert.equal(codes.filter((code) => code === constants.NGHTTP2_NO_ERROR).length, 1);
  // Nothing holds the connection any longer.
  bench.skip(61_000);
  await eventually(() => bench.balancer.stats().connections === 0, 'the end of the connection');
});

test('GOAWAY when the balancer stops: what runs ends, and no new stream begins', async (t) => {
  let release: (() => void) | undefined;
  const back = await backend(t, (_, socket) => {
    release = () => void socket.write(HELLO);
    return undefined;
  });
  const { bench, client } = await over(t, back);
  const running = answerOf(ask(client));
  await eventually(() => release !== undefined, 'the request');
  const goaway = new Promise((resolve) => {
    client.once('goaway', resolve);
  });
  const stopped = bench.stop();
  await goaway;
  release?.();
  assert.equal((await running).body, 'hello');
  await stopped;
});

test('a rate limit counts streams as requests', async (t) => {
  const back = await backend(t);
  const { client } = await over(t, back, { rate: { perSecond: 0.5, burst: 2 } });
  const statuses: number[] = [];
  for (let turn = 0; turn < 3; turn += 1) statuses.push((await answerOf(ask(client))).status);
  assert.deepEqual(statuses, [200, 200, 429]);
  const last = await answerOf(ask(client));
  assert.equal(last.headers['retry-after'], '2');
});

test('curl speaks HTTP/2 with it', async (t) => {
  const back = await backend(
    t,
    ({ body }) => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const { bench } = await tlsBalancer(t, {}, back.url);
  const url = `https://127.0.0.1:${bench.balancer.port}/`;
  const args = [
    '--silent',
    '--insecure',
    '--http2',
    '--max-time',
    '10',
    '--data-binary',
    'x'.repeat(20_000),
    '-w',
    '%{http_version} %{http_code}',
    url,
  ];
  const run = promisify(execFile)('curl', args);
  const { stdout } = await run.catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') throw new Error('this test needs the package curl');
    throw thrown;
  });
  assert.equal(stdout, `${'x'.repeat(20_000)}2 200`);
});
