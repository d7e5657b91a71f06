import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TestContext } from 'node:test';
import { KelanaError } from '../src/core/errors.ts';
import type { EventBody } from '../src/core/events.ts';
import type {
  Bytes,
  Hit,
  Holding,
  Query,
  OverlayPort,
  SearchOptions,
  SearchEvent,
  WritableLibraryPort,
} from '../src/core/ports.ts';
import { matches, score } from '../src/core/search/query.ts';
import { cidText, RAW } from '../src/core/transfer/cid.ts';
import { openMailbox } from '../src/mailbox/mailbox.ts';
import { startServer, type RunningServer, type ServerOptions } from '../src/server/start.ts';

/** A library in one folder: streams in and out, knows a file's content by the raw CID of all its bytes. */
export function folderLibrary(folder: string): WritableLibraryPort {
  const holdings = new Map<string, Holding>();
  const lookup: WritableLibraryPort['lookup'] = (wanted) =>
    [...holdings.values()].filter((holding) => matches(wanted, holding));
  return {
    lookup,
    list: () => [...holdings.values()],
    manifest: async () => [],
    async *read(cid, range) {
      const name = lookup({ kind: 'cid', cid })[0]?.name ?? '';
      yield* createReadStream(join(folder, name), { ...range, highWaterMark: 1 << 20 }) as Bytes;
    },
    async put(name, bytes, signal) {
      await mkdir(folder, { recursive: true });
      const temporary = join(folder, `.kelana-${randomUUID()}`);
      const file = await open(temporary, 'wx');
      try {
        const hash = createHash('sha256');
        let size = 0;
        for await (const chunk of bytes) {
          hash.update(chunk);
          size += chunk.length;
          await file.write(chunk);
        }
        signal?.throwIfAborted();
        await file.sync();
        const cid = cidText(RAW, hash.digest());
        const known = holdings.get(name);
        if (known !== undefined && known.cid !== cid) throw new KelanaError('FILE_EXISTS', { name });
        await rename(temporary, join(folder, name));
        holdings.set(name, { name, size, cid });
        return { name, size, cid };
      } finally {
        await file.close();
        await rm(temporary, { force: true });
      }
    },
  };
}

export interface Remote {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly label?: string;
  /** Fails at once, or after so many bytes. */
  readonly failAfter?: number;
}

export interface FakeOverlay extends OverlayPort {
  /** What was searched for, and how. */
  readonly searched: (readonly [Query, SearchOptions])[];
}

/** An overlay in which other nodes hold what is given; else the verdict. */
export function fakeOverlay(
  remotes: readonly Remote[] = [],
  verdict: 'absent' | 'incomplete' = 'absent',
): FakeOverlay {
  const cidOf = (bytes: Uint8Array): string => cidText(RAW, createHash('sha256').update(bytes).digest());
  const hitOf = ({ name, bytes, label = 'localhost:5002' }: Remote): Hit => ({
    name,
    size: bytes.length,
    cid: cidOf(bytes),
    peer: `peer-${label}`,
    label,
    addresses: [],
    hops: 1,
  });
  const searched: FakeOverlay['searched'] = [];
  const overlay = {
    peerId: 'me',
    label: 'localhost:5001',
    searched,
    neighbours: () => [],
    prints: () => ({ bits: 0, members: 1, estimate: 1, bytes: 0, ageMs: Infinity, dht: 0 }),
    async *search(query: Query, how: SearchOptions = {}): AsyncIterable<SearchEvent> {
      searched.push([query, how]);
      const seen = new Set<string>();
      for (const remote of remotes) {
        const { peer, label, addresses, hops, ...holding } = hitOf(remote);
        if (!matches(query, holding)) continue;
        const provider = { peer, label, addresses };
        const { name, cid } = holding;
        if (seen.has(cid)) yield { type: 'provider', elapsedMs: 1, hops, name, cid, provider };
        else
          yield {
            type: 'hit',
            elapsedMs: 1,
            hops,
            score: score(query, holding),
            providers: [provider],
            ...holding,
          };
        seen.add(cid);
      }
      const found = seen.size > 0;
      const missing = verdict === 'incomplete' && !found ? ['localhost:5003'] : [];
      const said = found
        ? ({ verdict: 'found', ground: 'found' } as const)
        : ({ verdict, ground: verdict === 'absent' ? 'all-nodes' : 'lost' } as const);
      const missingCount = missing.length;
      const counts = { asked: 2, missing, missingCount, messages: 4, elapsedMs: 2 };
      yield { type: 'verdict', ...said, strategy: 'walk', ...counts };
    },
    async *fetch(hit: Hit, range?: { start: number; end: number }): Bytes {
      const remote = remotes.find((one) => hitOf(one).peer === hit.peer && one.name === hit.name);
      if (remote === undefined) throw new KelanaError('TRANSFER_FAILED', { name: hit.name, why: 'gone' });
      const bytes = remote.bytes.subarray(range?.start ?? 0, (range?.end ?? remote.bytes.length - 1) + 1);
      if (remote.failAfter !== undefined) {
        if (remote.failAfter > 0) yield bytes.subarray(0, remote.failAfter);
        throw new KelanaError('TRANSFER_FAILED', { name: hit.name, why: 'peer left' });
      }
      yield bytes;
    },
    open: () => Promise.reject(new KelanaError('PEER_UNREACHABLE', { peer: 'localhost:5002', why: 'gone' })),
  };
  return overlay;
}

export interface Site extends RunningServer {
  /** All of it lies here; `files/` is the library. */
  readonly root: string;
  readonly base: string;
  readonly events: EventBody[];
  stored(): Promise<string[]>;
}

/** A server on a free port with its own folder, ended with the test. `root` shares the mailbox of another. */
export async function startSite(
  t: TestContext,
  more: Partial<ServerOptions> & { root?: string } = {},
): Promise<Site> {
  const { root = await temporaryFolder(t), ...options } = more;
  const events: EventBody[] = [];
  const files = join(root, 'files');
  const mailbox = options.mailbox ?? (await openMailbox({ path: join(root, 'mailbox.db') }));
  if (options.mailbox === undefined) t.after(() => mailbox.close());
  const server = await startServer({
    host: 'localhost',
    port: 0,
    lang: 'en',
    library: folderLibrary(files),
    overlay: fakeOverlay(),
    emit: (event) => void events.push(event),
    ...options,
    mailbox,
  });
  t.after(() => server.close());
  const stored = async (): Promise<string[]> =>
    (await exists(files)) ? (await readdir(files)).toSorted() : [];
  return { ...server, root, base: `http://127.0.0.1:${server.port}`, events, stored };
}

export async function temporaryFolder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kelana-server-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

export async function waitFor(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const until = Date.now() + 10_000; !(await condition()); await new Promise((r) => setTimeout(r, 5))) {
    if (Date.now() > until) throw new Error(`${what} did not come about`);
  }
}
