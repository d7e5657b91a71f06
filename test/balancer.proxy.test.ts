import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once as event } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { ProxyHeaderParser, proxyHeader } from '../src/core/http/proxy-protocol.ts';
import {
  backend,
  client,
  CLOSE,
  eventually,
  freePort,
  get,
  HELLO,
  once,
  RawClient,
  type TestBackend,
} from './balancer.kit.ts';
import { edgeBalancer, tlsBalancer } from './balancer.edge.kit.ts';
import { certificate } from './support/certificate.ts';
import { temporaryFolder } from './support/basics.ts';

const CLIENT = { address: '203.0.113.9', port: 4711 };
const SAID = { source: CLIENT, destination: { address: '203.0.113.1', port: 80 } };
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const from = (back: TestBackend, index = 0): string | undefined =>
  back.requests[index]?.head.fields.find(({ name }) => name === 'x-forwarded-for')?.value;

for (const version of [1, 2] as const)
  test(`version ${version}: the client that a trusted proxy names is the client`, async (t) => {
    const back = await backend(t);
    const bench = await edgeBalancer(t, { acceptProxy: ['127.0.0.1'] }, [back.url]);
    const raw = client(t, bench);
    raw.send(latin1(proxyHeader(version, SAID)) + get('/a'));
    await raw.reads('hello');
    raw.send(get('/b', CLOSE));
    await raw.closes();
    assert.deepEqual([from(back), from(back, 1)], [CLIENT.address, CLIENT.address]);
    const logged = bench.events.flatMap((one) => (one.type === 'balancer.request' ? [one.client] : []));
    assert.deepEqual(logged, ['203.0.113.9:4711', '203.0.113.9:4711']);
  });

test('byte by byte, and with TLS after it', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, { acceptProxy: ['127.0.0.0/8'] }, back.url);
  const wire = connect({ port: bench.balancer.port, host: '127.0.0.1', noDelay: true });
  t.after(() => wire.destroy());
  await event(wire, 'connect');
  for (const byte of proxyHeader(2, SAID)) {
    wire.write(Buffer.from([byte]));
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  const socket = connectTls({ socket: wire, ca, servername: 'kelana.test' });
  await event(socket, 'secureConnect');
  socket.write(get('/', CLOSE));
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString();
  });
  await event(socket, 'end');
  assert.match(text, /hello$/);
  assert.equal(from(back), CLIENT.address);
});

test('LOCAL and UNKNOWN leave the address of the connection', async (t) => {
  const back = await backend(t);
  const bench = await edgeBalancer(t, { acceptProxy: ['127.0.0.1'] }, [back.url]);
  for (const version of [1, 2] as const)
    await once(t, bench, latin1(proxyHeader(version, null)) + get('/', CLOSE));
  assert.deepEqual([from(back), from(back, 1)], ['127.0.0.1', '127.0.0.1']);
});

test('spoofing is refused: no header, a broken one, or one of who is not trusted', async (t) => {
  const back = await backend(t);
  const trusting = await edgeBalancer(t, { acceptProxy: ['127.0.0.1'] }, [back.url]);
  assert.equal(await once(t, trusting, get('/')), '', 'no header');
  assert.equal(await once(t, trusting, `PROXY TCP4 1.2.3.4\r\n${get('/')}`), '', 'broken');
  const second = latin1(proxyHeader(1, SAID)).repeat(2);
  assert.match(await once(t, trusting, second + get('/')), /^HTTP\/1\.1 400 /, 'two headers');
  const silent = client(t, trusting);
  await eventually(() => trusting.balancer.stats().connections === 1, 'the silent one');
  trusting.skip(4_000);
  await silent.closes();
  const other = await edgeBalancer(t, { acceptProxy: ['192.0.2.0/24', '2001:db8::/32'] }, [back.url]);
  assert.equal(await once(t, other, latin1(proxyHeader(1, SAID)) + get('/')), '', 'not trusted');
  const plain = await edgeBalancer(t, {}, [back.url]);
  assert.match(
    await once(t, plain, latin1(proxyHeader(1, SAID)) + get('/')),
    /^HTTP\/1\.1 400 /,
    'nobody is trusted',
  );
  assert.equal(back.requests.length, 0);
  for (const { events } of [trusting, other])
    assert.ok(events.some((one) => one.type === 'error' && one.code === 'PROXY_REFUSED'));
  await assert.rejects(
    edgeBalancer(t, { acceptProxy: ['10.0.0.0/40'] }, [back.url]),
    /IP address or a network/,
  );
});

test('limits count the clients behind a proxy, not the proxy', async (t) => {
  const back = await backend(t);
  const edges = { acceptProxy: ['127.0.0.1'], rate: { perSecond: 0.1, burst: 1 } };
  const bench = await edgeBalancer(t, edges, [back.url]);
  const ask = async (address: string): Promise<string> => {
    const head = proxyHeader(1, { source: { address, port: 1 }, destination: { address, port: 2 } });
    return (await once(t, bench, latin1(head) + get('/', CLOSE))).slice(9, 12);
  };
  assert.deepEqual(
    [await ask('192.0.2.1'), await ask('192.0.2.1'), await ask('192.0.2.2')],
    ['200', '429', '200'],
  );
  assert.deepEqual([await ask('2001:db8::1'), await ask('2001:db8::2')], ['200', '429'], 'one /64');
});

