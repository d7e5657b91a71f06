import { chmod } from 'node:fs/promises';
import { Readable } from 'node:stream';
import fastify, { type FastifyReply } from 'fastify';
import { z } from 'zod';
import { LIMITS, SEARCH } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import {
  STRATEGIES,
  type Holding,
  type LimitsInfo,
  type NeighbourInfo,
  type PrintsInfo,
  type Query,
  type SearchEvent,
  type SearchOptions,
} from '../core/ports.ts';
import type { MailControls } from './mail.ts';
import { mailRoutes } from './mail-routes.ts';
import type { GetEvent } from './operations.ts';
import { clearSocket } from './socket.ts';

export interface PeerRow {
  readonly address: string;
  readonly state: string;
  readonly peer: string | null;
  readonly label: string;
  readonly error: KelanaError | null;
}

/** What commands may ask of a running node. */
export interface NodeControls {
  status(): NodeStatus;
  search(query: Query, options: SearchOptions): AsyncIterable<SearchEvent>;
  get(query: Query, options: SearchOptions): AsyncIterable<GetEvent>;
  files(): readonly Holding[];
  peers(): readonly PeerRow[];
  addPeer(address: string, signal: AbortSignal): Promise<PeerRow>;
  removePeer(address: string): Promise<boolean>;
  /** The inbox and outbox; a node that lives for one command has none. */
  readonly mail?: MailControls;
  limits(): LimitsInfo;
  /** @throws KelanaError BAD_VALUE; CANNOT_WRITE where it cannot be saved: then it holds until the next start */
  setLimits(change: LimitsChange): Promise<LimitsInfo>;
}

/** Texts of limits; a direction that is left out keeps its own. */
export interface LimitsChange {
  readonly up?: string;
  readonly down?: string;
  /** Keep it in the data folder, for later starts. */
  readonly save?: boolean;
}

export interface NodeStatus {
  readonly label: string;
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly neighbours: readonly NeighbourInfo[];
  readonly prints: PrintsInfo;
  readonly limits: LimitsInfo;
  readonly files: number;
  readonly bytes: number;
  readonly scanning: boolean;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly memoryBytes: number;
}

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
});
const ask = z.object({ query });
const limit = z.string().min(1).max(LIMITS.maxTextChars).exactOptional();
const change = z.strictObject({ up: limit, down: limit, save: z.boolean().exactOptional() });
const address = z.object({ address: z.string().min(1).max(512) });

/** Serves the commands of this machine's user over a Unix socket (0600). Resolves to the way to stop it. */
export async function serveControl(path: string, controls: NodeControls): Promise<() => Promise<void>> {
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
    const [wanted, how] = [ask.parse(body).query, options.parse(body)];
    return stream(reply, (signal) => controls.get(wanted, { ...how, signal }));
  });
  if (controls.mail !== undefined) mailRoutes(app, controls.mail, stream);
  await clearSocket(path);
  await app.listen({ path });
  await chmod(path, 0o600);
  return async () => {
    await Promise.race([app.close(), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    await clearSocket(path);
  };
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
