import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { EdgeOptions } from '../src/balancer/edge-options.ts';
import { client, eventually, freePort, RawClient } from './balancer.kit.ts';
import { edgeBalancer, exchange, tlsBalancer, tlsClient, type EdgeBench } from './balancer.edge.kit.ts';

interface TcpBackend {
  readonly url: string;
  readonly sockets: Socket[];
  close(): void;
}

/** A backend that does with each connection what it is told. */
async function tcp(t: TestContext, serve: (socket: Socket) => void): Promise<TcpBackend> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const close = (): void => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  t.after(close);
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, close };
}

const relay = (t: TestContext, urls: readonly string[], edges: EdgeOptions = {}): Promise<EdgeBench> =>
  edgeBalancer(t, { mode: 'tcp', ...edges }, urls, { check: { kind: 'tcp', timeoutMs: 1000 } });

const outcomes = ({ events }: EdgeBench) =>
  events.flatMap((one) =>
    one.type === 'balancer.connection' ? [[one.outcome, one.received, one.sent]] : [],
  );

test('bytes go both ways as they are, and each side may end before the other', async (t) => {
  const back = await tcp(t, (socket) => {
    let heard = '';
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
    });
    socket.on('end', () => socket.end(`heard ${heard.length}`));
  });
  const bench = await relay(t, [back.url]);
  assert.match(bench.balancer.url, /^tcp:/);
  const raw = client(t, bench);
  raw.send('\0\xff'.repeat(1000));
  raw.socket.end();
  assert.equal(await raw.closes(), 'heard 2000');
  await eventually(() => outcomes(bench).length === 1, 'the event');
  assert.deepEqual(outcomes(bench), [['closed', 2000, 10]]);
  await eventually(() => bench.balancer.stats().connections === 0, 'nothing left');
});

test('a backend that ends first may still be written to', async (t) => {
  let heard = '';
  const back = await tcp(t, (socket) => {
    socket.end('bye');
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
    });
  });
  const bench = await relay(t, [back.url]);
  const raw = client(t, bench);
  raw.socket.removeAllListeners('end');
  await raw.reads('bye');
  raw.send('still here');
  await eventually(() => heard === 'still here', 'what came after the end');
  raw.socket.end();
  await eventually(() => bench.balancer.stats().connections === 0, 'the end');
});

test('connections are shared out, and go to the next backend where one is not there', async (t) => {
  const name = (text: string) => (socket: Socket) => socket.end(text);
  const [one, two] = [await tcp(t, name('one')), await tcp(t, name('two'))];
  const gone = `http://127.0.0.1:${await freePort()}`;
  const bench = await relay(t, [gone, one.url, two.url]);
  const got: string[] = [];
  for (let turn = 0; turn < 8; turn += 1) got.push(await client(t, bench).closes());
  assert.deepEqual([...new Set(got)].toSorted(), ['one', 'two']);
  assert.ok(bench.events.some(({ type }) => type === 'backend.down'));
  one.close();
  two.close();
  await eventually(
    () =>
      bench.events.filter(({ type }) => type === 'backend.down').length === 3 ||
      (void client(t, bench), false),
    'all down',
  );
  const refused = client(t, bench);
  assert.equal(await refused.closes(), '');
  assert.equal(refused.over, 'error', 'a reset: nobody takes it for an empty answer');
});

test('a slow side holds the other back', async (t) => {
  let written = 0;
  const chunk = Buffer.alloc(65_536);
  const back = await tcp(t, (socket) => {
    const more = (): void => {
      while (!socket.destroyed && written < 1000) {
        written += 1;
        if (!socket.write(chunk)) {
          socket.once('drain', more);
          return;
        }
      }
      socket.end();
    };
    // A health check connects too, and says nothing.
    socket.once('data', more);
  });
  const bench = await relay(t, [back.url]);
  const raw = client(t, bench).send('go');
  raw.socket.pause();
  let before = -1;
  await eventually(() => {
    const still = before === written && written > 0;
    before = written;
    return still;
  }, 'the backend to be held back');
  assert.ok(written < 1000, `${written} pieces of 1000 went out`);
  let bytes = 0;
  raw.socket.removeAllListeners('data');
  raw.socket.on('data', (part) => {
    bytes += part.length;
  });
  raw.socket.resume();
  await raw.closes();
  assert.equal(bytes, 1000 * chunk.length);
});

