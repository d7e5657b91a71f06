import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBalancer } from '../src/balancer/balancer.ts';
import type { EventBody } from '../src/core/events.ts';
import { bytesOf, readResponses } from '../src/core/http/testing.ts';
import {
  backend,
  balance,
  client,
  eventually,
  freePort,
  get,
  HELLO,
  HOST,
  once,
  post,
  RawClient,
} from './balancer.kit.ts';

test('requests take turns at the backends, and both sides keep their connections', async (t) => {
  const [one, two] = [await backend(t), await backend(t)];
  const bench = await balance(t, one.url, two.url);
  const browser = client(t, bench);
  for (let sent = 1; sent <= 10; sent += 1)
    await browser.send(get(`/${sent}`)).reads(...Array.from({ length: sent }, () => 'hello'));
  assert.deepEqual([one.requests.length, two.requests.length], [5, 5]);
  assert.deepEqual([one.connections, two.connections], [1, 1]);
  assert.equal(bench.balancer.stats().connections, 1);
  const told = bench.events.filter((event) => event.type === 'balancer.request');
  assert.equal(told.length, 10);
  const [first] = told;
  assert.deepEqual(
    [first?.method, first?.target, first?.status, first?.bytes, first?.retries, first?.backend],
    ['GET', '/1', 200, 5, 0, `127.0.0.1:${one.port}`],
  );
});

