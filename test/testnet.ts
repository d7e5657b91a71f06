import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDownloads } from '../src/cli/transfers-app.ts';
import { getFile, type GetEvent } from '../src/control/operations.ts';
import type { EventBody } from '../src/core/events.ts';
import type {
  GetHow,
  Hit,
  OverlayPort,
  Query,
  SearchEvent,
  SearchOptions,
  SearchOutcome,
} from '../src/core/ports.ts';
import { Offers } from '../src/library/offers.ts';
import { openStreamed } from '../src/library/streamed.ts';
import { openLibrary, type Library } from '../src/library/library.ts';
import { Writer } from '../src/library/writer.ts';
import type { Overlay, OverlayOptions } from '../src/overlay/options.ts';
import { startOverlay } from '../src/overlay/overlay.ts';
import { strongRandom } from '../src/overlay/strong-random.ts';
import type { Downloads } from '../src/transfers/downloads.ts';
import { seeded, settledFile, until } from './support/basics.ts';

export type Topology = 'line' | 'ring' | 'star' | 'random' | readonly (readonly [number, number])[];

export interface TestnetOptions {
  /** Default: a line. */
  readonly topology?: Topology;
  /** Files of each node by its number: name to content. */
  readonly files?: Readonly<Record<number, Readonly<Record<string, string | Uint8Array>>>>;
  /** Seed of every random choice. */
  readonly seed?: number;
  /** Sees every event of every node as it happens. */
  readonly watch?: (node: number, event: EventBody) => void;
  /** How the nodes' overlays differ from those of plain nodes: by default they keep to the links that they are given. */
  readonly overlay?: OverlayChoices;
  /** The nodes serve IPFS nodes. */
  readonly ipfs?: boolean;
}

export type OverlayChoices = Pick<
  OverlayOptions,
  | 'wantNeighbours'
  | 'dht'
  | 'bits'
  | 'resizeAfterMs'
  | 'audit'
  | 'uploadLimit'
  | 'downloadLimit'
  | 'letters'
  | 'visible'
>;

/** A real node: overlay and library over a folder of its own. */
export interface TestNode {
  readonly overlay: Overlay;
  readonly library: Library;
  readonly folder: string;
  readonly shared: string;
  readonly downloads: string;
  /** Hashes and writes what `get` fetches. */
  readonly writer: Writer;
  /** What `get` is fetching, for others who fetch the same. */
  readonly offers: Offers;
  readonly fetching: Set<Downloads>;
  readonly events: EventBody[];
  /** What others dial. */
  readonly address: string;
  close(): Promise<void>;
}

export interface Testnet extends AsyncDisposable {
  readonly nodes: readonly TestNode[];
  readonly edges: readonly (readonly [number, number])[];
  node(at: number): TestNode;
  close(): Promise<void>;
}

