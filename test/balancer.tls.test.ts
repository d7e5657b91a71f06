import assert from 'node:assert/strict';
import { once as onceOf } from 'node:events';
import { connect as connectH2 } from 'node:http2';
import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { test } from 'node:test';
import { connect, type AddressInfo } from 'node:net';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { backend, CLOSE, client, eventually, get, HELLO, HOST, once, RawClient } from './balancer.kit.ts';
import { edgeBalancer, exchange, tlsBalancer, tlsClient } from './balancer.edge.kit.ts';
import { certificate } from './support/certificate.ts';
import { temporaryFolder } from './support/basics.ts';

const names = (socket: TLSSocket): string => String(socket.getPeerCertificate().subject.CN);

test('a request over TLS reaches the backend, which is told so', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  assert.match(bench.balancer.url, /^https:/);
  const socket = await tlsClient(t, bench.balancer.port, { ca, ALPNProtocols: ['http/1.1'] });
  assert.equal(socket.alpnProtocol, 'http/1.1');
  assert.match(await exchange(socket, get('/a', CLOSE)), /^HTTP\/1\.1 200 [\s\S]*hello$/);
  const proto = back.requests[0]?.head.fields.find(({ name }) => name === 'x-forwarded-proto');
  assert.equal(proto?.value, 'https');
});

test('SNI chooses the certificate: exact, wildcard of one label, else the first', async (t) => {
  const folder = await temporaryFolder(t);
  const back = await backend(t);
  const certificates = [
    await certificate(folder, 'first', 'first.test'),
    await certificate(folder, 'wild', '*.example.test'),
    await certificate(folder, 'exact', 'a.example.test'),
  ];
  const { balancer } = await edgeBalancer(t, { certificates }, [back.url]);
  const asked = async (servername?: string): Promise<string> => {
    const options = { rejectUnauthorized: false, ...(servername === undefined ? {} : { servername }) };
    const socket = await tlsClient(
      t,
      balancer.port,
      servername === undefined ? { ...options, servername: '' } : options,
    );
    return names(socket);
  };
  assert.equal(await asked('first.test'), 'first.test');
  assert.equal(await asked('A.Example.test'), 'a.example.test');
  assert.equal(await asked('b.example.test'), '*.example.test');
  assert.equal(await asked('a.b.example.test'), 'first.test', 'a wildcard covers one label');
  assert.equal(await asked('example.test'), 'first.test');
  assert.equal(await asked('other.test'), 'first.test');
  assert.equal(await asked(), 'first.test');
});

test('old versions of TLS, and protocols that are not spoken, are refused', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const { port } = bench.balancer;
  const old = { ca, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  await assert.rejects(tlsClient(t, port, old), /alert|protocol/i);
  await assert.rejects(tlsClient(t, port, { ca, ALPNProtocols: ['spdy/3'] }), /alert|protocol/i);
  const modern = await tlsClient(t, port, { ca, maxVersion: 'TLSv1.2' });
  assert.match(modern.getCipher().name, /^ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)/);
  await eventually(
    () => bench.events.some((event) => event.type === 'error' && event.code === 'TLS_REFUSED'),
    'the report',
  );
});

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`a session is resumed by its ticket, ${version}, also after the certificates were read again`, async (t) => {
    const back = await backend(t);
    const { bench, ca } = await tlsBalancer(t, {}, back.url);
    const options = { ca, minVersion: version, maxVersion: version } as const;
    const first = await tlsClient(t, bench.balancer.port, options);
    let session: Buffer | undefined;
    first.on('session', (ticket: Buffer) => {
      session = ticket;
    });
    await exchange(first, get('/', CLOSE));
    // With TLS 1.2 the ticket came in the handshake.
    if (version === 'TLSv1.2') session ??= first.getSession();
    await eventually(() => session !== undefined, 'a ticket');
    bench.balancer.reloadCertificates();
    const again = await tlsClient(t, bench.balancer.port, {
      ...options,
      ...(session === undefined ? {} : { session }),
    });
    assert.equal(again.isSessionReused(), true);
    assert.match(await exchange(again, get('/', CLOSE)), /hello$/);
  });

