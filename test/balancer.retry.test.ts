import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  backend,
  balance,
  client,
  CLOSE,
  eventually,
  freePort,
  get,
  HELLO,
  HOST,
  once,
  post,
  statusOf,
} from './balancer.kit.ts';

test('a backend that is down at the start costs no request, and comes back by itself', async (t) => {
  const port = await freePort();
  const one = await backend(t);
  const bench = await balance(t, `http://127.0.0.1:${port}`, one.url);
  for (let sent = 0; sent < 6; sent += 1) assert.equal(statusOf(await once(t, bench, post('m', CLOSE))), 200);
  assert.equal(one.requests.length, 6);
  const downs = bench.events.filter((event) => event.type === 'backend.down');
  assert.deepEqual(
    downs.map(({ backend, reason }) => [backend, reason]),
    [[`127.0.0.1:${port}`, 'ECONNREFUSED']],
  );
  const returned = await backend(t, () => HELLO, port);
  await eventually(
    () => bench.events.some((event) => event.type === 'backend.up'),
    'the backend to come back',
  );
  for (let sent = 0; sent < 4; sent += 1) await once(t, bench, get('/', CLOSE));
  assert.equal(returned.requests.length, 2);
});

test('with no backend up the answer is 503 with Retry-After, at once, and the connection stays', async (t) => {
  const bench = await balance(
    t,
    `http://127.0.0.1:${await freePort()}`,
    `http://127.0.0.1:${await freePort()}`,
  );
  const browser = client(t, bench).send(get());
  const text = await browser.reads('NO_SERVER');
  assert.equal(statusOf(text), 503);
  assert.match(text, /Retry-After: 1\r\n/);
  await browser.send(`HEAD / HTTP/1.1\r\n${HOST}\r\n`).reads('NO_SERVER', '503', '\r\n\r\n');
  assert.ok(browser.received.endsWith('\r\n\r\n'));
  assert.equal(statusOf(await once(t, bench, post('body'))), 503);
});

test('each answer of the balancer itself is counted by its reason', async (t) => {
  const bench = await balance(t, `http://127.0.0.1:${await freePort()}`);
  await once(t, bench, get('/', CLOSE));
  await once(t, bench, 'GET / HTTP/1.1\r\n\r\n');
  await once(t, bench, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
  assert.deepEqual(bench.balancer.stats().own?.causes, {
    NO_SERVER: 1,
    'BAD_REQUEST no Host': 1,
    'BAD_REQUEST more than one Host': 1,
  });
});

test('a GET whose backend dies goes to the other one, unseen', async (t) => {
  const dying = await backend(t, () => null);
  const one = await backend(t);
  const bench = await balance(t, dying.url, one.url);
  for (let sent = 0; sent < 4; sent += 1) assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 200);
  const retried = bench.events.filter((event) => event.type === 'balancer.request' && event.retries > 0);
  assert.ok(retried.length >= 1);
});

