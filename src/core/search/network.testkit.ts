import type { Holding, Query } from '../ports.ts';
import { seededRandom } from '../random.ts';
import { decodeFrame, encodeFrame } from '../wire/frames.ts';
import type { Outcome, SearchOutput, Strategy } from './search.ts';
import { createWalk } from './walk.ts';

/** A graph of nodes 0…n-1 as undirected edges without repeats. */
export interface Graph {
  readonly nodes: number;
  readonly edges: readonly (readonly [number, number])[];
}

interface Envelope {
  readonly from: string;
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** Runs the real strategy of every node over an in-memory network whose frames pass through the real wire codec. */
export class VirtualNetwork {
  readonly strategies = new Map<string, Strategy>();
  readonly asked: string[] = [];
  readonly random: () => number;
  readonly dead = new Set<string>();
  readonly edges: Set<string>[] = [];
  messages = 0;
  now = 0;
  outcome: Outcome | null = null;
  hits: string[] = [];
  #queue: Envelope[] = [];

  constructor(graph: Graph, holders: ReadonlySet<number>, seed: number) {
    this.random = seededRandom(seed);
    const links = new Map<string, Set<string>>();
    for (let node = 0; node < graph.nodes; node += 1) links.set(String(node), new Set());
    for (const [a, b] of graph.edges) {
      links.get(String(a))?.add(String(b));
      links.get(String(b))?.add(String(a));
    }
    for (const [peer, others] of links) {
      const holdings: Holding[] = holders.has(Number(peer))
        ? [{ name: 'contoh.txt', size: 26, cid: 'bafy' }]
        : [];
      const lookup = (query: Query) => (query.kind === 'name' && query.name === 'contoh.txt' ? holdings : []);
      const walk = createWalk({ peer, label: `node ${peer}`, addresses: () => [], lookup });
      for (const other of others)
        walk.step({ type: 'neighbour-up', peer: other, label: `node ${other}` }, 0, this.random);
      this.strategies.set(peer, walk);
      this.edges[Number(peer)] = others;
    }
  }

  start(origin: string, timeoutMs = 60_000): void {
    this.#take(
      origin,
      this.#step(origin, {
        type: 'start',
        id: '0'.repeat(32),
        query: { kind: 'name', name: 'contoh.txt' },
        timeoutMs,
      }),
    );
  }

  /** Delivers one frame; false when none is under way. */
  deliver(): boolean {
    const envelope = this.#queue.shift();
    if (envelope === undefined) return false;
    if (this.dead.has(envelope.to)) return true;
    const frame = decodeFrame(envelope.bytes);
    if (frame.type !== 'visit' && frame.type !== 'return' && frame.type !== 'cancel')
      throw new Error('not a search frame');
    this.#take(envelope.to, this.#step(envelope.to, { type: 'frame', from: envelope.from, frame }));
    return true;
  }

  run(): Outcome {
    while (this.deliver());
    for (let late = 0; this.outcome === null && late < 10; late += 1) {
      this.now += 61_000;
      for (const peer of this.strategies.keys()) {
        if (!this.dead.has(peer)) this.#take(peer, this.#step(peer, { type: 'tick' }));
      }
      while (this.deliver());
    }
    if (this.outcome === null) throw new Error('the search never ended');
    return this.outcome;
  }

  /** Kills a node: its frames under way still arrive, then its neighbours notice. */
  kill(peer: string): void {
    this.dead.add(peer);
    for (const other of this.edges[Number(peer)] ?? []) {
      if (!this.dead.has(other)) this.#take(other, this.#step(other, { type: 'neighbour-down', peer }));
    }
  }

  #step(peer: string, input: Parameters<Strategy['step']>[0]): readonly SearchOutput[] {
    return this.strategies.get(peer)?.step(input, this.now, this.random) ?? [];
  }

  #take(peer: string, outputs: readonly SearchOutput[]): void {
    for (const output of outputs) {
      if (output.type === 'send') {
        this.messages += 1;
        this.#queue.push({ from: peer, to: output.to, bytes: encodeFrame(output.frame) });
      } else if (output.type === 'asked') this.asked.push(peer);
      else if (output.type === 'hit') this.hits.push(output.hit.peer);
      else if (output.type === 'end') this.outcome = output.outcome;
    }
  }
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