/** A backend that reads a PROXY header first; gives what each connection said. */
async function proxied(t: TestContext): Promise<{ url: string; said: string[]; requests: string[] }> {
  const said: string[] = [];
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const parser = new ProxyHeaderParser();
    let known = false;
    socket.on('data', (bytes: Buffer) => {
      let rest: Uint8Array = bytes;
      if (!known) {
        const result = parser.push(bytes);
        if (result === undefined) return;
        known = true;
        if (result.type === 'error') said.push(result.why);
        else {
          const { version, addresses } = result.header;
          said.push(
            `v${version} ${addresses === null ? '-' : `${addresses.source.address}:${addresses.source.port}`}`,
          );
          rest = result.rest;
        }
      }
      if (rest.length === 0) return;
      requests.push(latin1(rest).split('\r\n')[0] ?? '');
      socket.write(HELLO);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, said, requests };
}

for (const proxy of [1, 2] as const)
  test(`proxy=v${proxy}: each connection to the backend names its one client`, async (t) => {
    const back = await proxied(t);
    const bench = await edgeBalancer(t, { acceptProxy: ['127.0.0.1'] }, [{ url: back.url, proxy }]);
    const raw = client(t, bench);
    raw.send(latin1(proxyHeader(1, SAID)) + get('/1'));
    await raw.reads('hello');
    raw.send(get('/2', CLOSE));
    await raw.closes();
    const named = back.said.filter((text) => !text.endsWith('-'));
    assert.deepEqual(named, [`v${proxy} 203.0.113.9:4711`, `v${proxy} 203.0.113.9:4711`]);
  });

test('a health check speaks for itself', async (t) => {
  const back = await proxied(t);
  await edgeBalancer(t, {}, [{ url: back.url, proxy: 2 }]);
  await eventually(() => back.said.length > 0, 'a check');
  assert.deepEqual([back.said[0], back.requests[0]], ['v2 -', 'GET /healthz HTTP/1.1']);
});

/** A real HAProxy with this configuration below the defaults, listening. */
async function haproxy(t: TestContext, port: number, lines: string): Promise<void> {
  const file = join(await temporaryFolder(t), 'haproxy.cfg');
  const defaults = 'defaults\n  mode http\n  timeout connect 3s\n  timeout client 9s\n  timeout server 9s\n';
  await writeFile(file, `global\n  maxconn 100\n${defaults}${lines}\n`);
  const child = spawn('haproxy', ['-db', '-f', file], { stdio: 'ignore' });
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error('this test needs the package haproxy') : error),
    );
  });
  failed.catch(() => {});
  t.after(async () => {
    if (child.pid !== undefined && child.exitCode === null && child.kill('SIGKILL'))
      await event(child, 'exit');
  });
  const listening = async (): Promise<void> => {
    for (let up = false; !up;) {
      const probe = connect({ port, host: '127.0.0.1' });
      up = await event(probe, 'connect').then(
        () => true,
        () => false,
      );
      probe.destroy();
      if (!up) assert.equal(child.exitCode, null, 'haproxy ended');
    }
  };
  await Promise.race([failed, listening()]);
}

for (const send of ['send-proxy', 'send-proxy-v2'])
  test(`HAProxy in front, ${send}`, async (t) => {
    const back = await backend(t);
    const bench = await edgeBalancer(t, { acceptProxy: ['127.0.0.1'] }, [back.url]);
    const port = await freePort();
    await haproxy(
      t,
      port,
      `listen in\n  bind 127.0.0.1:${port}\n  server kelana 127.0.0.1:${bench.balancer.port} ${send}`,
    );
    const raw = new RawClient(port);
    t.after(() => raw.socket.destroy());
    assert.match(await raw.send(get('/', CLOSE)).closes(), /hello$/);
    const logged = bench.events.flatMap((one) => (one.type === 'balancer.request' ? [one.client] : []));
    assert.equal(
      logged.at(-1),
      `127.0.0.1:${raw.socket.localPort}`,
      'the port of the client, not of haproxy',
    );
  });

for (const proxy of [1, 2] as const)
  test(`HAProxy behind, accept-proxy, version ${proxy}`, async (t) => {
    const port = await freePort();
    const say =
      'http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]"';
    await haproxy(t, port, `frontend in\n  bind 127.0.0.1:${port} accept-proxy\n  ${say}`);
    const bench = await edgeBalancer(t, { acceptProxy: ['127.0.0.1'] }, [
      { url: `http://127.0.0.1:${port}`, proxy },
    ]);
    const answer = await once(t, bench, latin1(proxyHeader(2, SAID)) + get('/', CLOSE));
    assert.match(answer, /203\.0\.113\.9:4711 203\.0\.113\.1$/);
    const six = { source: { address: '2001:db8::7', port: 99 }, destination: { address: '::1', port: 1 } };
    assert.match(await once(t, bench, latin1(proxyHeader(1, six)) + get('/', CLOSE)), /2001:db8::7:99 ::1$/);
  });

test('HAProxy behind with TLS: the header goes before the handshake', async (t) => {
  const folder = await temporaryFolder(t);
  const made = await certificate(folder, 'back', '127.0.0.1');
  const port = await freePort();
  const say =
    'http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[ssl_fc]"';
  const bind = `bind 127.0.0.1:${port} accept-proxy ssl crt ${folder}/both.pem`;
  const { readFile } = await import('node:fs/promises');
  await writeFile(
    join(folder, 'both.pem'),
    `${await readFile(made.cert, 'utf8')}${await readFile(made.key, 'utf8')}`,
  );
  await haproxy(t, port, `frontend in\n  ${bind}\n  ${say}`);
  const spec = { url: `https://127.0.0.1:${port}`, proxy: 2 as const, ca: made.cert };
  const bench = await edgeBalancer(t, { acceptProxy: ['127.0.0.1'] }, [spec]);
  assert.match(
    await once(t, bench, latin1(proxyHeader(2, SAID)) + get('/', CLOSE)),
    /203\.0\.113\.9:4711 1$/,
  );
});