test('a connection stays as it is while certificates change, and new ones have the new certificate', async (t) => {
  const folder = await temporaryFolder(t);
  const made = await certificate(folder, 'current', 'one.test');
  const back = await backend(t);
  const bench = await edgeBalancer(t, { certificates: [made] }, [back.url]);
  const { port } = bench.balancer;
  const before = await tlsClient(t, port, { rejectUnauthorized: false });
  const next = await certificate(folder, 'next', 'two.test');
  await copyFile(next.cert, made.cert);
  await copyFile(next.key, made.key);
  assert.deepEqual(bench.balancer.reloadCertificates(), []);
  assert.equal(names(await tlsClient(t, port, { rejectUnauthorized: false })), 'two.test');
  assert.match(await exchange(before, get('/', CLOSE)), /hello$/);
  const told = bench.events.filter((event) => event.type === 'balancer.certificates');
  assert.deepEqual(
    told.map((event) => event.names),
    [['one.test'], ['two.test']],
  );
});

test('files that change are noticed; while they do not belong together the old pair stays, and that is said', async (t) => {
  const folder = await temporaryFolder(t);
  const made = await certificate(folder, 'current', 'one.test');
  const back = await backend(t);
  const bench = await edgeBalancer(t, { certificates: [made] }, [back.url]);
  const { port } = bench.balancer;
  const faults = (): string[] =>
    bench.events.flatMap((event) =>
      event.type === 'error' && event.code === 'BAD_CERTIFICATE' ? [event.detail] : [],
    );
  const next = await certificate(folder, 'next', 'two.test');
  const looked = async (done: () => boolean, what: string): Promise<void> => {
    await eventually(() => {
      bench.skip(3_000);
      return done();
    }, what);
  };
  await copyFile(next.cert, made.cert);
  await looked(() => faults().length > 0, 'the report of the half that changed');
  assert.match(faults()[0] ?? '', /does not belong/);
  assert.equal(names(await tlsClient(t, port, { rejectUnauthorized: false })), 'one.test');
  await copyFile(next.key, made.key);
  await looked(
    () =>
      bench.events.some((event) => event.type === 'balancer.certificates' && event.names[0] === 'two.test'),
    'the new pair',
  );
  assert.equal(names(await tlsClient(t, port, { rejectUnauthorized: false })), 'two.test');
  await writeFile(made.cert, 'no certificate');
  assert.match(bench.balancer.reloadCertificates()[0]?.message ?? '', /not a certificate in PEM/);
  assert.equal(names(await tlsClient(t, port, { rejectUnauthorized: false })), 'two.test');
});

test('a balancer does not start with a pair that is broken', async (t) => {
  const folder = await temporaryFolder(t);
  const [one, two] = [
    await certificate(folder, 'one', 'one.test'),
    await certificate(folder, 'two', 'two.test'),
  ];
  const start = (cert: string, key: string) =>
    edgeBalancer(t, { certificates: [{ cert, key }] }, ['http://127.0.0.1:1']);
  await assert.rejects(start(one.cert, two.key), /does not belong/);
  await assert.rejects(start(one.key, one.key), /not a certificate/);
  await assert.rejects(start(one.cert, one.cert), /not a private key/);
  await assert.rejects(start(`${folder}/none`, one.key), /cannot be read/);
});