test('a reset on one side is a reset on the other', async (t) => {
  const back = await tcp(t, (socket) => {
    socket.on('data', () => socket.resetAndDestroy());
  });
  const bench = await relay(t, [back.url]);
  const raw = client(t, bench).send('x');
  await raw.closes();
  assert.equal(raw.over, 'error');
  const other = client(t, bench);
  await eventually(() => back.sockets.length === 2, 'the second connection');
  const reset = new Promise((resolve) => {
    back.sockets[1]?.once('error', resolve);
  });
  other.socket.resetAndDestroy();
  assert.match(String(await reset), /ECONNRESET/);
});

test('a connection on which nothing moves ends', async (t) => {
  const back = await tcp(t, () => {});
  const bench = await relay(t, [back.url]);
  const raw = client(t, bench).send('x');
  await eventually(() => back.sockets.length === 1, 'the backend');
  await eventually(() => bench.balancer.backends.list[0]?.active === 1, 'the connection');
  bench.skip(bench.balancer.backends.list.length * 24 * 3_600_000);
  await raw.closes();
  await eventually(() => outcomes(bench).length === 1, 'the event');
  assert.equal(outcomes(bench)[0]?.[0], 'idle');
});

test('once one side has ended, the other has half a minute of silence', async (t) => {
  const back = await tcp(t, (socket) => void socket.resume());
  const bench = await relay(t, [back.url]);
  const raw = client(t, bench).send('x');
  await eventually(() => back.sockets.length === 1, 'the connection');
  bench.skip(40_000);
  raw.send('y');
  raw.socket.end();
  await eventually(() => back.sockets[0]?.readableEnded === true, 'its end at the backend');
  assert.deepEqual(outcomes(bench), []);
  bench.skip(31_000);
  await eventually(() => outcomes(bench).length === 1, 'the end');
  assert.equal(outcomes(bench)[0]?.[0], 'idle');
});

test('TLS ends at the balancer in TCP mode too, and a PROXY header says who is there', async (t) => {
  const back = await tcp(t, (socket) => {
    socket.once('data', (bytes) => socket.end(bytes));
  });
  const spec = { url: back.url, proxy: 1 as const };
  const { bench, ca } = await tlsBalancer(t, { mode: 'tcp' }, spec);
  const socket = await tlsClient(t, bench.balancer.port, { ca });
  const said = await exchange(socket, 'hello');
  assert.match(
    said,
    new RegExp(`^PROXY TCP4 127\\.0\\.0\\.1 127\\.0\\.0\\.1 ${socket.localPort} ${bench.balancer.port}\r\n`),
  );
});

test('connections are limited in all, and for each source', async (t) => {
  const back = await tcp(t, (socket) => {
    socket.write('hi');
    socket.on('end', () => socket.end());
    socket.resume();
  });
  const bench = await relay(t, [back.url], { maxPerSource: 2 });
  const open = [client(t, bench), client(t, bench)];
  for (const one of open) await one.reads('hi');
  assert.equal(await client(t, bench).closes(), '', 'the third of one source');
  open[0]?.socket.destroy();
  await eventually(() => bench.balancer.stats().connections === 1, 'a place');
  await client(t, bench).reads('hi');
  const all = await relay(t, [back.url], { maxConnections: 1 });
  await client(t, all).reads('hi');
  assert.equal(await client(t, all).closes(), '', 'the second of all');
  for (const { events } of [bench, all])
    assert.ok(events.some((one) => one.type === 'error' && one.code === 'TOO_MANY_CONNECTIONS'));
});

test('IPv6 on both sides', async (t) => {
  const server = createServer((socket) => socket.end(String(socket.remoteAddress)));
  await new Promise<void>((resolve) => {
    server.listen(0, '::1', resolve);
  });
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const bench = await relay(t, [`http://[::1]:${port}`], { listen: [{ host: '::1', port: 0 }] });
  const raw = new RawClient(bench.balancer.ports[1] ?? 0, '::1');
  t.after(() => raw.socket.destroy());
  assert.equal(await raw.closes(), '::1');
});
