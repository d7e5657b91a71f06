import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { BALANCER } from '../src/core/config.ts';
import { bytesOf, readResponses } from '../src/core/http/testing.ts';
import { backend, balance, client, eventually, get, HELLO, HOST, once, statusOf } from './balancer.kit.ts';

const upgrade = (protocol: string, fields = ''): string =>
  `GET /ws HTTP/1.1\r\n${HOST}Connection: keep-alive, Upgrade\r\nUpgrade: ${protocol}\r\n${fields}\r\n`;
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX: 1\r\n\r\n';

/** Switches, then sends back what comes; `opened` gets the backend's side. */
function echo(first = '', opened: (socket: Socket) => void = () => {}) {
  return (_: unknown, socket: Socket): undefined => {
    socket.removeAllListeners('data');
    socket.on('data', (bytes) => socket.write(bytes));
    socket.write(SWITCH + first, 'latin1');
    opened(socket);
  };
}

test('RFC 9110 7.8: after a 101 bytes go both ways as they are, those sent together with it too', async (t) => {
  const one = await backend(t, echo('first\0'));
  const bench = await balance(t, one.url);
  const browser = client(t, bench).send(upgrade('echo'));
  const head = await browser.reads('first\0');
  assert.match(
    head,
    /^HTTP\/1\.1 101 Switching Protocols\r\nX: 1\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst/,
  );
  assert.equal(one.requests[0]?.head.upgrade, 'echo');
  const raw = 'GET /smuggled HTTP/1.1\r\n\r\n\u00ff\0';
  await browser.send(raw).reads('first\0', raw);
  assert.equal(one.requests.length, 1);
  assert.equal(bench.balancer.stats().active, 1);
  browser.socket.resetAndDestroy();
  await eventually(() => bench.balancer.stats().active === 0, 'the tunnel to end');
  const told = bench.events.filter((event) => event.type === 'balancer.request');
  assert.deepEqual(
    told.map(({ status, bytes }) => [status, bytes]),
    [[101, 'first\0'.length + raw.length]],
  );
});

test('RFC 6455: a WebSocket handshake reaches the backend whole, and its answer the client', async (t) => {
  const key = 'dGhlIHNhbXBsZSBub25jZQ==';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  const one = await backend(t, ({ head }, socket) => {
    const sent = head.fields.find(({ name }) => name === 'sec-websocket-key')?.value ?? '';
    assert.equal(sent, key);
    socket.removeAllListeners('data');
    socket.on('data', (bytes) => socket.write(bytes));
    return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
  });
  const bench = await balance(t, one.url);
  const browser = client(t, bench);
  browser.send(upgrade('websocket', `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n`));
  assert.match(
    await browser.reads('\r\n\r\n'),
    new RegExp(`Sec-WebSocket-Accept: ${accept.replaceAll('+', '\\+')}\r\n`),
  );
  await browser.send('\u0081\u0085frame').reads('\u0081\u0085frame');
});

test('CVE-2026-2833: what follows a request to upgrade does not reach the backend before its 101', async (t) => {
  let switchNow = (): void => assert.fail('no request came');
  const seen: string[] = [];
  const one = await backend(t, (_, socket) => {
    socket.removeAllListeners('data');
    socket.on('data', (bytes) => seen.push(bytes.toString('latin1')));
    switchNow = () => void socket.write(SWITCH);
  });
  const bench = await balance(t, one.url);
  const browser = client(t, bench).send(`${upgrade('echo')}early`);
  await eventually(() => one.requests.length === 1, 'the request');
  browser.send('later');
  // A round trip through the balancer by another client: what it was going to send has been sent.
  await once(t, bench, 'GARBAGE\r\n\r\n');
  assert.deepEqual(seen, []);
  switchNow();
  await eventually(() => seen.join('') === 'earlylater', 'what the client sent');
});

test('CVE-2026-2833: where the backend does not switch, what follows is the next request and nothing else', async (t) => {
  const one = await backend(t);
  const bench = await balance(t, one.url);
  const text = await once(t, bench, `${upgrade('echo')}GET /next HTTP/1.1\r\n\r\n`);
  assert.deepEqual(
    readResponses([bytesOf(text)]).messages.map(({ head }) => head.status),
    [200, 400],
  );
  assert.equal(one.requests.length, 1);
});