test('plain requests are sent to HTTPS, by method and address as they were', async (t) => {
  const back = await backend(t);
  const { bench } = await tlsBalancer(t, { redirect: { host: '127.0.0.1', port: 0 } }, back.url);
  const [https = 0, http = 0] = bench.balancer.ports;
  const ask = async (raw: string): Promise<string> => {
    const plain = new RawClient(http);
    t.after(() => plain.socket.destroy());
    return plain.send(raw).closes();
  };
  const found = await ask(`POST /a?b=c HTTP/1.1\r\nHost: kelana.test:8080\r\nContent-Length: 3\r\n\r\nabc`);
  assert.match(
    found,
    new RegExp(`^HTTP/1\\.1 308 [\\s\\S]*Location: https://kelana\\.test:${https}/a\\?b=c\r\n`),
  );
  assert.match(
    await ask(`GET / HTTP/1.1\r\nHost: [::1]\r\n\r\n`),
    new RegExp(`Location: https://\\[::1\\]:${https}/\r\n`),
  );
  assert.match(await ask('GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(await ask('nonsense\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.equal(back.requests.length, 0);
});

test('the redirect waits for a head no longer than --head-timeout says', async (t) => {
  const redirect = { host: '127.0.0.1', port: 0 };
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, headMs: 2_000 };
  const certificates = [await certificate(await temporaryFolder(t), 'kelana', 'kelana.test')];
  const bench = await edgeBalancer(t, { certificates, redirect }, ['http://127.0.0.1:1'], { timeouts });
  const drips = new RawClient(bench.balancer.ports[1] ?? 0);
  t.after(() => drips.socket.destroy());
  drips.send('GET / HTTP/1.1\r\nHost:');
  await eventually(() => bench.balancer.stats().connections === 1, 'the connection');
  bench.skip(2_500);
  assert.match(await drips.closes(), /^HTTP\/1\.1 408 /);
});

test('the redirect reads on while a client sends, so that its answer is not lost to a reset', async (t) => {
  const redirect = { host: '127.0.0.1', port: 0 };
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, headMs: 100 };
  const certificates = [await certificate(await temporaryFolder(t), 'kelana', 'kelana.test')];
  const bench = await edgeBalancer(t, { certificates, redirect }, ['http://127.0.0.1:1'], { timeouts });
  const port = bench.balancer.ports[1] ?? 0;
  const sends = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  t.after(() => sends.destroy());
  const reset = new Promise<never>((_, reject) => sends.once('error', reject));
  sends.write(`POST / HTTP/1.1\r\nHost: kelana.test\r\nContent-Length: 100\r\n\r\n`);
  const answered = new Promise((resolve) => sends.once('end', resolve));
  sends.resume();
  await Promise.race([answered, reset]);
  for (let sent = 0; sent < 6; sent += 1) {
    sends.write('body');
    // Its 408 shows that the deadlines were looked at.
    const silent = new RawClient(port);
    await eventually(() => bench.balancer.stats().connections === 2, 'the silent one');
    bench.skip(250);
    assert.match(await silent.closes(), /^HTTP\/1\.1 408 /);
    silent.socket.destroy();
    await Promise.race([eventually(() => bench.balancer.stats().connections === 1, 'its close'), reset]);
  }
  bench.skip(1_100);
  await eventually(() => bench.balancer.stats().connections === 0, 'the end of its patience');
});

test('plain HTTP on the TLS port, and a handshake that never ends, hurt nobody', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  await once(t, bench, get('/'));
  const silent = client(t, bench);
  await eventually(() => bench.balancer.stats().connections === 1, 'the silent connection');
  bench.skip(11_000);
  await silent.closes();
  const socket = await tlsClient(t, bench.balancer.port, { ca });
  assert.match(await exchange(socket, get('/', CLOSE)), /hello$/);
  await eventually(() => bench.balancer.stats().connections === 0, 'no connection');
});

test('a client that closes before the end of its handshake leaves its place at once', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, { maxPerSource: 1 }, back.url);
  // As a check of the port does it, and as a client that breaks off: the start of a ClientHello.
  for (const begun of ['', '\x16\x03\x01\x02\x00\x01']) {
    const leaves = client(t, bench).send(begun);
    await eventually(() => bench.balancer.stats().connections === 1, 'the connection');
    leaves.socket.end();
    await eventually(() => bench.balancer.stats().connections === 0, 'its place to be free');
  }
  const socket = await tlsClient(t, bench.balancer.port, { ca });
  assert.match(await exchange(socket, get('/', CLOSE)), /hello$/);
});

test('a client of TLS that says it will send no more still gets its answer', async (t) => {
  const held: (() => void)[] = [];
  const back = await backend(t, (_, socket) => void held.push(() => socket.write(HELLO)));
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const socket = await tlsClient(t, bench.balancer.port, { ca });
  socket.allowHalfOpen = true;
  const answer = exchange(socket, get());
  socket.end();
  await eventually(() => held.length === 1, 'the request');
  held.shift()?.();
  assert.match(await answer, /hello$/);
});

test('an answer that cannot be completed ends TLS with a reset, never with a proper close', async (t) => {
  const back = await backend(t, (_, socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.resetAndDestroy());
    return undefined;
  });
  const { bench, ca } = await tlsBalancer(t, {}, back.url);
  const socket = await tlsClient(t, bench.balancer.port, { ca });
  await assert.rejects(exchange(socket, get('/')), /ECONNRESET/);
});

