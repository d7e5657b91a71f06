import { createServer as createHttp } from 'node:http';
import { createServer as createTcp, type AddressInfo, type Server, type Socket } from 'node:net';

/** Servers for the tests of the client manager: one that behaves, and one that does what the test says. */

export interface GoodServer extends AsyncDisposable {
  readonly url: string;
  connections: number;
  /** Idempotency keys in order of arrival. */
  readonly keys: string[];
  /** What Accept-Language they were sent with. */
  readonly langs: string[];
  /** What is stored: the text or size under its key, once. */
  readonly stored: Map<string, string>;
}

/** Answers as kelana's servers do: 201 with id, server and reply; 200 where the key was seen before. */
export async function goodServer(
  options: { name?: string; delayMs?: number; port?: number; status?: (count: number) => number } = {},
): Promise<GoodServer> {
  const name = options.name ?? 'server1';
  let requests = 0;
  const http = createHttp((request, response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size < 1_000_000) chunks.push(chunk);
    });
    request.on('error', () => undefined);
    request.on('end', () => {
      requests += 1;
      const key = String(request.headers['idempotency-key']);
      server.keys.push(key);
      server.langs.push(String(request.headers['accept-language']));
      const forced = options.status?.(requests);
      const repeated = server.stored.has(key);
      const text =
        request.method === 'POST'
          ? (JSON.parse(Buffer.concat(chunks).toString()) as { text: string }).text
          : `${size} bytes at ${request.url ?? ''}`;
      if (forced === undefined) server.stored.set(key, text);
      const body = JSON.stringify(
        forced === undefined
          ? request.method === 'POST'
            ? { id: server.stored.size, server: name, reply: `diterima: ${text}` }
            : { name: decodeURIComponent((request.url ?? '').split('/').at(-1) ?? ''), size, cid: 'bafy1' }
          : { error: 'FULL', message: 'Server penuh.', fix: 'Coba lagi' },
      );
      setTimeout(() => {
        response.writeHead(forced ?? (repeated ? 200 : 201), {
          'Content-Type': 'application/json',
          'X-Kelana-Server': name,
        });
        response.end(body);
      }, options.delayMs ?? 0);
    });
  });
  http.on('connection', () => {
    server.connections += 1;
  });
  const server: GoodServer = {
    url: await listen(http, options.port),
    connections: 0,
    keys: [],
    langs: [],
    stored: new Map(),
    [Symbol.asyncDispose]: () => {
      http.closeAllConnections();
      return closed(http);
    },
  };
  return server;
}

export interface RawRequest {
  readonly head: string;
  readonly key: string;
  readonly body: string;
  /** From 1, over all connections. */
  readonly count: number;
}

export interface RawServer extends AsyncDisposable {
  readonly url: string;
  connections: number;
  readonly requests: RawRequest[];
}

/** Calls `act` for each whole request; what it writes, or does not, is the test's business. */
export async function rawServer(act: (socket: Socket, request: RawRequest) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const tcp = createTcp((socket) => {
    server.connections += 1;
    sockets.add(socket);
    let text = '';
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      const length = Number(/\r\nContent-Length: (\d+)/.exec(text)?.[1] ?? 0);
      if (end < 0 || text.length < end + 4 + length) return;
      const head = text.slice(0, end);
      const request = {
        head,
        key: /\r\nIdempotency-Key: (\S+)/.exec(head)?.[1] ?? '',
        body: text.slice(end + 4, end + 4 + length),
        count: server.requests.length + 1,
      };
      text = text.slice(end + 4 + length);
      server.requests.push(request);
      act(socket, request);
    });
  });
  const server: RawServer = {
    url: await listen(tcp),
    connections: 0,
    requests: [],
    [Symbol.asyncDispose]: () => {
      for (const socket of sockets) socket.destroy();
      return closed(tcp);
    },
  };
  return server;
}

export const OK = 'HTTP/1.1 201 Created\r\nX-Kelana-Server: raw\r\nContent-Length: 2\r\n\r\nok';

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createTcp();
  await listen(server);
  const { port } = server.address() as AddressInfo;
  await closed(server);
  return port;
}

async function listen(server: Server, port = 0): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
