import type { FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { SERVER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { parseCid } from '../core/transfer/cid.ts';
import type { ByteRange, Bytes, Hit, Holding, Query, SearchEvent, SearchOptions } from '../core/ports.ts';
import type { App } from './app.ts';
import { exactly, gone, opened, sendPieces } from './bytes.ts';
import { decide, type Answer } from './conditional.ts';
import { Refusal } from './failures.ts';
import { contentType, disposition } from './media.ts';
import { nameFrom } from './names.ts';
import { clientOf, passed } from './watch.ts';

/** `GET`, `HEAD /files/NAME|CID` and the list `GET /files`. */
export function downloadRoutes(app: App): void {
  app.http.route({
    method: ['GET', 'HEAD'],
    url: '/files/*',
    handler: (request, reply) => get(app, request, reply),
  });
  app.http.get('/files', async (_request, reply) => {
    void reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
    return sendPieces(app, reply, listed(app.library.list()));
  });
}

/** Files of the list that are written at once. */
const LIST_STEP = 256;

async function* listed(files: readonly Holding[]): AsyncIterable<string> {
  yield '{"files":[';
  for (let at = 0; at < files.length; at += LIST_STEP) {
    const some = files.slice(at, at + LIST_STEP);
    yield (
      (at > 0 ? ',' : '') + some.map(({ name, size, cid }) => JSON.stringify({ name, size, cid })).join(',')
    );
  }
  yield ']}\n';
}

/** What is asked for: content where the text reads as a CID, else a name. */
export function queryOf(text: string): Query {
  const cid = parseCid(text);
  return cid === null ? { kind: 'name', name: text } : { kind: 'cid', cid: cid.text };
}

async function get(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = nameFrom(request.raw.url ?? '');
  const query = queryOf(name);
  const signal = gone(reply);
  const leave = await app.transfers.enter();
  reply.raw.once('close', leave);
  if (reply.raw.destroyed) leave();
  const matches = app.library.lookup(query);
  const local = matches.find((holding) => holding.name === name) ?? matches[0];
  if (local !== undefined) {
    return send(app, request, reply, local, 'local', (range) => app.library.read(local.cid, range));
  }
  return fromOverlay(app, request, reply, query, name, signal);
}

/**
 * Tries each hit as the search brings it, until one yields its first byte; later bytes are promised by then.
 * @throws KelanaError FILE_ABSENT, FILE_INCOMPLETE, or what the last hit failed with
 */
async function fromOverlay(
  app: App,
  request: FastifyRequest,
  reply: FastifyReply,
  query: Query,
  name: string,
  signal: AbortSignal,
): Promise<FastifyReply> {
  let failure: unknown = null;
  const tried = new Set<string>();
  const sizes = new Map<string, number>();
  for await (const event of searched(app, query, signal)) {
    for (const hit of hitsOf(event, sizes)) {
      if (tried.has(hit.peer)) continue;
      tried.add(hit.peer);
      try {
        const fetch = (range?: ByteRange): Bytes => app.overlay.fetch(hit, range, signal);
        return await send(app, request, reply, hit, 'overlay', fetch);
      } catch (thrown) {
        if (thrown instanceof KelanaError && thrown.row.source === 'user') throw thrown;
        failure = thrown;
      }
    }
    if (event.type !== 'verdict' || failure !== null) continue;
    const { verdict, asked, missing } = event;
    if (verdict === 'absent') throw new Refusal('FILE_ABSENT', { name, asked }, { verdict, asked });
    const shown = missing.length > 0 ? missing.join(', ') : '?';
    throw new Refusal('FILE_INCOMPLETE', { name, asked, missing: shown }, { verdict, asked, missing });
  }
  throw failure ?? new KelanaError('TIMEOUT', { what: 'GET /files', seconds: SERVER.searchTimeoutMs / 1000 });
}

/** The holders that an event brings. `sizes` keeps what later ones of the same file leave out. */
function hitsOf(event: SearchEvent, sizes: Map<string, number>): readonly Hit[] {
  if (event.type === 'hit') {
    const { name, size, cid, hops, providers } = event;
    sizes.set(cid, size);
    return providers.map((provider) => ({ name, size, cid, hops, ...provider }));
  }
  const size = event.type === 'provider' ? sizes.get(event.cid) : undefined;
  if (event.type !== 'provider' || size === undefined) return [];
  const { name, cid, hops, provider } = event;
  return [{ name, size, cid, hops, ...provider }];
}

/** A search under the limit on searches at once. @throws KelanaError OVERLOADED */
export async function* searched(
  app: App,
  query: Query,
  signal: AbortSignal,
  how: SearchOptions = {},
): AsyncIterable<SearchEvent> {
  const leave = await app.searches.enter();
  try {
    yield* app.overlay.search(query, { timeoutMs: SERVER.searchTimeoutMs, ...how, signal });
  } finally {
    leave();
  }
}

async function send(
  app: App,
  request: FastifyRequest,
  reply: FastifyReply,
  file: Holding | Hit,
  source: 'local' | 'overlay',
  read: (range?: ByteRange) => Bytes,
): Promise<FastifyReply> {
  const etag = `"${file.cid}"`;
  const { headers } = request;
  const answer = decide(
    {
      method: request.method,
      range: headers.range,
      ifMatch: headers['if-match'],
      ifNoneMatch: headers['if-none-match'],
      ifRange: typeof headers['if-range'] === 'string' ? headers['if-range'] : undefined,
    },
    etag,
    file.size,
  );
  const length = lengthOf(answer, file.size);
  const range = answer.status === 206 ? answer.range : undefined;
  const wanted = request.method === 'GET' && answer.status !== 304;
  const bytes = wanted ? await opened(read(range)) : null;
  const name = file.name.slice(file.name.lastIndexOf('/') + 1);
  void reply.code(answer.status).headers({
    etag,
    'accept-ranges': 'bytes',
    // A CID's bytes never change; a name's may.
    'cache-control':
      request.url === `/files/${file.cid}` ? 'public, max-age=31536000, immutable' : 'no-cache',
    'x-kelana-source': source,
  });
  if (answer.status === 304) return reply.send();
  void reply.type(contentType(name)).headers({
    'content-length': length,
    'content-disposition': disposition(name),
    // A file may be a web page; opened here it would run as if this server had written it.
    'content-security-policy': "sandbox; default-src 'none'",
  });
  if (range !== undefined)
    void reply.header('content-range', `bytes ${range.start}-${range.end}/${file.size}`);
  if (bytes === null) return reply.send();
  const counted = exactly(bytes, length, name, () => {
    const to = clientOf(request.raw.socket);
    app.emit({ type: 'file.sent', who: app.who(), to, name, bytes: length });
  });
  return reply.send(Readable.from(count(app, request, counted), { objectMode: true, highWaterMark: 1 }));
}

function lengthOf(answer: Answer, size: number): number {
  return answer.status === 206 ? answer.range.end - answer.range.start + 1 : size;
}

async function* count(app: App, request: FastifyRequest, bytes: Bytes): Bytes {
  for await (const chunk of bytes) {
    app.metrics.sent(chunk.length);
    passed(request, chunk.length);
    app.sweeper.passed(chunk.length);
    yield chunk;
  }
}