/** A backend that speaks TLS, and echoes the certificate's name it was asked for. */
async function tlsBackend(
  t: Parameters<typeof temporaryFolder>[0],
  made: { cert: string; key: string },
): Promise<number> {
  const server = createTlsServer(
    { cert: await readFile(made.cert), key: await readFile(made.key) },
    (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write(HELLO));
    },
  );
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('a backend over TLS is verified by its authority and its name', async (t) => {
  const folder = await temporaryFolder(t);
  const right = await certificate(folder, 'right', 'localhost', '127.0.0.1');
  const wrong = await certificate(folder, 'wrong', 'other.test');
  const [good, named] = [await tlsBackend(t, right), await tlsBackend(t, wrong)];
  const ask = async (spec: { url: string; ca?: string; verify?: boolean }): Promise<string> => {
    const bench = await edgeBalancer(t, {}, [spec]);
    const answer = await once(t, bench, get('/', CLOSE));
    const loud = bench.events.some((event) => event.type === 'error' && event.code === 'TLS_UNVERIFIED');
    assert.equal(loud, spec.verify === false);
    await bench.stop();
    return answer.slice(0, 12);
  };
  assert.equal(await ask({ url: `https://127.0.0.1:${good}`, ca: right.cert }), 'HTTP/1.1 200');
  assert.equal(await ask({ url: `https://localhost:${good}`, ca: right.cert }), 'HTTP/1.1 200');
  assert.equal(await ask({ url: `https://127.0.0.1:${good}` }), 'HTTP/1.1 503', 'no authority of the system');
  assert.equal(
    await ask({ url: `https://127.0.0.1:${named}`, ca: wrong.cert }),
    'HTTP/1.1 503',
    'another name',
  );
  assert.equal(await ask({ url: `https://127.0.0.1:${named}`, verify: false }), 'HTTP/1.1 200');
  await assert.rejects(ask({ url: 'https://127.0.0.1:1', ca: `${folder}/none` }), /cannot be read/);
});

test('HTTP and HTTPS on further addresses, IPv6 among them', async (t) => {
  const back = await backend(t);
  const listen = [
    { host: '::1', port: 0 },
    { host: '127.0.0.1', port: 0, scheme: 'http' as const },
  ];
  const { bench, ca } = await tlsBalancer(t, { listen }, back.url);
  const [, six = 0, plain = 0] = bench.balancer.ports;
  const socket = await tlsClient(t, six, { ca, host: '::1' });
  assert.match(await exchange(socket, get('/', CLOSE)), /hello$/);
  const raw = new RawClient(plain);
  t.after(() => raw.socket.destroy());
  assert.match(await raw.send(`GET / HTTP/1.1\r\n${HOST}${CLOSE}\r\n`).closes(), /hello$/);
  const seen = back.requests.map(({ head }) =>
    ['x-forwarded-for', 'x-forwarded-proto'].map(
      (name) => head.fields.find((field) => field.name === name)?.value,
    ),
  );
  assert.deepEqual(seen, [
    ['::1', 'https'],
    ['127.0.0.1', 'http'],
  ]);
});

test('what was accepted before an upgrade is served, also where its handshake or PROXY header comes after it', async (t) => {
  const back = await backend(t);
  const { bench, ca } = await tlsBalancer(t, { acceptProxy: ['127.0.0.1'] }, back.url);
  const early = await Promise.all(
    ['h2', 'http/1.1'].map(async (protocol) => {
      const wire = connect(bench.balancer.port, '127.0.0.1');
      t.after(() => wire.destroy());
      await onceOf(wire, 'connect');
      return { wire, protocol };
    }),
  );
  await eventually(() => bench.balancer.stats().connections === 2, 'both connections');
  void bench.balancer.drain();
  for (const { wire, protocol } of early) {
    wire.write('PROXY TCP4 10.1.1.1 10.1.1.2 1000 80\r\n');
    const options = { socket: wire, servername: 'kelana.test', ca, ALPNProtocols: [protocol] };
    if (protocol === 'h2') {
      const session = connectH2('https://kelana.test', { createConnection: () => connectTls(options) });
      const stream = session.request({ ':path': '/' });
      let body = '';
      stream.on('data', (bytes: Buffer) => (body += bytes.toString()));
      await onceOf(stream, 'end');
      assert.equal(body, 'hello');
      session.close();
    } else assert.match(await exchange(connectTls(options), get('/')), /Connection: close[^]*hello$/);
  }
  assert.equal(back.requests.length, 2);
});