/** `count` real nodes in this process, on 127.0.0.1, linked as asked; resolves when every link is up on both sides. */
export async function startTestnet(count: number, options: TestnetOptions = {}): Promise<Testnet> {
  const { topology = 'line', files = {}, seed = 1, watch, overlay = {}, ipfs = false } = options;
  const base = await mkdtemp(join(tmpdir(), 'kelana-testnet-'));
  const random = seeded(seed);
  const edges = typeof topology === 'string' ? edgesOf(topology, count, random) : topology;
  const nodes: TestNode[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
    await rm(base, { recursive: true, force: true });
  };
  try {
    for (let at = 0; at < count; at += 1) {
      const folder = join(base, `node${at}`);
      for (const [name, content] of Object.entries(files[at] ?? {}))
        await settledFile(join(folder, 'shared', name), content);
      nodes.push(
        await startTestNode({ folder, random, overlay, ipfs, watch: (event) => watch?.(at, event) }),
      );
    }
    const node = (at: number): TestNode => {
      const found = nodes[at];
      if (found === undefined) throw new RangeError(`node ${at} of ${count}`);
      return found;
    };
    for (const [a, b] of edges) await link(node(a), node(b));
    return { nodes, edges, node, close, [Symbol.asyncDispose]: close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

export interface TestNodeOptions {
  readonly folder: string;
  readonly peers?: readonly string[];
  readonly port?: number;
  readonly random?: () => number;
  readonly watch?: (event: EventBody) => void;
  readonly overlay?: OverlayChoices;
  readonly ipfs?: boolean;
}

/** One node; started again on the same folder it is the same node (identity, peers, index). */
export async function startTestNode(options: TestNodeOptions): Promise<TestNode> {
  const { folder, random = strongRandom(), watch } = options;
  const [shared, data] = [join(folder, 'shared'), join(folder, 'data')];
  await mkdir(shared, { recursive: true });
  await mkdir(data, { recursive: true });
  const events: EventBody[] = [];
  const emit = (event: EventBody): void => {
    events.push(event);
    watch?.(event);
  };
  const library = await openLibrary({ roots: [shared], dataDir: data, rescanMs: 0, emit });
  const writer = new Writer();
  const offers = new Offers();
  const fetching = new Set<Downloads>();
  let closed: Promise<void> | undefined;
  try {
    await library.ready;
    const overlay = await startOverlay({
      host: '127.0.0.1',
      port: options.port ?? 0,
      dataFolder: data,
      library,
      peers: options.peers ?? [],
      emit,
      now: () => performance.now(),
      random,
      wantNeighbours: 0,
      dht: false,
      ...(options.ipfs === true ? { ipfsBlocks: library.blocks() } : {}),
      partial: (cid) => offers.partial(cid),
      fetcher: (cid, provider) => {
        for (const downloads of fetching) downloads.told(cid, provider);
      },
      ...options.overlay,
    });
    return {
      overlay,
      library,
      folder,
      shared,
      downloads: join(folder, 'downloaded'),
      writer,
      offers,
      fetching,
      events,
      address: `127.0.0.1:${overlay.port}`,
      close: () =>
        (closed ??= overlay
          .close()
          .then(() => Promise.all([library.close(), writer.close()]))
          .then(() => undefined)),
    };
  } catch (thrown) {
    await library.close();
    throw thrown;
  }
}

/** Links two nodes and waits until both know it. */
export async function link(from: TestNode, to: TestNode): Promise<void> {
  await from.overlay.addPeer(to.address, AbortSignal.timeout(10_000));
  await until('both sides linked', () => linked(from, to) && linked(to, from));
}

export function linked(a: TestNode, b: TestNode): boolean {
  return a.overlay.neighbours().some((neighbour) => neighbour.peer === b.overlay.peerId);
}

export interface Found {
  readonly hits: readonly Hit[];
  readonly steps: readonly string[];
  readonly outcome: SearchOutcome;
}

/** A whole search, read to its verdict; by the walk unless `how` says otherwise. */
export async function search(
  overlay: OverlayPort,
  query: Query | string,
  how: SearchOptions = {},
): Promise<Found> {
  const hits: Hit[] = [];
  const steps: string[] = [];
  const asked: Query = typeof query === 'string' ? { kind: 'name', name: query } : query;
  for await (const event of overlay.search(asked, { timeoutMs: 20_000, strategy: 'walk', ...how })) {
    if (event.type === 'hit')
      for (const provider of event.providers) hits.push({ ...fileOf(event), ...provider });
    else if (event.type === 'provider') {
      const file = hits.find((hit) => hit.cid === event.cid);
      if (file !== undefined) hits.push({ ...file, ...event.provider, hops: event.hops });
    } else if (event.type === 'step') steps.push(event.peer);
    else return { hits, steps, outcome: event };
  }
  throw new Error('a search ended without a verdict');
}

function fileOf({ name, size, cid, hops }: Extract<SearchEvent, { type: 'hit' }>) {
  return { name, size, cid, hops };
}

export type Got = Extract<GetEvent, { type: 'saved' | 'failed' }> | Extract<SearchEvent, { type: 'verdict' }>;

/** What `kelana get` does, in this process; gives its last event. */
export async function get(node: TestNode, query: Query | string, how: GetHow = {}): Promise<Got> {
  const asked: Query = typeof query === 'string' ? { kind: 'name', name: query } : query;
  const emit = (event: EventBody): void => void node.events.push(event);
  const { overlay, downloads: folder, writer, offers, fetching } = node;
  const downloads = openDownloads({ overlay, folder, writer, emit, offers });
  fetching.add(downloads);
  let last: Got | undefined;
  for await (const event of getFile(asked, {
    overlay,
    downloads,
    ipfsSource: {
      port: node.overlay.ipfs,
      open: ({ name, size }) => openStreamed({ folder: node.downloads, name, size }),
    },
    emit,
    now: () => performance.now(),
    timeoutMs: 20_000,
    strategy: 'walk',
    ...how,
  })) {
    if (event.type === 'saved' || event.type === 'failed' || event.type === 'verdict') last = event;
  }
  fetching.delete(downloads);
  if (last === undefined) throw new Error('a download ended without an answer');
  return last;
}

/** Edges of the named graphs; `random` is a spanning tree with as many edges again, so that it is connected. */
export function edgesOf(
  topology: Exclude<Topology, readonly unknown[]>,
  count: number,
  random: () => number,
): readonly (readonly [number, number])[] {
  const below = (n: number): number => Math.floor(random() * n);
  const rest = Array.from({ length: Math.max(0, count - 1) }, (_, at) => at + 1);
  const line = rest.map((at) => [at - 1, at] as const);
  if (topology === 'line') return line;
  if (topology === 'ring') return count > 2 ? [...line, [count - 1, 0]] : line;
  if (topology === 'star') return rest.map((at) => [0, at] as const);
  const tree = rest.map((at) => [below(at), at] as const);
  const more = rest.map(() => [below(count), below(count)] as const).filter(([a, b]) => a !== b);
  const seen = new Set<string>();
  return [...tree, ...more].filter(([a, b]) => {
    const key = `${Math.min(a, b)}-${Math.max(a, b)}`;
    return !seen.has(key) && Boolean(seen.add(key));
  });
}
