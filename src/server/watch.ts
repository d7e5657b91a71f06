import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { labelOf } from '../core/address.ts';
import { SERVER } from '../core/config.ts';
import type { App } from './app.ts';

interface Flow {
  readonly startMs: number;
  firstByteMs: number | null;
  /** Bytes of a file that passed, either way. */
  bytes: number;
}

const flows = new WeakMap<IncomingMessage, Flow>();

/** Counts bytes of a file that passed in this request. */
export function passed(request: FastifyRequest, bytes: number): void {
  const flow = flows.get(request.raw);
  if (flow !== undefined) flow.bytes += bytes;
}

/** `localhost:40312`: the other end of a connection, as the log names it. */
export function clientOf(socket: Socket): string {
  return labelOf((socket.remoteAddress ?? '?').replace(/^::ffff:/, ''), socket.remotePort ?? 0);
}

/** Hooks that time requests and connections, for metrics and events. */
export function watchRequests(app: App): void {
  const counts = new WeakMap<Socket, number>();
  app.http.server.on('connection', (socket: Socket) => {
    const client = clientOf(socket);
    app.emit({ type: 'client.connected', who: app.who(), client });
    socket.once('close', () => {
      app.emit({ type: 'client.disconnected', who: app.who(), client, requests: counts.get(socket) ?? 0 });
    });
  });
  app.http.addHook('onRequest', async (request, reply) => {
    const { socket } = request.raw;
    counts.set(socket, (counts.get(socket) ?? 0) + 1);
    flows.set(request.raw, { startMs: performance.now(), firstByteMs: null, bytes: 0 });
    void reply.headers({ 'x-kelana-server': app.who(), 'x-content-type-options': 'nosniff' });
  });
  app.http.addHook('onSend', async (request) => {
    const flow = flows.get(request.raw);
    if (flow !== undefined) flow.firstByteMs ??= performance.now();
  });
  app.http.addHook('onResponse', async (request, reply) => {
    const flow = flows.get(request.raw);
    if (flow !== undefined) report(app, request, reply, flow);
    if (!request.raw.complete) discard(request.raw);
  });
}

function report(app: App, request: FastifyRequest, reply: FastifyReply, flow: Flow): void {
  const seconds = (performance.now() - flow.startMs) / 1000;
  const route = request.routeOptions.url ?? 'none';
  app.metrics.request(request.method, route, reply.statusCode, seconds);
  if (!/^\/(messages|files|search)/.test(route) || route === '/messages/stream') return;
  const who = app.who();
  const what = `${request.method} ${request.url.slice(0, 200)}`;
  app.emit({ type: 'request.response-time', who, what, seconds });
  if (request.method === 'POST') return;
  if (flow.firstByteMs !== null) {
    app.emit({ type: 'request.latency', who, what, seconds: (flow.firstByteMs - flow.startMs) / 1000 });
  }
  if (flow.bytes > 0) {
    const bytesPerSecond = flow.bytes / Math.max(seconds, 1e-6);
    app.emit({ type: 'request.throughput', who, what, seconds, bytes: flow.bytes, bytesPerSecond });
  }
}

/** ms that a refused upload may go on before its connection is cut. */
const LINGER_MS = 2_000;

/**
 * After an answer that did not wait for the body (a refusal), Node reads the rest and throws it away. A little of
 * that lets the client read its answer instead of a reset; the rest of 2 GiB would be work for nothing.
 */
function discard(raw: IncomingMessage): void {
  const { socket } = raw;
  const before = socket.bytesRead;
  const startMs = performance.now();
  const timer = setInterval(() => {
    const late = performance.now() - startMs > LINGER_MS || socket.bytesRead - before > SERVER.maxLingerBytes;
    if (late) socket.destroy();
    if (late || raw.complete || socket.destroyed) clearInterval(timer);
  }, 50);
}