test('a POST that was written to a backend which died is answered 502 and never sent again', async (t) => {
  const dying = await backend(t, () => null);
  const one = await backend(t);
  const bench = await balance(t, dying.url, one.url);
  const statuses: number[] = [];
  for (let sent = 0; sent < 6; sent += 1)
    statuses.push(statusOf(await once(t, bench, post(`m${sent}`, CLOSE))));
  const acted = [...dying.requests, ...one.requests].map(({ body }) => body);
  assert.deepEqual(acted.toSorted(), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5']);
  assert.equal(statuses.filter((status) => status === 502).length, dying.requests.length);
  assert.equal(statuses.filter((status) => status === 200).length, one.requests.length);
  assert.ok(dying.requests.length > 0);
});

test('a POST with an Idempotency-Key is sent again with its whole body', async (t) => {
  const dying = await backend(t, () => null);
  const one = await backend(t);
  const bench = await balance(t, dying.url, one.url);
  assert.equal(statusOf(await once(t, bench, post('hello', `Idempotency-Key: k1\r\n${CLOSE}`))), 200);
  assert.deepEqual([dying.requests[0]?.body, one.requests[0]?.body], ['hello', 'hello']);
  const chunks = `POST / HTTP/1.1\r\n${HOST}Idempotency-Key: k2\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n`;
  await once(t, bench, chunks);
  await once(t, bench, chunks);
  assert.ok(one.requests.length >= 2);
  for (const request of one.requests.slice(1)) {
    assert.equal(request.body, 'abcde');
    assert.deepEqual(request.trailers, ['X-T: 1']);
  }
});

test('a POST that is lost on a connection which had idled counts against its server, which may have acted on it', async (t) => {
  let asked = 0;
  const back = await backend(t, () => ((asked += 1) === 1 ? HELLO : null));
  const bench = await balance(t, back.url);
  const one = client(t, bench);
  await one.send(get()).reads('hello');
  one.received = '';
  assert.equal(statusOf(await one.send(post('m', CLOSE)).closes()), 502);
  assert.equal(bench.balancer.stats().backends[0]?.failures, 1);
});

test('a key that Connection takes out, so that no server sees it, lets nothing be sent again', async (t) => {
  const dying = [await backend(t, () => null), await backend(t, () => null)];
  const bench = await balance(t, ...dying.map(({ url }) => url));
  const fields = `Idempotency-Key: k1\r\nConnection: close, idempotency-key\r\n`;
  assert.equal(statusOf(await once(t, bench, post('hello', fields))), 502);
  const heads = dying.flatMap(({ requests }) => requests.map(({ head }) => head.fields));
  assert.equal(heads.length, 1);
  assert.ok(heads.flat().every(({ name }) => name !== 'idempotency-key'));
});

test('a body too large to keep is not sent again, even with an Idempotency-Key', async (t) => {
  const dying = await backend(t, () => null);
  const one = await backend(t);
  const bench = await balance(t, dying.url, one.url);
  const large = 'x'.repeat(70_000);
  const status = statusOf(await once(t, bench, post(large, `Idempotency-Key: k\r\n${CLOSE}`)));
  assert.equal(status, 502);
  assert.deepEqual([dying.requests.length, one.requests.length], [1, 0]);
  // Nor one whose size is not said before.
  await eventually(() => bench.balancer.stats().backends.every(({ up }) => up), 'both up');
  const chunks = `${large.length.toString(16)}\r\n${large}\r\n0\r\n\r\n`;
  const raw = `POST / HTTP/1.1\r\n${HOST}Idempotency-Key: k\r\n${CLOSE}Transfer-Encoding: chunked\r\n\r\n${chunks}`;
  while (dying.requests.length < 2) await once(t, bench, raw);
  const told = bench.events.flatMap((event) => (event.type === 'balancer.request' ? [event.retries] : []));
  assert.deepEqual(new Set(told), new Set([0]));
});

test('a PUT is sent again only while none of its body was sent', async (t) => {
  const dying = await backend(t, () => null);
  const one = await backend(t);
  const bench = await balance(t, dying.url, one.url);
  assert.equal(
    statusOf(await once(t, bench, `PUT /a HTTP/1.1\r\n${HOST}${CLOSE}Content-Length: 2\r\n\r\nab`)),
    502,
  );
  assert.equal(one.requests.length, 0);
  await eventually(() => bench.balancer.stats().backends.every(({ up }) => up), 'both up');
  while (dying.requests.length < 2)
    assert.equal(statusOf(await once(t, bench, `DELETE /a HTTP/1.1\r\n${HOST}${CLOSE}\r\n`)), 200);
});

test('a connection that the backend closed while it was idle is not used again', async (t) => {
  const hasty = await backend(t, (_, socket) => {
    socket.write(HELLO);
    setTimeout(() => socket.end(), 5);
    return undefined;
  });
  const bench = await balance(t, hasty.url);
  for (let sent = 0; sent < 5; sent += 1) {
    assert.equal(statusOf(await once(t, bench, post('m', CLOSE))), 200);
    await eventually(
      () => bench.balancer.stats().backends[0]?.idle === 0,
      'the idle connection to be dropped',
    );
  }
  assert.deepEqual([hasty.requests.length, hasty.connections], [5, 5]);
});

test('a stale connection is replaced by a new one to the same backend', async (t) => {
  // Answers once on each connection, then resets on the second request: what a keep-alive race looks like.
  const racing = await backend(t, ({ connection }) => {
    const seen = racing.requests.filter((request) => request.connection === connection).length;
    return seen > 1 ? null : HELLO;
  });
  const bench = await balance(t, racing.url);
  const browser = client(t, bench);
  await browser.send(get('/1')).reads('hello');
  await browser.send(get('/2')).reads('hello', 'hello');
  assert.deepEqual(
    racing.requests.map(({ head }) => head.path),
    ['/1', '/2', '/2'],
  );
  assert.equal(bench.balancer.stats().backends[0]?.failures, 0, 'it says nothing of the server');
  const text = await browser.send(post('m', CLOSE)).closes();
  assert.match(text, /HTTP\/1\.1 502 Bad Gateway/);
  assert.equal(racing.requests.filter(({ head }) => head.method === 'POST').length, 1);
});

test('an answer of 500 and more is passed on, not tried elsewhere', async (t) => {
  const ill = await backend(t, () => 'HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n');
  const one = await backend(t);
  const bench = await balance(t, ill.url, one.url);
  assert.equal(statusOf(await once(t, bench, get('/', CLOSE))), 500);
  assert.equal(one.requests.length, 0);
});

test('kill one backend under load: every acknowledged POST was acted on exactly once', async (t) => {
  const [one, two] = [await backend(t), await backend(t)];
  const bench = await balance(t, one.url, two.url);
  const statuses = new Map<string, number>();
  const worker = async (id: number): Promise<void> => {
    for (let sent = 0; sent < 40; sent += 1) {
      const body = `w${id}-${sent}`;
      statuses.set(body, statusOf(await once(t, bench, post(body, CLOSE))));
      if (id === 0 && sent === 15) await one.kill();
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, id) => worker(id)));
  const acted = [...one.requests, ...two.requests].map(({ body }) => body);
  assert.equal(new Set(acted).size, acted.length, 'a POST was acted on twice');
  for (const [body, status] of statuses) {
    assert.ok([200, 502].includes(status), `${body}: ${status}`);
    if (status === 200) assert.ok(acted.includes(body), `${body} was acknowledged but not acted on`);
  }
  assert.ok([...statuses.values()].filter((status) => status === 502).length <= 16);
  assert.ok(bench.events.some((event) => event.type === 'backend.down'));
});
