import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { z } from 'zod';
import { BITSWAP, LIMITS, QUEUE, SEARCH } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import { STRATEGIES } from '../core/ports.ts';
import { mailRoutes } from './mail-routes.ts';
import type { NodeControls, PeerRow } from './server.ts';

/** Bytes of a path (PATH_MAX of Linux). */
const MAX_PATH = 4096;
const text = z.string().min(1).max(SEARCH.maxQueryBytes);
const bytes = z.int().min(0);
const filters = z.strictObject({
  minSize: bytes.exactOptional(),
  maxSize: bytes.exactOptional(),
  types: z.array(z.string().min(1).max(SEARCH.maxTypeBytes)).min(1).max(SEARCH.maxTypes).exactOptional(),
});
const also = { filters: filters.exactOptional() };
const query = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('name'), name: text, ...also }),
  z.strictObject({ kind: z.literal('words'), words: z.array(text).min(1).max(SEARCH.maxWords), ...also }),
  z.strictObject({ kind: z.literal('glob'), pattern: text, ...also }),
  z.strictObject({ kind: z.literal('cid'), cid: text, ...also }),
]);
const options = z.object({
  timeoutMs: z.number().min(1).max(SEARCH.maxTimeoutMs).exactOptional(),
  strategy: z.enum(STRATEGIES).exactOptional(),
  want: z.int().min(1).max(SEARCH.maxWant).exactOptional(),
  trace: z.boolean().exactOptional(),
  ipfs: z.array(z.string().min(1).max(512)).max(BITSWAP.maxAsked).exactOptional(),
});
const ask = z.object({ query });
const limit = z.string().min(1).max(LIMITS.maxTextChars).exactOptional();
const change = z.strictObject({ up: limit, down: limit, save: z.boolean().exactOptional() });
const how = options.extend({
  background: z.boolean().exactOptional(),
  only: z.array(text).max(SEARCH.maxWords).exactOptional(),
});
const numbered = z.object({ id: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER) });
const priority = z.object({ priority: z.int().min(0).max(QUEUE.maxPriority) });
const path = z.object({ path: z.string().min(1).max(MAX_PATH).startsWith('/') });
const address = z.object({ address: z.string().min(1).max(512) });

/** What answers commands, without a socket of its own. */
export async function openRoutes(controls: NodeControls): Promise<FastifyInstance> {
  const app = fastify({ logger: false, bodyLimit: 64 * 1024, requestTimeout: 10_000 });
  app.setErrorHandler(async (thrown, _request, reply) => {
    const error =
      thrown instanceof z.ZodError
        ? new KelanaError('USAGE', { detail: z.prettifyError(thrown), command: '' })
        : asKelanaError(thrown);
    await reply
      .status(error.row.source === 'user' ? 400 : 500)
      .send({ error: error.code, params: error.params });
  });
  app.get('/status', () => controls.status());
  app.get('/files', () => controls.files());
  app.get('/folders', () => controls.folders());
  app.post('/list', ({ body }, reply) => {
    const asked = address.parse(body).address;
    return stream(reply, (signal) => controls.list(asked, signal));
  });
  app.get('/shares', () => controls.shares());
  app.post('/shares', ({ body }, reply) => {
    const shared = path.parse(body).path;
    return stream(reply, (signal) => controls.share(shared, signal));
  });
  app.delete('/shares', (request) => controls.unshare(path.parse(request.query).path));
  app.get('/peers', () => controls.peers().map(peerJson));
  app.post('/peers', async (request, reply) =>
    peerJson(await controls.addPeer(address.parse(request.body).address, gone(reply))),
  );
  app.delete('/peers', async (request) => ({
    removed: await controls.removePeer(address.parse(request.query).address),
  }));
  app.get('/limits', () => controls.limits());
  app.put('/limits', ({ body }) => controls.setLimits(change.parse(body)));
  app.post('/find', ({ body }, reply) => {
    const [wanted, how] = [ask.parse(body).query, options.parse(body)];
    return stream(reply, (signal) => controls.search(wanted, { ...how, signal }));
  });
  app.post('/get', ({ body }, reply) => {
    const [wanted, asked] = [ask.parse(body).query, how.parse(body)];
    return stream(reply, (signal) => controls.get(wanted, { ...asked, signal }));
  });
  if (controls.mail !== undefined) mailRoutes(app, controls.mail, stream);
  const { transfers } = controls;
  if (transfers !== null) {
    app.get('/transfers', () => transfers.list());
    app.post('/transfers/:id/pause', ({ params }) => transfers.pause(numbered.parse(params).id));
    app.post('/transfers/:id/resume', ({ params }) => transfers.resume(numbered.parse(params).id));
    app.put('/transfers/:id/priority', ({ params, body }) =>
      transfers.prioritise(numbered.parse(params).id, priority.parse(body).priority),
    );
    app.delete('/transfers/:id', async ({ params }) => {
      const { id } = numbered.parse(params);
      await transfers.cancel(id);
      return { cancelled: id };
    });
  }
  await app.ready();
  return app;
}

/** Aborted when the command that asked goes away. */
function gone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
}

async function stream(
  reply: FastifyReply,
  run: (signal: AbortSignal) => AsyncIterable<object>,
): Promise<FastifyReply> {
  const events = run(gone(reply));
  return reply.type('application/x-ndjson').send(Readable.from(lines(events)));
}

async function* lines(events: AsyncIterable<object>): AsyncGenerator<string> {
  try {
    for await (const event of events)
      yield JSON.stringify(hasFailed(event) ? { type: 'failed', ...errorJson(event.error) } : event) + '\n';
  } catch (thrown) {
    yield JSON.stringify({ type: 'failed', ...errorJson(asKelanaError(thrown)) }) + '\n';
  }
}

function hasFailed(event: object): event is { type: 'failed'; error: KelanaError } {
  return 'error' in event && event.error instanceof KelanaError;
}

function errorJson(error: KelanaError) {
  return { error: error.code, params: error.params };
}

function peerJson(row: PeerRow) {
  return { ...row, error: row.error === null ? null : errorJson(row.error) };
}