test('pipelined requests are answered in order', async (t) => {
  const slow = await backend(t, ({ head }, socket) => {
    setTimeout(() => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${head.path}`), 5);
  });
  const bench = await balance(t, slow.url, slow.url.replace('127.0.0.1', 'localhost'));
  const row = ['/1', '/2', '/3', '/4', '/5'];
  await client(t, bench)
    .send(row.map((path) => get(path)).join(''))
    .reads(...row);
});

test('a request and its response pass through byte by byte', async (t) => {
  const dripping = await backend(t, (_, socket) => {
    const bytes =
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n'.split('');
    const drip = (): void => {
      const next = bytes.shift();
      if (next !== undefined) socket.write(next, drip);
    };
    drip();
  });
  const bench = await balance(t, dripping.url);
  const browser = client(t, bench);
  const raw = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nDigest: d\r\n\r\n`;
  for (const byte of raw) {
    browser.send(byte);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  await browser.reads('\r\n0\r\n\r\n');
  const { messages } = readResponses([bytesOf(browser.received)]);
  assert.deepEqual(
    messages.map(({ head, body }) => [head.status, body]),
    [[200, 'abcdef']],
  );
  assert.equal(dripping.requests[0]?.body, 'hello');
  assert.deepEqual(dripping.requests[0]?.trailers, ['Digest: d']);
});

test('chunked bodies pass both ways with their trailers', async (t) => {
  const echo = await backend(
    t,
    ({ body }) =>
      `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nX-Sum: 9\r\n\r\n`,
  );
  const bench = await balance(t, echo.url);
  const browser = client(t, bench);
  browser.send(
    `PUT /f HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n2\r\nef\r\n0\r\nX-In: 1\r\n\r\n`,
  );
  const text = await browser.reads('abcdef', 'X-Sum: 9\r\n\r\n');
  assert.match(text, /Transfer-Encoding: chunked\r\n/);
  assert.equal(echo.requests[0]?.body, 'abcdef');
  assert.deepEqual(echo.requests[0]?.trailers, ['X-In: 1']);
});

test('chunks of one byte are gathered, both ways', async (t) => {
  const text = Array.from({ length: 50_000 }, (_, at) => String.fromCharCode(97 + (at % 26))).join('');
  const tiny = `${Array.from(text, (byte) => `1\r\n${byte}\r\n`).join('')}0\r\nX-Sum: 9\r\n\r\n`;
  const echo = await backend(t, () => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${tiny}`);
  const bench = await balance(t, echo.url);
  const browser = client(t, bench);
  browser.send(`PUT /f HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${tiny}`);
  await browser.reads('X-Sum: 9\r\n\r\n');
  const [message] = readResponses([bytesOf(browser.received)]).messages;
  assert.ok(message?.body === text && echo.requests[0]?.body === text);
  assert.deepEqual(echo.requests[0].trailers, ['X-Sum: 9']);
  assert.ok(browser.received.length < 1.2 * text.length, `${browser.received.length} bytes came`);
});

test('RFC 9110 7.6.2: Max-Forwards is counted down for TRACE and OPTIONS, and at 0 the answer is our own', async (t) => {
  const upstream = await backend(t);
  const bench = await balance(t, upstream.url);
  const ask = (method: string, fields: string): string => `${method} /a HTTP/1.1\r\n${HOST}${fields}\r\n`;
  const browser = client(t, bench);
  await browser.send(ask('OPTIONS', 'Max-Forwards: 3\r\n')).reads('hello');
  await browser.send(ask('TRACE', 'max-forwards: 007\r\n')).reads('hello', 'hello');
  await browser.send(ask('TRACE', 'Max-Forwards: 99999999999999999999\r\n')).reads('hello', 'hello', 'hello');
  await browser.send(ask('GET', 'Max-Forwards: 0\r\n')).reads('hello', 'hello', 'hello', 'hello');
  assert.deepEqual(
    upstream.requests.map(({ head }) => head.fields.find(({ name }) => name === 'max-forwards')?.value),
    ['2', '6', '998', '0'],
  );
  // On a connection that goes on.
  const last = client(t, bench);
  await last.send(ask('OPTIONS', 'Max-Forwards: 0\r\n')).reads('Content-Length: 0\r\n\r\n');
  const names = ['Cookie', 'Authorization', 'X-Password', 'X-JWT', 'X-Csrf', 'X-Forwarded-For', 'X-Any'];
  const secret = names.map((name) => `${name}: hidden\r\n`).join('');
  const shown = 'Max-Forwards: 00\r\nVIA: 1.1 one\r\nUser-Agent: me\r\n';
  await last.send(ask('TRACE', secret + shown)).reads('User-Agent: me\r\n\r\n');
  const [, echoed] = readResponses([bytesOf(last.received)]).messages;
  assert.equal(echoed?.body, `TRACE /a HTTP/1.1\r\n${HOST}${shown}\r\n`);
  assert.match(last.received, /Content-Type: message\/http\r\n/);
  assert.equal(upstream.requests.length, 4);
  assert.deepEqual(bench.balancer.stats().own?.causes, undefined);
});

test('RFC 9110 7.6.3: a ring of balancers is seen by Via, and costs one request a few rounds', async (t) => {
  const nowhere = await freePort();
  const bench = await balance(t, `http://127.0.0.1:${nowhere}`);
  const { backends, port } = bench.balancer;
  backends.add({ url: `http://127.0.0.1:${port}`, weight: 1, maxConnections: 0 });
  await backends.remove(`127.0.0.1:${nowhere}`);
  const text = await once(t, bench, get('/', 'Connection: close\r\n'));
  assert.match(text, /^HTTP\/1\.1 508 Loop Detected\r\n[^]*in a ring/);
  const asked = bench.events.filter((event) => event.type === 'balancer.request' && event.target === '/');
  assert.equal(asked.length, 9);
});

test('HEAD, 204 and 304 end with their head, and the connection goes on', async (t) => {
  const quiet = await backend(t, ({ head }) => {
    if (head.method === 'HEAD') return 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n';
    if (head.path === '/204') return 'HTTP/1.1 204 No Content\r\nX: 204\r\n\r\n';
    if (head.path === '/304') return 'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n';
    return HELLO;
  });
  const bench = await balance(t, quiet.url);
  const browser = client(t, bench);
  await browser.send(`HEAD / HTTP/1.1\r\n${HOST}\r\n`).reads('Content-Length: 99\r\n\r\n');
  await browser.send(get('/204')).reads('204 No Content', '\r\n\r\n');
  await browser.send(get('/304')).reads('304 Not Modified', 'Content-Length: 99\r\n\r\n');
  await browser.send(get('/')).reads('hello');
  assert.equal(quiet.connections, 1);
});

test('a body that runs to the close becomes chunks, and for HTTP/1.0 runs to the close', async (t) => {
  const old = await backend(t, (_, socket) => void socket.end('HTTP/1.0 200 OK\r\n\r\nup to the close'));
  const bench = await balance(t, old.url);
  const modern = client(t, bench).send(get());
  assert.match(await modern.reads('up to the close', '\r\n0\r\n\r\n'), /Transfer-Encoding: chunked/);
  const ancient = await once(t, bench, 'GET / HTTP/1.0\r\n\r\n');
  assert.ok(ancient.endsWith('\r\n\r\nup to the close') && !ancient.includes('chunked'));
  assert.match(ancient, /Connection: close\r\n/);
});

test('an HTTP/1.0 client may keep its connection where it asks to', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const old = client(t, bench).send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  assert.match(await old.reads('hello'), /Connection: keep-alive\r\n/);
  old.send('GET / HTTP/1.0\r\n\r\n');
  await old.closes();
  assert.equal(one.requests.length, 2);
});

test('100 (Continue) is asked for and passed on, and the body follows', async (t) => {
  const patient = await backend(
    t,
    () => 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n' + HELLO,
  );
  const bench = await balance(t, patient.url);
  const upload = client(t, bench).send(
    `PUT / HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
  );
  await upload.reads('100 Continue\r\n\r\n', '103 Early Hints', 'hello');
  assert.equal(patient.requests[0]?.head.expectsContinue, true);
  // HTTP/1.0 knows no interim responses.
  const old = await once(t, bench, 'PUT / HTTP/1.0\r\nContent-Length: 0\r\n\r\n');
  assert.match(old, /^HTTP\/1\.1 200 OK/);
});

test('a client that ends its side after the request still gets the whole answer', async (t) => {
  const slow = await backend(t, (_, socket) => {
    setTimeout(() => socket.write(HELLO), 30);
  });
  const bench = await balance(t, slow.url);
  const halfway = client(t, bench).send(get());
  halfway.socket.end();
  assert.ok((await halfway.closes()).endsWith('hello'));
});

test('a client that leaves takes its request with it', async (t) => {
  let closed = false;
  const slow = await backend(t, (_, socket) => {
    socket.on('close', () => {
      closed = true;
    });
    return undefined;
  });
  const bench = await balance(t, slow.url);
  const hasty = client(t, bench).send(get());
  await eventually(() => slow.requests.length === 1, 'the request');
  hasty.socket.resetAndDestroy();
  await eventually(() => closed, 'the backend connection to close');
  const [told] = bench.events.filter((event) => event.type === 'balancer.request');
  assert.deepEqual([told?.status, told?.cut], [499, undefined]);
  assert.equal(bench.balancer.stats().active, 0);
});

test('of a client that leaves in the middle of its answer the log says that it was not whole, of others nothing', async (t) => {
  const back = await backend(t, ({ head }) =>
    head.path === '/whole' ? HELLO : 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart',
  );
  const bench = await balance(t, back.url);
  const hasty = client(t, bench);
  await hasty.send(get('/whole')).reads('hello');
  await hasty.send(get('/part')).reads('part');
  hasty.socket.resetAndDestroy();
  await eventually(() => bench.balancer.stats().active === 0, 'its end');
  assert.deepEqual(
    bench.events.flatMap((event) =>
      event.type === 'balancer.request' ? [[event.target, event.status, event.bytes, event.cut]] : [],
    ),
    [
      ['/whole', 200, 5, undefined],
      ['/part', 200, 4, true],
    ],
  );
});

test('with the access log off an answer that was not whole is logged all the same', async (t) => {
  const back = await backend(t, ({ head }) =>
    head.path === '/whole' ? HELLO : 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart',
  );
  const events: EventBody[] = [];
  const balancer = await startBalancer({
    host: '127.0.0.1',
    port: 0,
    backends: [{ url: back.url }],
    emit: (event) => void events.push(event),
    accessLog: 0,
  });
  t.after(() => balancer.close());
  const hasty = new RawClient(balancer.port);
  await hasty.send(get('/whole')).reads('hello');
  await hasty.send(get('/part')).reads('part');
  hasty.socket.resetAndDestroy();
  await eventually(() => balancer.stats().active === 0, 'its end');
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'balancer.request' ? [event.target] : [])),
    ['/part'],
  );
});

test('half a request body is never completed for the backend', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const cut = client(t, bench).send(`POST / HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nhalf`);
  await eventually(() => one.connections === 1, 'the backend connection');
  cut.socket.end();
  await cut.closes();
  assert.equal(one.requests.length, 0);
  assert.equal(cut.received, '');
});

test('an early answer ends the connection, since the rest of the request may never come', async (t) => {
  const { createServer } = await import('node:net');
  const early = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno'));
  });
  await new Promise<void>((resolve) => {
    early.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => early.close());
  const address = early.address();
  assert.ok(address !== null && typeof address === 'object');
  const bench = await balance(t, `http://127.0.0.1:${address.port}`);
  const upload = client(t, bench).send(
    `PUT / HTTP/1.1\r\n${HOST}Content-Length: 1000000\r\n\r\n${'x'.repeat(1000)}`,
  );
  const text = await upload.closes();
  assert.match(text, /^HTTP\/1\.1 413 Too Large\r\n/);
  assert.match(text, /Connection: close\r\n/);
  assert.ok(text.endsWith('no'));
});

test('stopping lets running requests end, and takes no new ones', async (t) => {
  const slow = await backend(t, (_, socket) => {
    setTimeout(() => socket.write(HELLO), 100);
  });
  const bench = await balance(t, slow.url);
  const idle = client(t, bench).send(post('x'));
  await idle.reads('hello');
  const busy = client(t, bench).send(get());
  await eventually(() => slow.requests.length === 2, 'the second request');
  await bench.balancer.close();
  assert.ok((await busy.closes()).endsWith('hello'));
  assert.match(busy.received, /Connection: close/);
  await eventually(() => bench.balancer.stats().connections === 0, 'all connections to close');
});
