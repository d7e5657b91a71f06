import { chmod } from 'node:fs/promises';
import { Readable } from 'node:stream';
import fastify, { type FastifyReply } from 'fastify';
import { z } from 'zod';
import { SEARCH } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import {
  STRATEGIES,
  type Holding,
  type NeighbourInfo,
  type PrintsInfo,
  type Query,
  type SearchEvent,
  type SearchOptions,
} from '../core/ports.ts';
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
  folders(): readonly Holding[];
  shares(): readonly ShareRow[];
  /** `path` is absolute; the scan goes on where the reader leaves. */
  share(path: string, signal: AbortSignal): AsyncIterable<ShareEvent>;
  unshare(path: string): Promise<UnshareRow>;
  peers(): readonly PeerRow[];
  addPeer(address: string, signal: AbortSignal): Promise<PeerRow>;
  removePeer(address: string): Promise<boolean>;
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
});
const ask = z.object({ query });
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
  app.post('/find', ({ body }, reply) => {
    const [wanted, how] = [ask.parse(body).query, options.parse(body)];
    return stream(reply, (signal) => controls.search(wanted, { ...how, signal }));
  });
  app.post('/get', ({ body }, reply) => {
    const [wanted, how] = [ask.parse(body).query, options.parse(body)];
    return stream(reply, (signal) => controls.get(wanted, { ...how, signal }));
  });
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
  run: (signal: AbortSignal) => AsyncIterable<SearchEvent | GetEvent | ShareEvent>,
): Promise<FastifyReply> {
  const events = run(gone(reply));
  return reply.type('application/x-ndjson').send(Readable.from(lines(events)));
}

async function* lines(events: AsyncIterable<SearchEvent | GetEvent | ShareEvent>): AsyncGenerator<string> {
  try {
    for await (const event of events)
      yield (
        JSON.stringify(event.type === 'failed' ? { type: 'failed', ...errorJson(event.error) } : event) + '\n'
      );
  } catch (thrown) {
    yield JSON.stringify({ type: 'failed', ...errorJson(asKelanaError(thrown)) }) + '\n';
  }
}

function errorJson(error: KelanaError) {
  return { error: error.code, params: error.params };
}

function peerJson(row: PeerRow) {
  return { ...row, error: row.error === null ? null : errorJson(row.error) };
}
