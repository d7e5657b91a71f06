import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { Client, type Exchange } from '../src/clients/client.ts';
import { filePayload, messagePayload } from '../src/clients/payload.ts';
import { parseTarget } from '../src/clients/target.ts';
import { KelanaError } from '../src/core/errors.ts';
import { OK, freePort, goodServer, rawServer } from './clients.fixture.ts';

const options = { timeoutMs: 5_000, keepBytes: 1_000 };

/** One message from a new client. */
async function sendOne(url: string, timeoutMs = 5_000): Promise<Exchange> {
  const target = parseTarget(url);
  const client = new Client(target, { ...options, timeoutMs });
  try {
    const request = messagePayload(target, 'halo', false).request(0, 0, randomUUID());
    const exchange = await client.send(request, null);
    assert.ok(exchange);
    return exchange;
  } finally {
    client.stop();
  }
}

suite('a client, when the server misbehaves', () => {
  for (const [what, act] of [
    ['closes before it answers', (end: () => void) => end()],
    ['resets the connection', (_: () => void, reset: () => void) => reset()],
  ] as const) {
    test(`repeats with the same key when it ${what}`, async () => {
      await using server = await rawServer((socket, { count }) => {
        if (count > 1) socket.write(OK);
        else
          act(
            () => socket.end(),
            () => socket.resetAndDestroy(),
          );
      });
      const { outcome } = await sendOne(server.url);
      assert.equal(outcome.ok, true);
      assert.equal(outcome.retries, 1);
      assert.equal(outcome.server, 'raw');
      assert.equal(server.connections, 2);
      const [first, second] = server.requests;
      assert.match(first?.key ?? '', /^[\da-f-]{36}$/);
      assert.equal(second?.key, first?.key);
      assert.equal(second?.body, '{"text":"halo"}');
    });
  }

  test('repeats after an answer that was cut off, and gives up after two repeats', async () => {
    await using server = await rawServer((socket) => {
      socket.end('HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id"');
    });
    const { outcome } = await sendOne(server.url);
    assert.deepEqual(outcome, { ok: false, server: null, code: 'TRUNCATED', retries: 2 });
    assert.equal(new Set(server.requests.map(({ key }) => key)).size, 1);
    assert.equal(server.requests.length, 3);
  });

  test('repeats after a balancer lost its server (502), not after 503', async () => {
    for (const [status, retries] of [
      [502, 2],
      [503, 0],
    ] as const) {
      await using server = await goodServer({ status: () => status });
      const { outcome } = await sendOne(server.url);
      assert.deepEqual(outcome, { ok: false, server: 'server1', code: `HTTP_${status}`, retries });
      assert.equal(server.keys.length, retries + 1);
      assert.equal(server.connections, 1);
    }
  });

  test('gives up on a server that never answers, once, after its time', async () => {
    await using server = await rawServer(() => undefined);
    const before = performance.now();
    const { outcome } = await sendOne(server.url, 150);
    assert.deepEqual(outcome, { ok: false, server: null, code: 'RESPONSE_TIMEOUT', retries: 0 });
    assert.ok(performance.now() - before < 3_000);
    assert.equal(server.requests.length, 1);
  });

  test('is not kept waiting by an answer that drips', async () => {
    await using server = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
      const drip = setInterval(() => socket.write('.'), 20);
      socket.on('close', () => clearInterval(drip));
    });
    const { outcome } = await sendOne(server.url, 200);
    assert.equal(outcome.ok ? '' : outcome.code, 'RESPONSE_TIMEOUT');
  });

  test('refuses garbage without repeating', async () => {
    // The second never ends a line: it must not be waited for until the request times out.
    for (const garbage of ['hello, who are you?\r\n\r\n', 'SSH-2.0']) {
      await using server = await rawServer((socket) => socket.write(garbage));
      const { outcome } = await sendOne(server.url);
      assert.deepEqual(outcome, { ok: false, server: null, code: 'BAD_RESPONSE', retries: 0 });
    }
  });

  test('counts a long body but keeps only its beginning', async () => {
    await using server = await rawServer((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n`);
      socket.write('x'.repeat(5_000_000));
    });
    const { outcome, body } = await sendOne(server.url);
    assert.equal(outcome.ok && outcome.received, 5_000_000);
    assert.equal(body.length, 1_000);
  });

  test('says that nothing listens, after its repeats', async () => {
    const { outcome } = await sendOne(`http://127.0.0.1:${await freePort()}`);
    assert.deepEqual(outcome, { ok: false, server: null, code: 'ECONNREFUSED', retries: 2 });
  });

  test('makes a new connection where the server closed the old one between requests, which is no repeat', async () => {
    await using server = await rawServer((socket) => {
      socket.end('HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    });
    const target = parseTarget(server.url);
    const client = new Client(target, options);
    const payload = messagePayload(target, 'halo', true);
    for (let index = 0; index < 3; index += 1) {
      const exchange = await client.send(payload.request(0, index, randomUUID()), null);
      assert.equal(exchange?.outcome.ok, true);
      assert.equal(exchange?.outcome.retries, 0);
    }
    client.stop();
    assert.equal(client.connections, 3);
    assert.deepEqual(
      server.requests.map(({ body }) => body),
      ['{"text":"halo #1-1"}', '{"text":"halo #1-2"}', '{"text":"halo #1-3"}'],
    );
  });

  test('ends at once when it is stopped in the middle', async () => {
    await using server = await rawServer(() => client.stop());
    const target = parseTarget(server.url);
    const client = new Client(target, options);
    const request = messagePayload(target, 'halo', false).request(0, 0, randomUUID());
    assert.equal(await client.send(request, null), null);
    assert.equal(await client.send(request, null), null);
  });
});

suite('a file', () => {
  const withFile = async (size: number, use: (path: string) => Promise<void>): Promise<void> => {
    const folder = await mkdtemp(join(tmpdir(), 'kelana-'));
    try {
      const path = join(folder, 'foto bagus #1.jpg');
      await writeFile(path, Buffer.alloc(size, 'k'));
      await use(path);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };

  for (const size of [0, 1, 131_072, 1_000_000]) {
    test(`of ${size} bytes arrives whole under its name, again and again`, () =>
      withFile(size, async (path) => {
        await using server = await goodServer();
        const target = parseTarget(server.url);
        const client = new Client(target, options);
        const payload = await filePayload(target, path);
        for (let index = 0; index < 2; index += 1) {
          const exchange = await client.send(payload.request(0, index, randomUUID()), null);
          assert.equal(exchange?.outcome.ok && exchange.outcome.sent, size);
        }
        client.stop();
        await payload.close();
        assert.equal(server.connections, 1);
        assert.deepEqual(
          [...server.stored.values()],
          Array(2).fill(`${size} bytes at /files/foto%20bagus%20%231.jpg`),
        );
      }));
  }

  test('that is refused early stops being sent', () =>
    withFile(50_000_000, async (path) => {
      let received = 0;
      const sockets: Socket[] = [];
      const refusing = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => undefined);
        socket.once('data', (chunk) => {
          received += chunk.length;
          socket.pause();
          socket.write('HTTP/1.1 409 Conflict\r\nX-Kelana-Server: raw\r\nContent-Length: 0\r\n\r\n');
        });
      });
      await new Promise<void>((resolve) => void refusing.listen(0, '127.0.0.1', resolve));
      const address = refusing.address();
      assert.ok(typeof address === 'object' && address !== null);
      const target = parseTarget(`http://127.0.0.1:${address.port}`);
      const client = new Client(target, options);
      const payload = await filePayload(target, path);
      const exchange = await client.send(payload.request(0, 0, randomUUID()), null);
      assert.deepEqual(exchange?.outcome, { ok: false, server: 'raw', code: 'HTTP_409', retries: 0 });
      assert.ok(received < 10_000_000);
      client.stop();
      await payload.close();
      assert.equal(sockets.length, 1);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => refusing.close(resolve));
    }));

  test('that shrinks while it is sent fails with its own code', () =>
    withFile(1_000_000, async (path) => {
      await using server = await goodServer();
      const target = parseTarget(server.url);
      const client = new Client(target, options);
      const payload = await filePayload(target, path);
      await truncate(path, 10);
      const exchange = await client.send(payload.request(0, 0, randomUUID()), null);
      assert.equal(exchange?.outcome.ok === false && exchange.outcome.code, 'SOURCE_CHANGED');
      client.stop();
      await payload.close();
      assert.equal(server.stored.size, 0);
    }));

  test('that cannot be read is refused before anything is sent', async () => {
    const target = parseTarget('http://127.0.0.1:1');
    for (const path of ['/nowhere/at/all', tmpdir(), '/dev/null']) {
      await assert.rejects(filePayload(target, path), (error) => {
        assert.ok(error instanceof KelanaError);
        return error.code === 'CANNOT_READ';
      });
    }
  });
});

suite('a target', () => {
  test('is a URL with a host, a port and perhaps a path', () => {
    assert.partialDeepStrictEqual(parseTarget('http://localhost:8000/'), {
      host: 'localhost',
      port: 8000,
      secure: false,
      authority: 'localhost:8000',
      base: '',
    });
    assert.partialDeepStrictEqual(parseTarget('https://[::1]/a/b/'), {
      host: '::1',
      port: 443,
      secure: true,
      authority: '[::1]',
      base: '/a/b',
    });
  });

  test('that is no such URL is refused with the reason, without showing a password', () => {
    for (const text of [
      '',
      'localhost:8000',
      'ftp://a',
      'http://',
      'http://a:0',
      'http://a:65536',
      'http://a:x',
      'http://u:geheim@a',
      'http://a/?q',
      'http://a/#h',
    ]) {
      assert.throws(
        () => parseTarget(text),
        (error) => {
          assert.ok(error instanceof KelanaError, text);
          assert.equal(error.code, 'BAD_VALUE', text);
          assert.doesNotMatch(error.message, /geheim/);
          return true;
        },
      );
    }
  });
});
