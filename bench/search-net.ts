import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OVERLAY, SEARCH } from '../src/core/config.ts';
import { pick, seededRandom } from '../src/core/random.ts';
import { bitsFor, prefixOf } from '../src/core/search/size.ts';
import { keyOf } from '../src/overlay/keys.ts';
import type { Calls, NodeState, Reply, SearchDone, SearchSpec, Usage } from './search-child.ts';
import type { Corpus } from './search-corpus.ts';

export interface NetOptions {
  readonly nodes: number;
  readonly processes: number;
  readonly corpus: Corpus;
  readonly seed: number;
  readonly dht: boolean;
  /** Groups as a network of this size has them from the start; else nodes find out, and change after `resizeAfterMs`. */
  readonly bits: number | null;
  readonly resizeAfterMs: number | null;
  /** ms from the last node's start. */
  readonly settleTimeoutMs: number;
  readonly progress: (text: string) => void;
}

export interface Member {
  readonly number: number;
  readonly peer: string;
  readonly address: string;
  readonly key: number;
}

/** ms between looks whether all is settled, and looks in a row at which it must be. */
const LOOK_MS = 2_000;
const STILL = 3;
/** Share of the links that may be others than at the last look: some node always tries a better one. */
const CHANGED = 0.01;
/** ms for one call into a child. */
const CALL_MS = 300_000;

/** Audits are an option of a node, not of a search: nodes with even numbers ask two of each group, the others one. */
export function audits(node: number): boolean {
  return node % 2 === 0;
}

/** Real nodes in child processes. Node `n` runs in process `n mod processes`. */
export class Net {
  readonly members: readonly Member[];
  readonly startedMs: number;
  readonly settledMs: number;
  /** Of one process before its first node. */
  readonly empty: Usage;
  readonly #children: readonly Child[];
  readonly #folder: string;

  private constructor(fields: {
    members: readonly Member[];
    startedMs: number;
    settledMs: number;
    empty: Usage;
    children: readonly Child[];
    folder: string;
  }) {
    this.members = fields.members;
    this.startedMs = fields.startedMs;
    this.settledMs = fields.settledMs;
    this.empty = fields.empty;
    this.#children = fields.children;
    this.#folder = fields.folder;
  }

  /** Starts all nodes and waits until links and prints are settled. */
  static async start(options: NetOptions): Promise<Net> {
    const folder = await mkdtemp(join(tmpdir(), 'kelana-bench-search-'));
    const children = Array.from({ length: options.processes }, () => new Child());
    try {
      const empty = await first(children).call('usage');
      const begun = performance.now();
      const members = await startAll(options, children, folder);
      const startedMs = performance.now() - begun;
      await settle(options, children, members);
      const settledMs = performance.now() - begun;
      return new Net({ members, startedMs, settledMs, empty, children, folder });
    } catch (thrown) {
      await end(children, folder);
      throw thrown;
    }
  }

  async states(): Promise<NodeState[]> {
    return statesOf(this.#children);
  }

  search(spec: SearchSpec): Promise<SearchDone> {
    const child = this.#children[spec.node % this.#children.length];
    if (child === undefined) throw new RangeError(`node ${spec.node}`);
    return child.call('search', spec);
  }

  usage(): Promise<Usage[]> {
    return Promise.all(this.#children.map((child) => child.call('usage')));
  }

  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.call('stop').catch(() => undefined)));
    await end(this.#children, this.#folder);
  }
}

async function startAll(
  { nodes, corpus, seed, dht, bits, resizeAfterMs, progress }: NetOptions,
  children: readonly Child[],
  folder: string,
): Promise<Member[]> {
  const members: Member[] = [];
  const random = seededRandom(seed ^ 0x5eed);
  const lane = async (child: Child, first: number): Promise<void> => {
    for (let number = first; number < nodes; number += children.length) {
      // One or two earlier nodes, as a person would name them; discovery does the rest.
      const peers = new Set<string>();
      for (let at = 0; at < 2; at += 1) {
        const earlier = pick(members, random);
        if (earlier !== undefined) peers.add(earlier.address);
      }
      const files = corpus.names[number] ?? [];
      const place = join(folder, `node${number}`);
      const own = {
        number,
        folder: place,
        files,
        peers: [...peers],
        seed: seed + number,
        audit: audits(number),
      };
      const links = Math.min(OVERLAY.minNeighbours, members.length);
      const { peer, address } = await child.call('start', { ...own, dht, bits, resizeAfterMs, links });
      members.push({ number, peer, address, key: keyOf(peer) });
      if (members.length % 20 === 0) progress(`${members.length}/${nodes} nodes started`);
    }
  };
  // The very first one alone, so that all others have somebody to name.
  const [one, ...others] = children;
  const begin = Promise.withResolvers<void>();
  const lead = one === undefined ? Promise.resolve() : lane(one, 0);
  void waitFor(() => members.length > 0, CALL_MS).then(begin.resolve, begin.reject);
  await begin.promise;
  await Promise.all([lead, ...others.map((child, at) => lane(child, at + 1))]);
  return members.sort((a, b) => a.number - b.number);
}

