import type { Random } from '../core/random.ts';
import { distinct } from './content.ts';
import { mix } from './hash.ts';
import type { KeySpace } from './keys.ts';

/** Contacts of one distance that a node knows, and nodes that keep one record (Maymounkov, Mazières 2002). */
export const K = 20;
/** Requests under way at once. */
export const ALPHA = 3;
/** Bytes of a request and of an answer: a key of 32 B with its frame; k contacts of a peer id and an address. */
export const REQUEST_BYTES = 70;
export const ANSWER_BYTES = K * 90;
/** Providers that one record names. */
const MAX_PROVIDERS = 20;
const BITS = 32;

/**
 * Kademlia's routing tables over the nodes' keys, implied by hashing instead of stored: of each distance a node knows
 * 20 random nodes, the same whenever it is asked, or all where there are no more. Tables may name nodes that left.
 */
export class Kademlia {
  readonly #space: KeySpace;
  readonly #seed: number;

  constructor(space: KeySpace, seed: number) {
    this.#space = space;
    this.#seed = seed;
  }

  /** The k nodes closest to a key: those that keep its record. */
  keepers(target: number): number[] {
    const all = this.#space.keys.length;
    let [prefix, bits] = [0, 0];
    // The smallest subtree round the key that has k nodes holds them; a power of two more of it is looked at.
    while (bits < BITS) {
      const next = target >>> (BITS - bits - 1);
      if (this.#range(next, bits + 1).length < K) break;
      bits += 1;
      prefix = next;
    }
    const { start, length } = all <= K ? { start: 0, length: all } : this.#range(prefix, bits);
    return this.#closest(
      Array.from({ length }, (_, at) => this.#space.nodeAt(start + at)),
      target,
    );
  }

  /** The k nodes closest to a key that a node knows. */
  known(node: number, target: number): number[] {
    const own = this.#space.keys[node] ?? 0;
    const found: number[] = [];
    const common = Math.clz32(own ^ target);
    // First the nodes on the key's side of the first bit that differs, then ever farther from the key.
    if (common < BITS) this.#sample(node, target >>> (BITS - common - 1), common + 1, found);
    for (let bits = common + 1; bits < BITS && found.length < K; bits += 1)
      if (!this.#side(node, own, bits, found)) break;
    for (let bits = common - 1; bits >= 0 && found.length < K; bits -= 1) this.#side(node, own, bits, found);
    return this.#closest(found, target);
  }

  /** Nodes whose key shares `bits` bits with the node's own and not the next; false where nobody shares so many. */
  #side(node: number, own: number, bits: number, found: number[]): boolean {
    const prefix = ((own >>> (BITS - bits - 1)) ^ 1) >>> 0;
    this.#sample(node, prefix, bits + 1, found);
    return bits + 1 < BITS && this.#range((own >>> (BITS - bits - 1)) >>> 0, bits + 1).length > 1;
  }

  #sample(node: number, prefix: number, bits: number, found: number[]): void {
    const { start, length } = this.#range(prefix, bits);
    if (length <= K) {
      for (let at = 0; at < length; at += 1) {
        const other = this.#space.nodeAt(start + at);
        if (other !== node) found.push(other);
      }
      return;
    }
    const taken = new Set<number>();
    for (let at = 0; taken.size < K && at < 2 * K; at += 1)
      taken.add(this.#space.nodeAt(start + (mix(this.#seed ^ node, bits, at) % length)));
    taken.delete(node);
    found.push(...taken);
  }

  #range(prefix: number, bits: number): { start: number; length: number } {
    const width = 2 ** (BITS - bits);
    const start = this.#space.place(prefix * width);
    return { start, length: this.#space.place((prefix + 1) * width) - start };
  }

  #closest(nodes: readonly number[], target: number): number[] {
    return nodes
      .map((node) => ({ node, distance: ((this.#space.keys[node] ?? 0) ^ target) >>> 0 }))
      .sort((a, b) => a.distance - b.distance)
      .slice(0, K)
      .map(({ node }) => node);
  }
}

/** What the network tells a look-up. */
export interface Reach {
  readonly alive: (node: number) => boolean;
  /** A request went to this node. */
  readonly sent: (node: number) => void;
  /** An answer came back. */
  readonly answered: () => void;
}

/** One iterative look-up: the α closest nodes not yet asked are asked, until the k closest have answered. */
export class Lookup {
  readonly origin: number;
  readonly #tables: Kademlia;
  readonly #target: number;
  readonly #reach: Reach;
  readonly #keepers: ReadonlySet<number>;
  readonly #record: readonly number[];
  readonly #known: { node: number; distance: number; state: 'new' | 'asked' | 'answered' | 'gone' }[] = [];
  readonly #keys: Uint32Array;
  #open: { node: number; due: number }[] = [];
  requests = 0;
  answers = 0;

  constructor(
    tables: Kademlia,
    space: KeySpace,
    options: { origin: number; target: number; holders: Uint32Array; random: Random; reach: Reach },
  ) {
    this.origin = options.origin;
    this.#tables = tables;
    this.#target = options.target;
    this.#reach = options.reach;
    this.#keys = space.keys;
    this.#keepers = new Set(tables.keepers(options.target));
    const { holders, random } = options;
    this.#record = [...distinct(MAX_PROVIDERS, holders.length, random)].map((at) => holders[at] ?? 0);
    this.#learn(tables.known(options.origin, options.target));
  }

  /** Takes the answers that are due, asks on; the providers that were named, and whether there is nobody left to ask. */
  advance(round: number): { providers: readonly number[]; done: boolean } {
    let providers: readonly number[] = [];
    const due = this.#open.filter((request) => request.due <= round);
    this.#open = this.#open.filter((request) => request.due > round);
    for (const { node } of due) {
      const entry = this.#known.find((candidate) => candidate.node === node);
      if (entry === undefined) continue;
      if (!this.#reach.alive(node)) {
        entry.state = 'gone';
        continue;
      }
      entry.state = 'answered';
      this.answers += 1;
      this.#reach.answered();
      if (this.#keepers.has(node)) providers = this.#record;
      this.#learn(this.#tables.known(node, this.#target));
    }
    if (providers.length === 0) this.#ask(round);
    return {
      providers,
      done: this.#open.length === 0 && (providers.length > 0 || this.#next() === undefined),
    };
  }

  #ask(round: number): void {
    while (this.#open.length < ALPHA) {
      const next = this.#next();
      if (next === undefined) return;
      next.state = 'asked';
      this.requests += 1;
      this.#reach.sent(next.node);
      this.#open.push({ node: next.node, due: round + 2 });
    }
  }

  /** The closest of the k best that has not been asked. */
  #next() {
    return this.#known
      .filter(({ state }) => state !== 'gone')
      .slice(0, K)
      .find(({ state }) => state === 'new');
  }

  #learn(nodes: readonly number[]): void {
    for (const node of nodes) {
      if (node === this.origin || this.#known.some((entry) => entry.node === node)) continue;
      const distance = ((this.#keys[node] ?? 0) ^ this.#target) >>> 0;
      this.#known.push({ node, distance, state: 'new' });
    }
    this.#known.sort((a, b) => a.distance - b.distance);
  }
}
