import type { Hit, Holding, Query, StrategyName } from '../ports.ts';
import { seededRandom } from '../random.ts';
import { decodeFrame, encodeFrame, type LinkFrame } from '../wire/frames.ts';
import { isSearchFrame } from '../wire/search-frames.ts';
import type {
  Contact,
  NodeView,
  Outcome,
  SearchFrame,
  SearchInput,
  SearchOutput,
  Strategy,
  StrategySettings,
} from './search.ts';
import { createStrategy } from './strategies.ts';
import { groupOf } from './tokens.ts';

/** A graph of nodes 0…n-1 as undirected edges without repeats. */
export interface Graph {
  readonly nodes: number;
  readonly edges: readonly (readonly [number, number])[];
}

export interface Options {
  readonly strategy?: StrategyName;
  readonly settings?: StrategySettings;
  readonly want?: number;
  /** log2 of the groups. */
  readonly bits?: number;
  /** Bits of single nodes that count otherwise. */
  readonly bitsOf?: (node: number) => number;
  /** Shares of frames, 0 to 1. Of a lost frame nobody is told. */
  readonly loss?: number;
  readonly duplicates?: number;
  readonly reorder?: boolean;
  /** Nodes that never were synced. */
  readonly unsynced?: ReadonlySet<number>;
  /** Nodes that have not read all their files yet. */
  readonly scanning?: ReadonlySet<number>;
  /** What these nodes do with a frame in place of their strategy. */
  readonly liars?: ReadonlyMap<number, (from: string, frame: SearchFrame, say: Say) => void>;
}

export type Say = (to: string, frame: SearchFrame) => void;

interface Envelope {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

export const ID = '0'.repeat(32);
export const NAME = 'contoh.txt';
const MS_A_ROUND = 5;

/**
 * Runs the real strategy of every node over an in-memory network whose frames pass through the real wire codec.
 * Each delivery takes a virtual ms; ticks run in between, so that every timeout of the strategies is met.
 */
export class VirtualNetwork {
  readonly strategies = new Map<string, Strategy>();
  readonly asked: string[] = [];
  readonly random: () => number;
  readonly dead = new Set<string>();
  readonly edges: Set<string>[] = [];
  readonly liarsNamed: string[] = [];
  readonly trail: string[] = [];
  readonly sent: SearchFrame[] = [];
  messages = 0;
  now = 0;
  outcome: Outcome | null = null;
  hits: string[] = [];
  readonly #keys: number[] = [];
  readonly #holders: Set<number>;
  readonly #options: Options;
  #queue: Envelope[] = [];
  #replies: { peer: string; input: SearchInput }[] = [];

