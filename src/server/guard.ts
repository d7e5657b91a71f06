import type { FastifyRequest } from 'fastify';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { KelanaError } from '../core/errors.ts';
import type { App } from './app.ts';

/**
 * Web pages of other sites must not write here (CSRF), although the server asks for no password: on a LAN it is
 * reachable from the browser of anybody inside. The rule is that of browsers' own Fetch Metadata: what Sec-Fetch-Site
 * calls same-origin, or what a person typed (none), may write; without that header the Origin's host must be the
 * Host. Programs that are no browsers send neither and are not concerned.
 */
export function isForeign(method: string, headers: IncomingMessage['headers']): boolean {
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== '') return site !== 'same-origin' && site !== 'none';
  const { origin, host } = headers;
  if (origin === undefined) return false;
  try {
    return new URL(origin).host !== host?.toLowerCase();
  } catch {
    return true;
  }
}

const expecting = new WeakSet<IncomingMessage>();

/** Refuses writes of foreign pages, and keeps `100 Continue` back until a body is wanted (RFC 9110 section 10.1.1). */
export function guardRequests(app: App): void {
  app.http.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    expecting.add(request);
    app.http.server.emit('request', request, response);
  });
  app.http.addHook('onRequest', async (request) => {
    if (isForeign(request.method, request.headers)) {
      const origin = (request.headers.origin ?? 'Sec-Fetch-Site').slice(0, 200);
      throw new KelanaError('CROSS_SITE', { origin });
    }
  });
  app.http.addHook('preParsing', async (request, reply) => {
    if (request.method !== 'PUT') wantBody(request, reply.raw);
  });
}

/** The request is welcome so far: a client that waits to be told may send its body. */
export function wantBody(request: FastifyRequest, response: ServerResponse): void {
  if (expecting.delete(request.raw)) response.writeContinue();
}
