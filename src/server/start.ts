import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import { labelOf } from '../core/address.ts';
import { SERVER } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Lang } from '../core/lang.ts';
import type { MailboxPort, OverlayPort, WritableLibraryPort } from '../core/ports.ts';
import type { App } from './app.ts';
import { downloadRoutes } from './downloads.ts';
import { sendFailure } from './failures.ts';
import { Gate } from './gate.ts';
import { guardRequests } from './guard.ts';
import { messageRoutes } from './messages.ts';
import { metaRoutes } from './meta.ts';
import { Metrics } from './metrics.ts';
import { searchRoutes } from './search.ts';
import { streamRoutes } from './stream.ts';
import { Sweeper } from './sweep.ts';
import { Tail } from './tail.ts';
import { uploadRoutes } from './uploads.ts';
import { watchRequests } from './watch.ts';

export interface ServerOptions {
  /** Address to listen on; `localhost` is 127.0.0.1. */
  readonly host: string;
  /** TCP port; 0 takes any free one. */
  readonly port: number;
  /** Name in headers, replies and events; by default what a person calls the address, `localhost:8080`. */
  readonly name?: string;
  readonly lang: Lang;
  readonly mailbox: MailboxPort;
  readonly library: WritableLibraryPort;
  readonly overlay: OverlayPort;
  readonly emit: Emit;
  /** Default `server.slowReaderMs`. */
  readonly slowReaderMs?: number;
}

export interface RunningServer {
  /** For people and clients: `http://localhost:8080`. */
  readonly url: string;
  readonly port: number;
  readonly name: string;
  /** Takes no new request, lets running ones finish for `server.closeMs`, ends streams. Does not close the ports. */
  close(): Promise<void>;
}

/**
 * Starts the HTTP front door. The life of a request: connection → head (Node's parser) → watch → guard → route →
 * mailbox, library or overlay → answer → watch.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS, BAD_VALUE
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, mailbox, library, overlay, emit, lang } = options;
  if (options.name !== undefined) checkName(options.name);
  let name = options.name ?? labelOf(host, options.port);
  const stopping = new AbortController();
  const http = fastify({
    logger: false,
    bodyLimit: SERVER.maxBodyBytes,
    connectionTimeout: SERVER.idleMs,
    keepAliveTimeout: SERVER.keepAliveMs,
    // A large upload may take hours; a silent one is cut by connectionTimeout, a slow message by its own limit.
    requestTimeout: 0,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: true,
    // The longest name with every byte percent-encoded, and more, so that a longer one is BAD_NAME and not NO_ROUTE.
    routerOptions: { maxParamLength: 16_384 },
    http: { headersTimeout: SERVER.headTimeoutMs, connectionsCheckingInterval: 1_000 },
    frameworkErrors: (error, request, reply) => {
      void reply.headers({ 'x-kelana-server': name, 'x-content-type-options': 'nosniff' });
      sendFailure(app, request, reply, badUrl(request.raw.url ?? '', error));
    },
    clientErrorHandler: (error, socket) => refuseBytes(error, socket, name),
  });
  const app: App = {
    http,
    who: () => name,
    lang,
    mailbox,
    library,
    overlay,
    emit,
    metrics: new Metrics(),
    tail: new Tail(mailbox),
    transfers: new Gate(SERVER.maxTransfers, SERVER.queueMs, {
      id: 'terlalu banyak berkas',
      en: 'too many files',
    }),
    searches: new Gate(SERVER.maxSearches, SERVER.queueMs, {
      id: 'terlalu banyak pencarian',
      en: 'too many searches',
    }),
    sweeper: new Sweeper(),
    slowReaderMs: options.slowReaderMs ?? SERVER.slowReaderMs,
    stopping: stopping.signal,
  };
  http.server.maxConnections = SERVER.maxConnections;
  defineRoutes(app);
  const port = await listen(http, host, options.port);
  name = options.name ?? labelOf(host, port);
  const url = `http://${labelOf(host, port)}`;
  emit({ type: 'server.ready', who: name, url });
  let closing: Promise<void> | null = null;
  return { url, port, name, close: () => (closing ??= close(http, stopping)) };
}

function defineRoutes(app: App): void {
  const allowed = new Map<string, Set<string>>();
  app.http.addHook('onRoute', ({ url, method }) => {
    const methods = allowed.get(url) ?? new Set<string>();
    for (const one of [method].flat()) methods.add(one);
    allowed.set(url, methods);
  });
  watchRequests(app);
  guardRequests(app);
  app.http.setErrorHandler((error, request, reply) => sendFailure(app, request, reply, error));
  app.http.setNotFoundHandler((request, reply) => notFound(app, allowed, request, reply));
  messageRoutes(app);
  streamRoutes(app);
  uploadRoutes(app);
  downloadRoutes(app);
  searchRoutes(app);
  metaRoutes(app);
}

function notFound(
  app: App,
  allowed: ReadonlyMap<string, ReadonlySet<string>>,
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const path = (request.raw.url ?? '').split('?', 1)[0] ?? '';
  const methods = allowed.get(path.startsWith('/files/') ? '/files/*' : path);
  if (methods === undefined) {
    sendFailure(app, request, reply, new KelanaError('NO_ROUTE', { path: path.slice(0, 200) }));
    return;
  }
  const allow = [...methods].toSorted().join(', ');
  void reply.header('allow', allow);
  const params = { method: request.method, path: path.slice(0, 200), allow };
  sendFailure(app, request, reply, new KelanaError('NOT_ALLOWED', params));
}

function badUrl(url: string, error: unknown): KelanaError {
  const why = { id: 'percent-encoding-nya salah', en: 'its percent-encoding is wrong' };
  return url.startsWith('/files/')
    ? new KelanaError('BAD_NAME', { name: "''", why }, error)
    : new KelanaError('BAD_REQUEST', { why }, error);
}

/** What is no HTTP gets an answer all the same, then the connection is closed: its framing can no longer be known. */
function refuseBytes(error: Error & { code?: string }, socket: Socket, name: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const [status, why] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the head took too long']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the head is too large']
        : ['400 Bad Request', 'it is not HTTP/1.1'];
  const failure = new KelanaError('BAD_REQUEST', { why }).describe('en');
  const body = JSON.stringify({ error: 'BAD_REQUEST', message: failure.says, fix: failure.fix }) + '\n';
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: ${body.length}\r\n` +
      `X-Kelana-Server: ${name}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function checkName(name: string): void {
  if (/^[\x21-\x7e]{1,64}$/.test(name)) return;
  const why = {
    id: 'harus 1 sampai 64 karakter ASCII tanpa spasi',
    en: 'it must be 1 to 64 ASCII characters, no spaces',
  };
  throw new KelanaError('BAD_VALUE', { name: '--name', value: name, why, example: '--name server1' });
}

async function listen(http: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await http.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port });
  } catch (thrown) {
    await http.close();
    const why = reason(thrown);
    if (why === 'EADDRINUSE') {
      throw new KelanaError('PORT_IN_USE', { host, port, part: 'server', flag: '--port' }, thrown);
    }
    throw new KelanaError('BAD_ADDRESS', { host, port, why }, thrown);
  }
  const address = http.server.address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

async function close(http: FastifyInstance, stopping: AbortController): Promise<void> {
  stopping.abort();
  const all = setTimeout(() => http.server.closeAllConnections(), SERVER.closeMs);
  // Node closes what is idle now; what becomes idle when its answer ends would be kept alive.
  const idle = setInterval(() => http.server.closeIdleConnections(), 20);
  try {
    await http.close();
  } finally {
    clearTimeout(all);
    clearInterval(idle);
  }
}