  constructor(graph: Graph, holders: ReadonlySet<number>, seed: number, options: Options = {}) {
    this.random = seededRandom(seed);
    this.#options = options;
    this.#holders = new Set(holders);
    for (let node = 0; node < graph.nodes; node += 1) {
      this.#keys.push(Math.floor(this.random() * 2 ** 32));
      this.edges.push(new Set());
    }
    for (const [a, b] of graph.edges) {
      this.edges[a]?.add(String(b));
      this.edges[b]?.add(String(a));
    }
    for (let node = 0; node < graph.nodes; node += 1)
      this.strategies.set(String(node), createStrategy(options.strategy ?? 'walk', this.#view(node)));
  }

  keyOf(peer: string): number {
    return this.#keys[Number(peer)] ?? 0;
  }

  start(origin: string, timeoutMs = 60_000, query: Query = { kind: 'name', name: NAME }): void {
    const { strategy = 'walk', settings, want = 1 } = this.#options;
    const own = settings === undefined ? {} : { settings };
    this.#step(origin, { type: 'start', id: ID, query, timeoutMs, strategy, want, ...own });
  }

  /** Delivers one frame or answer; false when none is under way. */
  deliver(): boolean {
    const reply = this.#replies.shift();
    if (reply !== undefined) {
      if (!this.dead.has(reply.peer)) this.#step(reply.peer, reply.input);
      return true;
    }
    // Between two peers frames keep their order (TCP); among all they need not.
    const any = this.#options.reorder === true ? Math.floor(this.random() * this.#queue.length) : 0;
    const drawn = this.#queue[any];
    const at = this.#queue.findIndex(({ from, to }) => from === drawn?.from && to === drawn.to);
    const [envelope] = at < 0 ? [] : this.#queue.splice(at, 1);
    if (envelope === undefined) return false;
    this.now += MS_A_ROUND / this.strategies.size;
    const frame = decodeFrame(envelope.bytes);
    if (!isSearch(frame)) throw new Error('not a search frame');
    if (this.dead.has(envelope.to)) {
      if (!this.dead.has(envelope.from))
        this.#step(envelope.from, { type: 'unsent', to: envelope.to, frame });
      return true;
    }
    const lie = this.#options.liars?.get(Number(envelope.to));
    if (lie === undefined) this.#step(envelope.to, { type: 'frame', from: envelope.from, frame });
    else lie(envelope.from, frame, (to, said) => this.#send(envelope.to, to, said));
    return true;
  }

  /** Frames under way now. */
  inFlight(): readonly SearchFrame[] {
    return this.#queue.map(({ bytes }) => decodeFrame(bytes)).filter(isSearch);
  }

  run(): Outcome {
    for (let turn = 0; this.outcome === null && turn < 3_000; turn += 1) {
      for (let at = 0; at < 5_000 && this.deliver(); at += 1);
      if (this.outcome !== null) break;
      this.now += 250;
      for (const peer of this.strategies.keys()) if (!this.dead.has(peer)) this.#step(peer, { type: 'tick' });
    }
    if (this.outcome === null) throw new Error('the search never ended');
    return this.outcome;
  }

  /** Kills a node: its frames under way still arrive, then its neighbours notice. */
  kill(peer: string): void {
    this.dead.add(peer);
    for (const other of this.edges[Number(peer)] ?? []) {
      this.edges[Number(other)]?.delete(peer);
      if (!this.dead.has(other)) this.#step(other, { type: 'neighbour-down', peer, label: `node ${peer}` });
    }
  }

  #view(node: number): NodeView {
    const peer = String(node);
    const label = `node ${node}`;
    const bits = (): number => this.#options.bitsOf?.(node) ?? this.#options.bits ?? 0;
    const contact = (other: number): Contact => ({
      peer: String(other),
      label: `node ${other}`,
      addresses: [],
    });
    const group = (prefix: number, size: number): number[] =>
      this.#keys.flatMap((key, at) => (at !== node && groupOf(key, size) === prefix ? [at] : []));
    const mates = (): number[] => group(groupOf(this.#keys[node] ?? 0, bits()), bits());
    return {
      peer,
      label,
      addresses: () => [],
      lookup: (query) => this.lookup(node, query),
      scanning: () => this.#options.scanning?.has(node) === true,
      neighbours: () =>
        [...(this.edges[node] ?? [])].map((other) => ({ peer: other, label: `node ${other}` })),
      neighbour: (other) =>
        this.edges[node]?.has(other) === true ? { peer: other, label: `node ${other}` } : undefined,
      keyOf: (other) => this.keyOf(other),
      prints: {
        bits,
        estimate: () => this.#keys.length,
        members: () => mates().length + 1,
        syncedAt: (now) => (this.#options.unsynced?.has(node) === true ? -Infinity : now),
        // Prints are as old as they may be: of nodes that died since, too.
        candidates: (query) =>
          query.kind !== 'glob'
            ? mates()
                .filter((at) => this.#options.scanning?.has(at) === true || this.lookup(at, query).length > 0)
                .map(contact)
            : bits() === 0
              ? mates().map(contact)
              : null,
        contacts: (prefix, size) => group(prefix, size).slice(0, 12).map(contact),
      },
    };
  }

  lookup(node: number, query: Query): readonly Holding[] {
    const asked = query.kind === 'name' && query.name === NAME;
    return asked && this.#holders.has(node) ? [{ name: NAME, size: 26, cid: 'bafy' }] : [];
  }

  #step(peer: string, input: SearchInput): void {
    const outputs = this.strategies.get(peer)?.step(input, this.now, this.random) ?? [];
    for (const output of outputs) this.#take(peer, output);
  }

  #take(peer: string, output: SearchOutput): void {
    if (output.type === 'send') this.#send(peer, output.to, output.frame);
    else if (output.type === 'asked') this.asked.push(peer);
    else if (output.type === 'hit') this.hits.push(output.hit.peer);
    else if (output.type === 'prove') this.#replies.push({ peer, input: this.#proof(output.id, output.hit) });
    else if (output.type === 'liar') this.liarsNamed.push(output.peer);
    else if (output.type === 'trail') this.trail.push(...output.steps.map((step) => step.peer));
    else if (output.type === 'dht') this.#dht(peer, output.id, output.query);
    else if (output.type === 'end') {
      if (this.outcome !== null) throw new Error('a search ended twice');
      this.outcome = output.outcome;
    }
  }

  #proof(id: string, { peer, cid }: Hit): SearchInput {
    const holds = this.#holders.has(Number(peer)) && this.#options.liars?.has(Number(peer)) !== true;
    const proof = this.dead.has(peer) ? 'unreachable' : holds ? 'holds' : 'lies';
    return { type: 'proved', id, peer, cid, proof };
  }

  #dht(peer: string, id: string, query: Query): void {
    for (const holder of this.#holders) {
      if (this.lookup(holder, query).length === 0) continue;
      const contact = { peer: String(holder), label: `node ${holder}`, addresses: [] };
      this.#replies.push({ peer, input: { type: 'provider', id, contact } });
    }
    this.#replies.push({ peer, input: { type: 'dht-end', id, messages: 6 } });
  }

  #send(from: string, to: string, frame: SearchFrame): void {
    this.messages += 1;
    this.sent.push(frame);
    const { loss = 0, duplicates = 0 } = this.#options;
    if (this.random() < loss) return;
    const bytes = encodeFrame(frame);
    this.#queue.push({ from, to, bytes });
    // A walk's token lives on links, where nothing comes twice; asks may be sent anew.
    const once = frame.type === 'visit' || frame.type === 'return' || frame.type === 'cancel';
    if (this.random() < duplicates && !once) this.#queue.push({ from, to, bytes });
  }
}

function isSearch(frame: LinkFrame): frame is SearchFrame {
  return isSearchFrame(frame.type);
}

export function reachable(
  graph: Graph,
  origin: number,
  without: ReadonlySet<string> = new Set(),
): Set<number> {
  const seen = new Set([origin]);
  const todo = [origin];
  while (todo.length > 0) {
    const node = todo.pop();
    for (const [a, b] of graph.edges) {
      const other = a === node ? b : b === node ? a : null;
      if (other !== null && !seen.has(other) && !without.has(String(other))) {
        seen.add(other);
        todo.push(other);
      }
    }
  }
  return seen;
}
