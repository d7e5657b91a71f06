/** One process of bench/search.ts: some of the real nodes, driven by its parent over the IPC channel. */
import { readFileSync } from 'node:fs';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EventBody } from '../src/core/events.ts';
import type { Query, StrategyName } from '../src/core/ports.ts';
import { seededRandom } from '../src/core/random.ts';
import { openLibrary, type Library } from '../src/library/library.ts';
import type { Overlay } from '../src/overlay/options.ts';
import { startOverlay } from '../src/overlay/overlay.ts';

export interface NodeSpec {
  readonly number: number;
  readonly folder: string;
  readonly files: readonly string[];
  /** Addresses of earlier nodes, as `--peer` gives them. */
  readonly peers: readonly string[];
  readonly seed: number;
  readonly dht: boolean;
  readonly audit: boolean;
  readonly bits: number | null;
  readonly resizeAfterMs: number | null;
  /** Links to wait for before the start counts as done, so that newcomers do not pile up on a busy machine. */
  readonly links: number;
}

export interface NodeState {
  readonly number: number;
  readonly peer: string;
  readonly bits: number;
  readonly members: number;
  readonly estimate: number;
  readonly bytes: number;
  readonly ageMs: number | null;
  readonly dht: number;
  readonly neighbours: readonly string[];
}

export interface SearchSpec {
  readonly node: number;
  readonly query: Query;
  readonly strategy: StrategyName;
  readonly want: number;
}

export interface SearchDone {
  readonly verdict: string;
  readonly ground: string;
  readonly strategy: string;
  readonly messages: number;
  readonly asked: number;
  readonly missing: readonly string[];
  /** Of the first hit; null without one. ms since the search was asked for. */
  readonly hops: number | null;
  readonly firstMs: number | null;
  readonly verdictMs: number;
  readonly holders: readonly string[];
}

export interface Usage {
  /** ms */
  readonly at: number;
  readonly rss: number;
  readonly heap: number;
  readonly cpuMicros: number;
  /** Bytes that this process has written to sockets, files and pipes. */
  readonly written: number;
  /** Events since the start, by type. */
  readonly events: Readonly<Record<string, number>>;
}

/** What the parent may call, one after the other or at once. */
export interface Calls {
  start(spec: NodeSpec): Promise<{ peer: string; address: string }>;
  states(): NodeState[];
  search(spec: SearchSpec): Promise<SearchDone>;
  usage(): Usage;
  stop(): Promise<void>;
}

export type Call = { [K in keyof Calls]: { id: number; call: K; args: Parameters<Calls[K]> } }[keyof Calls];
export type Reply = { id: number; result: unknown } | { id: number; error: string };

interface Running {
  readonly overlay: Overlay;
  readonly library: Library;
}

/** ms that a newcomer is waited for. */
const JOIN_MS = 20_000;

const nodes = new Map<number, Running>();
const events: Record<string, number> = {};
const emit = (event: EventBody): void => {
  events[event.type] = (events[event.type] ?? 0) + 1;
};

const calls: Calls = {
  async start(spec) {
    const [shared, data] = [join(spec.folder, 'shared'), join(spec.folder, 'data')];
    await mkdir(shared, { recursive: true });
    await mkdir(data);
    const past = new Date(Date.now() - 60_000);
    for (const [at, name] of spec.files.entries()) {
      const path = join(shared, name);
      // A file that several nodes have is the same file: its bytes follow from its name.
      await writeFile(path, `${name}\n`.repeat(1 + (name.length % 8)));
      await utimes(path, past, new Date(past.getTime() - at * 1000));
    }
    const library = await openLibrary({ roots: [shared], dataDir: data, rescanMs: 0, emit });
    await library.ready;
    const overlay = await startOverlay({
      host: '127.0.0.1',
      port: 0,
      dataFolder: data,
      library,
      peers: spec.peers,
      emit,
      now: () => performance.now(),
      random: seededRandom(spec.seed),
      dht: spec.dht,
      audit: spec.audit,
      ...(spec.bits === null ? {} : { bits: spec.bits }),
      ...(spec.resizeAfterMs === null ? {} : { resizeAfterMs: spec.resizeAfterMs }),
    });
    nodes.set(spec.number, { overlay, library });
    const until = performance.now() + JOIN_MS;
    while (overlay.neighbours().length < spec.links && performance.now() < until) await sleep(20);
    return { peer: overlay.peerId, address: `127.0.0.1:${overlay.port}` };
  },

  states: () =>
    [...nodes].map(([number, { overlay }]) => ({
      number,
      peer: overlay.peerId,
      ...overlay.prints(),
      neighbours: overlay.neighbours().map(({ peer }) => peer),
    })),

  async search({ node, query, strategy, want }) {
    const overlay = nodes.get(node)?.overlay;
    if (overlay === undefined) throw new RangeError(`node ${node} is not here`);
    const begun = performance.now();
    let firstMs: number | null = null;
    let hops: number | null = null;
    const holders: string[] = [];
    for await (const event of overlay.search(query, { strategy, want })) {
      if (event.type === 'hit') {
        firstMs ??= performance.now() - begun;
        hops ??= event.hops;
        holders.push(...event.providers.map(({ peer }) => peer));
      } else if (event.type === 'provider') holders.push(event.provider.peer);
      else if (event.type === 'verdict') {
        const { verdict, ground, strategy: by, messages, asked, missing } = event;
        const verdictMs = performance.now() - begun;
        return { verdict, ground, strategy: by, messages, asked, missing, hops, firstMs, verdictMs, holders };
      }
    }
    throw new Error('a search ended without a verdict');
  },

  usage() {
    // Before the collection, which only the measurement asks for.
    const { user, system } = process.cpuUsage();
    globalThis.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    const written = Number(/wchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1] ?? 0);
    return {
      at: performance.now(),
      rss,
      heap: heapUsed,
      cpuMicros: user + system,
      written,
      events: { ...events },
    };
  },

  async stop() {
    const all = [...nodes.values()];
    nodes.clear();
    await Promise.all(all.map(({ overlay }) => overlay.close()));
    await Promise.all(all.map(({ library }) => library.close()));
  },
};

function answer(call: Call): unknown {
  switch (call.call) {
    case 'start':
      return calls.start(...call.args);
    case 'search':
      return calls.search(...call.args);
    case 'states':
      return calls.states();
    case 'usage':
      return calls.usage();
    default:
      return calls.stop();
  }
}

process.on('message', (call: Call) => {
  const reply = (message: Reply): void => void process.send?.(message);
  new Promise((resolve) => resolve(answer(call))).then(
    (result) => reply({ id: call.id, result }),
    (thrown: unknown) =>
      reply({
        id: call.id,
        error: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
      }),
  );
});
// A parent that is gone needs no nodes.
process.on('disconnect', () => process.exit(1));
