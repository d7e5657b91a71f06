import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { parseBackend } from '../src/balancer/address.ts';
import { startBalancer, type Balancer } from '../src/balancer/balancer.ts';
import { BALANCE_DEFAULTS, type BalanceOptions } from '../src/core/balance/options.ts';
import type { EventBody } from '../src/core/events.ts';
import { RequestParser } from '../src/core/http/parser.ts';
import type { RequestHead } from '../src/core/http/request.ts';

/** What the tests of the balancer share: backends and clients that speak raw bytes. */

/** Clients at once: as many as fit into what any system allows a process, so that none of that is told. */
export const PLACES = 400;

const LIMITS = { maxHeadBytes: 65_536, maxHeaders: 200, maxExtensionBytes: 1024 };

export interface Received {
  readonly head: RequestHead;
  readonly body: string;
  readonly trailers: readonly string[];
  /** Which of the backend's connections it came on, from 0. */
  readonly connection: number;
}

export interface TestBackend {
  readonly url: string;
  readonly port: number;
  /** Whole requests, health checks left out. */
  readonly requests: Received[];
  readonly connections: number;
  /** Requests begun. */
  readonly heads: number;
  /** Stops listening and resets every connection, as a killed process does. */
  kill(): Promise<void>;
}

export const HELLO = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
type Answer = (request: Received, socket: Socket) => string | null | undefined;

/** A backend that answers each whole request with raw text; null resets, undefined leaves it to the answer itself. */
export async function backend(t: TestContext, answer: Answer = () => HELLO, port = 0): Promise<TestBackend> {
  const requests: Received[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  let heads = 0;
  const server = createServer({ noDelay: true }, (socket) => {
    const connection = connections;
    connections += 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    const parser = new RequestParser(LIMITS);
    let head: RequestHead | null = null;
    let body = '';
    socket.on('data', (bytes: Buffer) => {
      parser.push(bytes);
      for (let event = parser.next(); event !== undefined; event = parser.next()) {
        assert.notEqual(event.type, 'error', 'the balancer sent what is not HTTP');
        if (event.type === 'head') [head, body, heads] = [event.head, '', heads + 1];
        if (event.type === 'body') body += Buffer.from(event.bytes).toString('latin1');
        if (event.type !== 'end' || head === null) continue;
        if (head.path === '/healthz') {
          socket.write(HELLO);
          continue;
        }
        const trailers = event.trailers.map((field) => `${field.raw}: ${field.value}`);
        const request = { head, body, trailers, connection };
        requests.push(request);
        const text = answer(request, socket);
        if (text === null) socket.resetAndDestroy();
        else if (text !== undefined) socket.write(text, 'latin1');
      }
    });
  });
  await listenOn(server, port);
  const kill = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    for (const socket of sockets) {
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
    await closed;
  };
  t.after(() => (server.listening ? kill() : undefined));
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    requests,
    get connections() {
      return connections;
    },
    get heads() {
      return heads;
    },
    kill,
  };
}

function listenOn(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
}

/** A port that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await listenOn(server, 0);
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export interface Bench {
  readonly balancer: Balancer;
  readonly events: EventBody[];
  /** Moves the balancer's clock forward, ms. */
  skip(ms: number): void;
}

export function balance(t: TestContext, ...urls: readonly string[]): Promise<Bench> {
  return balanceWith(t, {}, ...urls);
}

/** The same with settings of its own; checks come only after failures, unless these say otherwise. */
export async function balanceWith(
  t: TestContext,
  settings: Partial<BalanceOptions>,
  ...backends: readonly string[]
): Promise<Bench> {
  const events: EventBody[] = [];
  let skipped = 0;
  const balancer = await startBalancer({
    host: '127.0.0.1',
    port: 0,
    backends: backends.map(parseBackend),
    balance: { health: { ...BALANCE_DEFAULTS.health, intervalMs: 0 }, ...settings },
    edges: { maxConnections: PLACES },
    descriptors: null,
    emit: (event) => void events.push(event),
    clock: () => performance.now() + skipped,
  });
  t.after(() => balancer.close());
  return {
    balancer,
    events,
    skip: (ms) => {
      skipped += ms;
    },
  };
}

/** A client that writes raw text and keeps all it reads. */
export class RawClient {
  readonly socket: Socket;
  received = '';
  /** `end` after a FIN, `error` after a reset. */
  over: 'end' | 'error' | null = null;
  #wake: () => void = () => {};

  constructor(port: number, host = '127.0.0.1') {
    this.socket = connect({ port, host, noDelay: true, allowHalfOpen: true });
    this.socket.on('data', (bytes) => {
      this.received += bytes.toString('latin1');
      this.#wake();
    });
    this.socket.on('end', () => {
      this.socket.end();
      this.#end('end');
    });
    this.socket.on('error', () => this.#end('error'));
    this.socket.on('close', () => this.#end('end'));
  }

  #end(how: 'end' | 'error'): void {
    this.over ??= how;
    this.#wake();
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  async until(done: (client: this) => boolean, what: string): Promise<string> {
    const deadline = AbortSignal.timeout(5_000);
    while (!done(this)) {
      assert.ok(!deadline.aborted, `waited in vain for ${what}; received ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1_000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.received;
  }

  /** Resolves when all of these have been read, one after another. */
  reads(...texts: readonly string[]): Promise<string> {
    return this.until(({ received }) => {
      let at = 0;
      for (const text of texts) {
        at = received.indexOf(text, at);
        if (at < 0) return false;
        at += text.length;
      }
      return true;
    }, JSON.stringify(texts));
  }

  closes(): Promise<string> {
    return this.until(({ over }) => over !== null, 'the close');
  }
}

export function client(t: TestContext, { balancer }: Bench): RawClient {
  const raw = new RawClient(balancer.port);
  t.after(() => raw.socket.destroy());
  return raw;
}

/** One request on a connection of its own; resolves to all that came back, after the close. */
export function once(t: TestContext, bench: Bench, raw: string): Promise<string> {
  return client(t, bench).send(raw).closes();
}

export const HOST = 'Host: kelana.test\r\n';
export const get = (path = '/', fields = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${fields}\r\n`;
export const CLOSE = 'Connection: close\r\n';

export function post(body: string, fields = '', path = '/'): string {
  return `POST ${path} HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n${fields}\r\n${body}`;
}

export function statusOf(response: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(response)?.[1] ?? 0);
}

export async function eventually(done: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!done()) {
    assert.ok(performance.now() < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  }
}
