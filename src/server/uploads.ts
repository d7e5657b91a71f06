import type { FastifyReply, FastifyRequest } from 'fastify';
import { TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Bytes } from '../core/ports.ts';
import type { App } from './app.ts';
import { gone } from './bytes.ts';
import { wantBody } from './guard.ts';
import { percentEncoded } from './media.ts';
import { newNameFrom } from './names.ts';
import { passed } from './watch.ts';

/** `PUT /files/NAME`: the body goes to the library as it comes; acknowledged when it is whole and on disk. */
export function uploadRoutes(app: App): void {
  app.http.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    // The body is left on the wire: the handler reads it piece by piece.
    scope.addContentTypeParser('*', async () => undefined);
    scope.put('/files/*', (request, reply) => put(app, request, reply));
  });
}

async function put(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const name = newNameFrom(request.raw.url ?? '');
  checkHead(request);
  const leave = await app.transfers.enter();
  try {
    const known = app.library.lookup({ kind: 'name', name }).find((holding) => holding.name === name);
    wantBody(request, reply.raw);
    const stored = await app.library.put(name, body(app, request, name), gone(reply));
    const { size, cid } = stored;
    const repeated = known?.cid === cid;
    if (!repeated) {
      app.metrics.stored();
      app.emit({ type: 'file.stored', who: app.who(), name, cid, bytes: size });
    }
    return await reply
      .code(repeated ? 200 : 201)
      .headers({ location: `/files/${percentEncoded(name)}`, etag: `"${cid}"`, 'cache-control': 'no-store' })
      .send({ name: stored.name, size, cid, server: app.who() });
  } catch (thrown) {
    // Whatever the library says of a body that ended too early, the cause is that it did.
    if (request.raw.destroyed && !request.raw.complete) throw new KelanaError('UPLOAD_CUT', { name }, thrown);
    throw thrown;
  } finally {
    leave();
  }
}

/** @throws KelanaError BAD_REQUEST, BAD_TYPE, TOO_LARGE */
function checkHead({ headers }: FastifyRequest): void {
  if (headers['content-range'] !== undefined) {
    // RFC 9110 section 14.5: a server that does not know partial PUT must not take the part for the whole.
    const why = {
      id: 'unggahan sebagian (Content-Range) tidak didukung',
      en: 'partial uploads are not supported',
    };
    throw new KelanaError('BAD_REQUEST', { why });
  }
  const coding = headers['content-encoding'];
  if (coding !== undefined && coding !== 'identity') {
    const why = { id: 'Content-Encoding tidak didukung', en: 'Content-Encoding is not supported' };
    throw new KelanaError('BAD_TYPE', { why });
  }
  if (Number(headers['content-length'] ?? 0) > TRANSFER.maxFileBytes) throw tooLarge();
}

function tooLarge(): KelanaError {
  return new KelanaError('TOO_LARGE', {
    what: { id: 'Berkas', en: 'The file' },
    limit: TRANSFER.maxFileBytes,
  });
}

/** The request's body; ends only where the client ended it. @throws KelanaError UPLOAD_CUT, TOO_LARGE */
async function* body(app: App, request: FastifyRequest, name: string): Bytes {
  const { raw } = request;
  let seen = 0;
  try {
    for await (const chunk of raw as AsyncIterable<Uint8Array>) {
      seen += chunk.length;
      if (seen > TRANSFER.maxFileBytes) throw tooLarge();
      app.metrics.received(chunk.length);
      passed(request, chunk.length);
      app.sweeper.passed(chunk.length);
      yield chunk;
    }
  } catch (thrown) {
    throw thrown instanceof KelanaError ? thrown : new KelanaError('UPLOAD_CUT', { name }, thrown);
  }
  if (!raw.complete) throw new KelanaError('UPLOAD_CUT', { name });
  // From here the client only waits, however long a slow disk takes for its fsync.
  raw.socket.setTimeout(0);
}