/** Waits until every node has its links and the prints of its whole group, and no link changes any more. */
async function settle(
  options: NetOptions,
  children: readonly Child[],
  members: readonly Member[],
): Promise<void> {
  const { nodes, progress, settleTimeoutMs } = options;
  const bits = options.bits ?? bitsFor(nodes);
  const sizes = new Map<number, number>();
  for (const { key } of members) sizes.set(prefixOf(key, bits), (sizes.get(prefixOf(key, bits)) ?? 0) + 1);
  const wholeOf = (number: number): number => sizes.get(prefixOf(members[number]?.key ?? 0, bits)) ?? 0;
  const until = performance.now() + settleTimeoutMs;
  let last = new Set<string>();
  let still = 0;
  while (still < STILL) {
    await sleep(LOOK_MS);
    const states = await statesOf(children);
    const count = (is: (state: NodeState) => boolean): number => states.filter(is).length;
    const linked = count(({ neighbours }) => neighbours.length >= Math.min(OVERLAY.minNeighbours, nodes - 1));
    const grouped = count((state) => state.bits === bits);
    const whole = count((state) => state.members === wholeOf(state.number));
    const fresh = count(({ ageMs }) => ageMs !== null && ageMs < SEARCH.syncBoundMs);
    const links = new Set(
      states.flatMap(({ peer, neighbours }) => neighbours.map((other) => `${peer} ${other}`)),
    );
    const changed = links.symmetricDifference(last).size;
    const ready = [linked, grouped, whole, fresh].every((one) => one === nodes);
    still = ready && changed <= CHANGED * links.size ? still + 1 : 0;
    last = links;
    progress(
      `of ${nodes} nodes: ${linked} linked, ${grouped} with ${2 ** bits} groups, ${whole} with all prints, ` +
        `${fresh} in sync; ${links.size / 2} links, ${changed / 2} changed`,
    );
    if (still < STILL && performance.now() > until) {
      for (const { number, neighbours, ...state } of states)
        if (state.ageMs === null || state.ageMs >= SEARCH.syncBoundMs || state.bits !== bits)
          progress(`node ${number}: ${neighbours.length} links, ${JSON.stringify(state)}`);
      throw new Error(`not settled in ${settleTimeoutMs} ms`);
    }
  }
}

async function statesOf(children: readonly Child[]): Promise<NodeState[]> {
  const all = await Promise.all(children.map((child) => child.call('states')));
  return all.flat().sort((a, b) => a.number - b.number);
}

async function end(children: readonly Child[], folder: string): Promise<void> {
  await Promise.all(children.map((child) => child.end()));
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function waitFor(is: () => boolean, ms: number): Promise<void> {
  const until = performance.now() + ms;
  while (!is()) {
    if (performance.now() > until) throw new Error('the first node did not start');
    await sleep(10);
  }
}

function first(children: readonly Child[]): Child {
  const [child] = children;
  if (child === undefined) throw new RangeError('no processes');
  return child;
}

/** A child process and the calls into it. */
class Child {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (reply: Reply) => void>();
  #calls = 0;

  constructor() {
    this.#process = fork(new URL('search-child.ts', import.meta.url), [], { execArgv: ['--expose-gc'] });
    this.#process.on('message', (reply: Reply) => {
      this.#waiting.get(reply.id)?.(reply);
      this.#waiting.delete(reply.id);
    });
    this.#process.on('exit', (code, signal) => {
      for (const [id, answer] of this.#waiting)
        answer({ id, error: `the process has ended with ${signal ?? code}` });
      this.#waiting.clear();
    });
  }

  call<K extends keyof Calls>(
    call: K,
    ...args: Parameters<Calls[K]>
  ): Promise<Awaited<ReturnType<Calls[K]>>> {
    this.#calls += 1;
    const id = this.#calls;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => answer({ id, error: `${call}: no answer in ${CALL_MS} ms` }), CALL_MS);
      const answer = (reply: Reply): void => {
        clearTimeout(timer);
        this.#waiting.delete(id);
        if ('error' in reply) reject(new Error(reply.error));
        else resolve(reply.result as Awaited<ReturnType<Calls[K]>>);
      };
      this.#waiting.set(id, answer);
      this.#process.send({ id, call, args }, (error) => {
        if (error !== null) answer({ id, error: error.message });
      });
    });
  }

  async end(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }
}
