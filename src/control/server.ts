import { chmod } from 'node:fs/promises';
import { Readable } from 'node:stream';
import fastify, { type FastifyReply } from 'fastify';
import { z } from 'zod';
import { BITSWAP, LIMITS, QUEUE, SEARCH } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import {
  STRATEGIES,
  type GetHow,
  type Holding,
  type LimitsInfo,
  type NeighbourInfo,
  type PrintsInfo,
  type Query,
  type QueuePort,
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
  get(query: Query, options: GetHow): AsyncIterable<GetEvent>;
  /** Null on a node that lives only for one command. */
  readonly transfers: QueuePort | null;
  files(): readonly Holding[];
  folders(): readonly Holding[];
  shares(): readonly ShareRow[];
  /** `path` is absolute; the scan goes on where the reader leaves. */
  share(path: string, signal: AbortSignal): AsyncIterable<ShareEvent>;
  unshare(path: string): Promise<UnshareRow>;
  peers(): readonly PeerRow[];
  addPeer(address: string, signal: AbortSignal): Promise<PeerRow>;
  removePeer(address: string): Promise<boolean>;
  limits(): LimitsInfo;
  /** @throws KelanaError BAD_VALUE; CANNOT_WRITE where it cannot be saved: then it holds until the next start */
  setLimits(change: LimitsChange): Promise<LimitsInfo>;
  /** The inbox and outbox; a node that lives for one command has none. */
  readonly mail?: MailControls;
}

/** Texts of limits; a direction that is left out keeps its own. */
export interface LimitsChange {
  readonly up?: string;
  readonly down?: string;
  /** Keep it in the data folder, for later starts. */
  readonly save?: boolean;
}

/** How far a scan has come: files looked at, and of these hashed. */
export interface ScanRow {
  readonly looked: number;
  readonly hashed: number;
  readonly hashedBytes: number;
  /** Files that can be found by now. */
  readonly files: number;
  readonly ms: number;
}

export interface ShareRow {
  /** Absolute. */
  readonly path: string;
  /** Not there at the last look. */
  readonly missing: boolean;
  /** Kept by `kelana share`; else by `--share` of the node. */
  readonly kept: boolean;
  readonly files: number;
  readonly bytes: number;
  /** Of the folder, or of the file that was shared alone; null where it has none (yet). */
  readonly cid: string | null;
}

/** What `share` reports while it scans; the last event is `shared` or `failed`. */
export type ShareEvent =
  | ({ readonly type: 'scan' } & ScanRow)
  | ({ readonly type: 'shared' } & ShareRow)
  | { readonly type: 'failed'; readonly error: KelanaError };

export interface UnshareRow {
  readonly path: string;
  readonly removed: boolean;
  /** The node's own `--share` names it: it comes back when the node starts again. */
  readonly returns: boolean;
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
  /** Of the scan that runs, or null. */
  readonly scan: ScanRow | null;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly memoryBytes: number;
}

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

/** Serves the commands of this machine's user over a Unix socket (0600). Resolves to the way to stop it. */
export async function serveControl(socket: string, controls: NodeControls): Promise<() => Promise<void>> {
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
  await clearSocket(socket);
  await app.listen({ path: socket });
  await chmod(socket, 0o600);
  return async () => {
    await Promise.race([app.close(), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    await clearSocket(socket);
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
