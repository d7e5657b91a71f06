import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { BITSWAP, LIMITS, QUEUE, SEARCH } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import { STRATEGIES, type Query } from '../core/ports.ts';
import { digits, flag, kinds, list, number, object, oneOf, optional, text, whole } from './fields.ts';
import { mailRoutes } from './mail-routes.ts';
import type { NodeControls, PeerRow } from './server.ts';

/** Bytes of a path (PATH_MAX of Linux). */
const MAX_PATH = 4096;
const words = text({ max: SEARCH.maxQueryBytes });
const filters = object(
  {
    minSize: optional(whole(0)),
    maxSize: optional(whole(0)),
    types: optional(list(text({ max: SEARCH.maxTypeBytes }), 1, SEARCH.maxTypes)),
  },
  { strict: true },
);
const also = { filters: optional(filters) };
const strict = { strict: true };
const query = kinds<Query>('kind', {
  name: object({ kind: oneOf(['name']), name: words, ...also }, strict),
  words: object({ kind: oneOf(['words']), words: list(words, 1, SEARCH.maxWords), ...also }, strict),
  glob: object({ kind: oneOf(['glob']), pattern: words, ...also }, strict),
  cid: object({ kind: oneOf(['cid']), cid: words, ...also }, strict),
});
const searching = {
  timeoutMs: optional(number(1, SEARCH.maxTimeoutMs)),
  strategy: optional(oneOf(STRATEGIES)),
  want: optional(whole(1, SEARCH.maxWant)),
  trace: optional(flag()),
  ipfs: optional(list(text({ max: 512 }), 0, BITSWAP.maxAsked)),
};
const options = object(searching);
const ask = object({ query });
const limit = optional(text({ max: LIMITS.maxTextChars }));
const change = object({ up: limit, down: limit, save: optional(flag()) }, strict);
const how = object({
  ...searching,
  background: optional(flag()),
  only: optional(list(words, 0, SEARCH.maxWords)),
});
const numbered = object({ id: digits(0, Number.MAX_SAFE_INTEGER) });
const priority = object({ priority: whole(0, QUEUE.maxPriority) });
const path = object({ path: text({ max: MAX_PATH, start: '/' }) });
const address = object({ address: text({ max: 512 }) });

/** No route has a schema of fastify's; its own compilers for them take 2 MiB of a node. */
const schemaController = {
  compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas },
};

function noSchemas(): never {
  throw new KelanaError('INTERNAL', { detail: 'a route of the control socket has a schema' });
}

/** What answers commands, without a socket of its own. */
export async function openRoutes(controls: NodeControls): Promise<FastifyInstance> {
  const app = fastify({ logger: false, bodyLimit: 64 * 1024, requestTimeout: 10_000, schemaController });
  app.setErrorHandler(async (thrown, _request, reply) => {
    const error = asKelanaError(thrown);
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
