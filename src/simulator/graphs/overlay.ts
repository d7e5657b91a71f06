import type { Random } from '../../core/random.ts';
import type { Graph } from '../graph.ts';
import { bitsFor, prefixOf, type KeySpace } from '../keys.ts';

/** Links a node opens itself: it then has at least 6 neighbours, and 12 in the mean, as each link has two ends. */
const OPENED = 6;
/** Of those, into the node's own group (core/search/topology.ts). */
const OWN = 2;
/** Neighbours at most; the rule allows 64, and the best linked of a million nodes has 26. */
const MOST = 32;
/** Candidates looked at for one link; a real node knows about as many from its neighbours. */
const TRIES = 12;

/**
 * kelana's own overlay: 6 to 64 neighbours, 12 in the mean, in distinct groups but for the two that a node opens
 * into its own. It takes a candidate whose group it has not yet and that has not its own, and any with room where it finds none.
 */
export function overlayGraph(keys: KeySpace, random: Random): Graph {
  const nodes = keys.keys.length;
  const builder = new Builder(keys, random);
  for (let round = 0; round < OPENED; round += 1)
    for (let node = 0; node < nodes; node += 1) builder.open(node, round < OWN);
  return builder.graph();
}

/** Neighbours and their groups lie in rows of fixed length: a look at a candidate is one look at memory. */
class Builder {
  readonly #keys: KeySpace;
  readonly #random: Random;
  readonly #bits: number;
  readonly #nodes: number;
  readonly #rows: Uint32Array;
  readonly #groups: Uint16Array;
  readonly #degree: Uint8Array;

  constructor(keys: KeySpace, random: Random) {
    this.#keys = keys;
    this.#random = random;
    this.#nodes = keys.keys.length;
    this.#bits = bitsFor(this.#nodes);
    this.#rows = new Uint32Array(MOST * this.#nodes);
    this.#groups = new Uint16Array(MOST * this.#nodes);
    this.#degree = new Uint8Array(this.#nodes);
  }

  open(node: number, own: boolean): void {
    const group = this.#group(node);
    let fallback = -1;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const other = own ? this.#member(group) : Math.floor(this.#random() * this.#nodes);
      if (other === node || (this.#degree[other] ?? 0) >= MOST) continue;
      const theirs = own ? group : this.#group(other);
      if (!own && theirs !== group && !this.#knows(node, theirs) && !this.#knows(other, group)) {
        this.#link(node, other, group, theirs);
        return;
      }
      if (this.#linked(node, other)) continue;
      if (fallback < 0) fallback = other;
      if (own) break;
    }
    if (fallback >= 0 && (this.#degree[node] ?? 0) < MOST)
      this.#link(node, fallback, group, this.#group(fallback));
  }

  graph(): Graph {
    const offsets = new Uint32Array(this.#nodes + 1);
    for (let node = 0; node < this.#nodes; node += 1)
      offsets[node + 1] = (offsets[node] ?? 0) + (this.#degree[node] ?? 0);
    const neighbours = new Uint32Array(offsets[this.#nodes] ?? 0);
    for (let node = 0; node < this.#nodes; node += 1) {
      const row = MOST * node;
      neighbours.set(this.#rows.subarray(row, row + (this.#degree[node] ?? 0)).sort(), offsets[node]);
    }
    return { name: 'overlay', nodes: this.#nodes, offsets, neighbours };
  }

  #group(node: number): number {
    return prefixOf(this.#keys.keys[node] ?? 0, this.#bits);
  }

  #member(group: number): number {
    const start = this.#keys.start(group, this.#bits);
    const end = this.#keys.start(group + 1, this.#bits);
    return this.#keys.nodeAt(start + Math.floor(this.#random() * (end - start)));
  }

  #linked(node: number, other: number): boolean {
    const row = MOST * node;
    for (let at = row; at < row + (this.#degree[node] ?? 0); at += 1)
      if (this.#rows[at] === other) return true;
    return false;
  }

  #knows(node: number, group: number): boolean {
    const row = MOST * node;
    for (let at = row; at < row + (this.#degree[node] ?? 0); at += 1)
      if (this.#groups[at] === group) return true;
    return false;
  }

  #link(node: number, other: number, group: number, theirs: number): void {
    this.#put(node, other, theirs);
    this.#put(other, node, group);
  }

  #put(node: number, other: number, group: number): void {
    const degree = this.#degree[node] ?? 0;
    this.#rows[MOST * node + degree] = other;
    this.#groups[MOST * node + degree] = group;
    this.#degree[node] = degree + 1;
  }
}
