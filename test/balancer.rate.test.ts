import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startBalancer } from '../src/balancer/balancer.ts';
import { parseMethod } from '../src/core/balance/choice.ts';
import { forwardingOf } from '../src/balancer/forwarding.ts';
import { backend, client, CLOSE, eventually, get, once, post, statusOf } from './balancer.kit.ts';
import { edgeBalancer } from './balancer.edge.kit.ts';

test('who asks too often is told 429 and when to come again, on a connection that goes on', async (t) => {
  const back = await backend(t);
  const bench = await edgeBalancer(t, { rate: { perSecond: 0.1, burst: 2 } }, [back.url]);
  const raw = client(t, bench);
  raw.send(get('/1') + get('/2') + get('/3'));
  await raw.reads('hello', 'hello', 'HTTP/1.1 429 ', 'Retry-After: 10\r\n', 'TOO_MANY_REQUESTS');
  bench.skip(10_000);
  raw.send(get('/4', CLOSE));
  await raw.closes();
  assert.deepEqual(
    back.requests.map(({ head }) => head.path),
    ['/1', '/2', '/4'],
  );
  assert.deepEqual(bench.balancer.stats().own?.causes, { TOO_MANY_REQUESTS: 1 });
});

test('who is replaced sends on, with its answer, also one that asks too often or is answered by the balancer', async (t) => {
  const back = await backend(t);
  const bench = await edgeBalancer(t, { rate: { perSecond: 0.1, burst: 2 } }, [back.url]);
  const [limited, last] = [client(t, bench), client(t, bench)];
  await limited.send(get()).reads('hello');
  await last.send(get()).reads('hello');
  void bench.balancer.drain();
  limited.send(get());
  assert.match(await limited.closes(), /HTTP\/1\.1 429 [^]*\r\nConnection: close\r\n/);
  bench.skip(10_000);
  last.send(`OPTIONS / HTTP/1.1\r\nHost: kelana.test\r\nMax-Forwards: 0\r\n\r\n`);
  assert.match(await last.closes(), /\r\nConnection: close\r\n/);
});

test('a request with a body that is turned away ends its connection, and its body is no request', async (t) => {
  const back = await backend(t);
  const bench = await edgeBalancer(t, { rate: { perSecond: 0.1, burst: 1 } }, [back.url]);
  await once(t, bench, get('/', CLOSE));
  const answer = await once(t, bench, post(get('/smuggled')));
  assert.match(answer, /^HTTP\/1\.1 429 [\s\S]*Connection: close\r\n/);
  assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1);
  assert.equal(back.requests.length, 1);
});

test('the answer to HEAD has no body, and each refusal is in the log', async (t) => {
  const back = await backend(t);
  const bench = await edgeBalancer(t, { rate: { perSecond: 0.1, burst: 1 } }, [back.url]);
  await once(t, bench, get('/', CLOSE));
  const answer = await once(t, bench, `HEAD / HTTP/1.1\r\nHost: kelana.test\r\n${CLOSE}\r\n`);
  assert.match(answer, /^HTTP\/1\.1 429 [\s\S]*\r\n\r\n$/);
  const statuses = bench.events.flatMap((event) => (event.type === 'balancer.request' ? [event.status] : []));
  assert.deepEqual(statuses, [200, 429]);
});

test('what other processes let through of a common limit counts here as well', async (t) => {
  const back = await backend(t);
  const rate = { perSecond: 0.1, burst: 2 };
  const [one, other] = [
    await edgeBalancer(t, { rate }, [back.url]),
    await edgeBalancer(t, { rate }, [back.url]),
  ];
  let told = 0;
  one.balancer.shareRate(1, (spent) => {
    other.balancer.spend(spent);
    for (const [, times] of spent) told += times;
  });
  for (let sent = 0; sent < 2; sent += 1) assert.equal(statusOf(await once(t, one, get('/', CLOSE))), 200);
  await eventually(() => told === 2, 'the other to be told');
  assert.equal(statusOf(await once(t, other, get('/', CLOSE))), 429);
});

test('the others hear of a burst before the answer is there, and of what follows soon after', async (t) => {
  const back = await backend(t);
  const bench = await edgeBalancer(t, { rate: { perSecond: 0.1, burst: 4 } }, [back.url]);
  const told: number[] = [];
  bench.balancer.shareRate(4, (spent) => void told.push(...spent.map(([, times]) => times)));
  const raw = client(t, bench);
  raw.send(get('/1') + get('/2') + get('/3'));
  await raw.reads('hello', 'hello', 'hello');
  assert.equal(told[0], 1);
  await eventually(() => told.reduce((sum, times) => sum + times, 0) === 3, 'the rest to be told');
  assert.ok(told.length <= 3);
});

test('behind a trusted proxy each of its clients has its own rate', async (t) => {
  const back = await backend(t);
  const balancer = await startBalancer({
    host: '127.0.0.1',
    port: 0,
    backends: [{ url: back.url }],
    edges: { rate: { perSecond: 0.1, burst: 1 } },
    forwarding: forwardingOf('x-forwarded', ['127.0.0.1']),
    emit: () => undefined,
  });
  t.after(() => balancer.close());
  const ask = async (address: string): Promise<number> => {
    const { status, body } = await fetch(balancer.url, { headers: { 'x-forwarded-for': address } });
    await body?.cancel();
    return status;
  };
  assert.deepEqual([await ask('192.0.2.1'), await ask('192.0.2.2')], [200, 200]);
  assert.deepEqual([await ask('192.0.2.1'), await ask('6.6.6.6, 192.0.2.1')], [429, 429]);
  // Of IPv6 the network counts, as one client has all of a /64.
  const six = [await ask('2001:db8::1'), await ask('2001:db8::2'), await ask('2001:db8:0:1::1')];
  assert.deepEqual(six, [200, 429, 200]);
});

test('behind a trusted proxy requests are shared out by its clients, not by itself', async (t) => {
  const backs = await Promise.all(Array.from({ length: 4 }, () => backend(t)));
  const start = async (...trusted: readonly string[]): Promise<Set<number>> => {
    const balancer = await startBalancer({
      host: '127.0.0.1',
      port: 0,
      backends: backs,
      balance: { method: parseMethod('hash:source') },
      forwarding: forwardingOf('x-forwarded', trusted),
      emit: () => undefined,
    });
    t.after(() => balancer.close());
    const before = backs.map(({ requests }) => requests.length);
    for (let host = 1; host <= 12; host += 1)
      await (await fetch(balancer.url, { headers: { 'x-forwarded-for': `192.0.2.${host}` } })).text();
    return new Set(backs.flatMap(({ requests }, at) => (requests.length > (before[at] ?? 0) ? [at] : [])));
  };
  assert.equal((await start()).size, 1);
  assert.ok((await start('127.0.0.1')).size > 1);
});
