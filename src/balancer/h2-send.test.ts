import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  connect,
  constants,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { objectOf, say } from './h2-send.ts';

/** What node:http2 refuses to send, each with why. */
const REFUSED: Readonly<Record<string, (stream: ServerHttp2Stream) => void>> = {
  ERR_HTTP2_INVALID_CONNECTION_HEADERS: (stream) => stream.respond([':status', '200', 'connection', 'close']),
  ERR_HTTP2_INVALID_PSEUDOHEADER: (stream) => stream.additionalHeaders({ ':status': 103, ':x': '1' }),
  ERR_INVALID_HTTP_TOKEN: (stream) => stream.additionalHeaders({ ':status': 103, 'a b': '1' }),
  ERR_HTTP2_STATUS_101: (stream) => stream.additionalHeaders({ ':status': 101 }),
  ERR_HTTP2_STATUS_INVALID: (stream) => stream.respond([':status', '600']),
  ERR_HTTP2_HEADERS_SENT: (stream) => {
    stream.respond();
    stream.respond();
  },
};

test('what node:http2 would not send resets its stream, and is thrown at nobody', async (t) => {
  const told: (string | null)[] = [];
  const server = createServer((request, response) => {
    if (request.url === '/well') response.end('well');
  });
  server.on('stream', (stream: ServerHttp2Stream, { ':path': path }: IncomingHttpHeaders) => {
    const send = REFUSED[String(path).slice(1)];
    if (send === undefined) return;
    stream.on('error', () => {});
    told.push(say(stream, send));
    // It is over: nothing more is asked of node:http2.
    assert.equal(
      say(stream, () => assert.fail()),
      null,
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => {
    client.destroy();
    server.close();
  });
  for (const code of Object.keys(REFUSED)) {
    const asked = client.request({ ':path': `/${code}` });
    asked.on('error', () => {});
    await new Promise((resolve) => {
      asked.on('close', resolve);
    });
    assert.deepEqual([told.pop(), asked.rstCode], [code, constants.NGHTTP2_INTERNAL_ERROR]);
  }
  const other = client.request({ ':path': '/well' });
  assert.deepEqual((await once(other, 'response'))[0][':status'], 200);
});

test('a field that comes again becomes a list, whatever it is called', () => {
  const object = objectOf(['a', '1', '__proto__', '2', 'a', '3', 'a', '4']);
  assert.deepEqual(Object.entries(object), [
    ['a', ['1', '3', '4']],
    ['__proto__', '2'],
  ]);
});
