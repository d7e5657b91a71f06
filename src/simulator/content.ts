import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import type { Holding, Query } from '../core/ports.ts';
import { seededRandom, type Random } from '../core/random.ts';
import { mix } from './hash.ts';
import type { Content, Question } from './question.ts';

/** How many copies each object has, by how often it is asked for (Cohen, Shenker 2002). */
export const REPLICATIONS = ['uniform', 'proportional', 'square-root'] as const;
export type Replication = (typeof REPLICATIONS)[number];

export interface CatalogueOptions {
  readonly nodes: number;
  /** Copies of an object, in the mean over the catalogue. */
  readonly copies: number;
  readonly replication: Replication;
  /** Exponent of the popularity of the objects: 0 asks for all alike, Lv et al. 2002 also use 1.2. */
  readonly zipf: number;
  /** Share of queries for what nobody has, 0 to 1. */
  readonly misses: number;
  /** Ask by CID instead of by name. */
  readonly cid: boolean;
  readonly seed: number;
}

const RAW = 0x55;
const SHA2_256 = 0x12;

/** Objects of a catalogue, as in Lv et al. 2002. */
const OBJECTS = 100;
const NOBODY = new Uint32Array(0);

/**
 * Objects of which exact numbers of copies lie on random nodes. Where they lie is drawn anew for each question, so
 * that a thousand questions see a thousand placements.
 */
export class Catalogue implements Content {
  readonly #options: CatalogueOptions;
  readonly #popularity: Float64Array;
  readonly #copies: Uint32Array;

  constructor(options: CatalogueOptions) {
    this.#options = options;
    this.#popularity = shares(OBJECTS, options.zipf);
    const weights = this.#popularity.map((share) => WEIGHT[options.replication](share));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    this.#copies = Uint32Array.from(weights, (weight) => {
      if (options.copies === 0) return 0;
      const exact = (options.copies * OBJECTS * weight) / total;
      return Math.min(options.nodes, Math.max(1, Math.round(exact)));
    });
  }

  question(number: number): Question {
    const { seed, misses, nodes, cid } = this.#options;
    const random = seededRandom(mix(seed, number, 0x0b7ec7));
    const object = drawFrom(this.#popularity, random);
    const missing = random() < misses;
    const count = missing ? 0 : (this.#copies[object] ?? 0);
    const name = `file-${object}-${number}.bin`;
    const holding: Holding = { name, size: 1_000_000, cid: cidOf(mix(seed, number)) };
    const query: Query = cid ? { kind: 'cid', cid: holding.cid } : { kind: 'name', name };
    const list = [holding];
    return { query, holders: distinct(count, nodes, random), suspects: NOBODY, holdings: () => list };
  }
}

const WEIGHT: Readonly<Record<Replication, (share: number) => number>> = {
  uniform: () => 1,
  proportional: (share) => share,
  'square-root': (share) => Math.sqrt(share),
};

/** Popularity of items 1…n as 1/i^exponent, summing to 1. */
export function shares(count: number, exponent: number): Float64Array {
  const list = Float64Array.from({ length: count }, (_, at) => (at + 1) ** -exponent);
  const total = list.reduce((sum, share) => sum + share, 0);
  return list.map((share) => share / total);
}

export function drawFrom(list: Float64Array, random: Random): number {
  let left = random();
  for (let at = 0; at < list.length; at += 1) {
    left -= list[at] ?? 0;
    if (left < 0) return at;
  }
  return list.length - 1;
}

/** `count` different numbers below `below`. */
export function distinct(count: number, below: number, random: Random): Uint32Array {
  const most = Math.min(count, below);
  if (2 * most > below) {
    const all = Uint32Array.from({ length: below }, (_, at) => at);
    for (let at = 0; at < most; at += 1) {
      const other = at + Math.floor(random() * (below - at));
      [all[at], all[other]] = [all[other] ?? 0, all[at] ?? 0];
    }
    return all.slice(0, most);
  }
  const taken = new Set<number>();
  while (taken.size < most) taken.add(Math.floor(random() * below));
  return Uint32Array.from(taken);
}

/** The CID of a raw block whose hash begins with `number`. */
export function cidOf(number: number): string {
  const hash = new Uint8Array(32);
  new DataView(hash.buffer).setUint32(0, number);
  return CID.createV1(RAW, createDigest(SHA2_256, hash)).toString();
}