for (const [what, request] of [
  ['h2c', upgrade('h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n')],
  ['h2c among others', upgrade('echo, h2c')],
  ['HTTP/2.0', upgrade('HTTP/2.0')],
  ['TLS/1.3', upgrade('TLS/1.3')],
  ['something that is no token', upgrade('ec ho')],
  ['an Upgrade that Connection does not name', `GET / HTTP/1.1\r\n${HOST}Upgrade: echo\r\n\r\n`],
  ['HTTP/1.0', `GET / HTTP/1.0\r\n${HOST}Connection: Upgrade, keep-alive\r\nUpgrade: echo\r\n\r\n`],
  ['a body', `POST / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 2\r\n\r\nok`],
] as const) {
  test(`RFC 9110 7.8: an upgrade with ${what} is not offered to the backend`, async (t) => {
    const one = await backend(t);
    const bench = await balance(t, one.url);
    await client(t, bench).send(request).reads('hello');
    assert.ok(one.requests[0]?.head.fields.every(({ name }) => name !== 'upgrade' && name !== 'connection'));
  });
}

for (const [what, answer] of [
  ['another protocol', 'HTTP/1.1 101 Evil\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\nEvil'],
  ['no protocol', 'HTTP/1.1 101 Evil\r\nConnection: Upgrade\r\n\r\nEvil'],
  ['an Upgrade that its Connection does not name', 'HTTP/1.1 101 Evil\r\nUpgrade: echo\r\n\r\nEvil'],
] as const) {
  test(`RFC 9110 15.2.2: a 101 with ${what} is a 502`, async (t) => {
    const hostile = await backend(t, ({ head }) => (head.upgrade === null ? HELLO : answer));
    const bench = await balance(t, hostile.url);
    const browser = client(t, bench).send(upgrade('echo'));
    const text = await browser.reads('BAD_GATEWAY');
    assert.equal(statusOf(text), 502);
    assert.ok(!text.includes('Evil'));
    await browser.send(get()).reads('BAD_GATEWAY', 'hello');
  });
}

test('a tunnel goes on one way after the other has ended', async (t) => {
  const sockets: Socket[] = [];
  const one = await backend(t, ({ head }, socket) => {
    sockets.push(socket);
    socket.removeAllListeners('data');
    if (head.path === '/ws') socket.write(SWITCH);
  });
  const bench = await balance(t, one.url);
  const browser = client(t, bench).send(upgrade('echo'));
  await browser.reads('Upgrade: echo\r\n\r\n');
  const [socket] = sockets;
  assert.ok(socket);
  let heard = '';
  socket.allowHalfOpen = true;
  socket.on('data', (bytes) => {
    heard += bytes.toString('latin1');
  });
  const ended = new Promise((resolve) => {
    socket.once('end', resolve);
  });
  browser.send('last words').socket.end();
  await ended;
  assert.equal(heard, 'last words');
  socket.write('still here');
  await browser.reads('still here');
  socket.end();
  assert.ok((await browser.closes()).endsWith('still here'));
  assert.equal(browser.over, 'end');
  await eventually(() => bench.balancer.stats().active === 0, 'the tunnel to end');
});

test('a tunnel that breaks on one side is cut on the other', async (t) => {
  const sockets: Socket[] = [];
  const one = await backend(
    t,
    echo('', (socket) => sockets.push(socket)),
  );
  const bench = await balance(t, one.url);
  const browser = client(t, bench).send(upgrade('echo'));
  await browser.reads('Upgrade: echo\r\n\r\n');
  sockets[0]?.resetAndDestroy();
  await browser.closes();
  assert.equal(browser.over, 'error');
});

test('a tunnel that is silent for its time is cut, sooner when one side has ended', async (t) => {
  const one = await backend(t, echo());
  const bench = await balance(t, one.url);
  const browser = client(t, bench).send(upgrade('echo'));
  await browser.reads('Upgrade: echo\r\n\r\n');
  bench.skip(BALANCER.tunnelIdleMs - 60_000);
  await browser.send('ping').reads('ping');
  bench.skip(BALANCER.tunnelIdleMs - 60_000);
  await browser.send('pong').reads('pong');
  bench.skip(BALANCER.tunnelIdleMs + 1);
  await browser.closes();
  await eventually(() => bench.balancer.stats().active === 0, 'the tunnel to end');
});

test('a fast sender into a tunnel waits for a slow reader, and nothing is lost', async (t) => {
  const one = await backend(t, echo());
  const bench = await balance(t, one.url);
  const browser = client(t, bench).send(upgrade('echo'));
  await browser.reads('Upgrade: echo\r\n\r\n');
  const head = browser.received.length;
  const block = Array.from({ length: 65_536 }, (_, at) => String.fromCharCode(at % 251)).join('');
  browser.socket.pause();
  for (let sent = 0; sent < 64; sent += 1) browser.send(block);
  browser.socket.resume();
  await browser.until(({ received }) => received.length - head >= 64 * block.length, 'all of it back');
  assert.ok(browser.received.slice(head) === block.repeat(64));
});
