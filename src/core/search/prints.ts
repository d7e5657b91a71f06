import { PRINTS } from '../config.ts';
import type { Holding } from '../ports.ts';
import { murmur3 } from './murmur.ts';
import type { PrintWords } from './query.ts';
import { encodeSegment, PRINT_BITS, Segment, type PrintedFile, type Probe } from './segment.ts';
import { wordsOf } from './words.ts';

export type { Probe } from './segment.ts';

/**
 * The prints of a library: hashes of its words and CIDs, and which words stand in one file, small enough that many
 * nodes can keep them. They never deny a file that is there; that one is there, its holder has to confirm.
 */

/** Seeds of the hashes; part of the format. */
const WORD_SEED = 0x6b656c61;
const CID_SEED = 0x6e616b65;
const SEGMENT_SEED = 0x6c616e61;

export interface EncodedPrints {
  readonly segments: readonly Uint8Array[];
  /** Too many to print: ask this node whatever the query is. There are no segments then. */
  readonly partial: boolean;
}

const PARTIAL: EncodedPrints = { segments: [], partial: true };

/** Sums over the files of a segment, that tell whether they are still the same. */
interface Sums {
  files: number;
  first: number;
  second: number;
}

/**
 * Writes the prints of one library again and again, and only those segments anew whose files changed: 1.2 s for
 * 65,536 files at first, 0.15 s after a change of one.
 */
export class PrintWriter {
  #written: readonly (Sums & { readonly bytes: Uint8Array })[] = [];

  /**
   * Prints of all files, in any order. A file goes to its segment by its CID, so that a change of a few files changes
   * a few segments; the number of segments is kept while it still fits.
   */
  encode(holdings: Iterable<Holding>): EncodedPrints {
    const files = new Map<string, Holding>();
    for (const holding of holdings) {
      files.set(`${holding.cid}/${holding.name}`, holding);
      if (files.size > PRINTS.maxFiles) return PARTIAL;
    }
    const count = segmentsFor(files.size, this.#written.length);
    const parts = Array.from({ length: count }, () => ({
      holdings: new Array<Holding>(),
      sums: { files: 0, first: 0, second: 0 },
    }));
    for (const [key, holding] of files) {
      const place = murmur3(holding.cid, SEGMENT_SEED);
      const part = parts[place & (count - 1)];
      if (part === undefined) continue;
      const sum = murmur3(key, SEGMENT_SEED);
      const { holdings: list, sums } = part;
      sums.files = list.push(holding);
      sums.first = (sums.first + sum) >>> 0;
      sums.second = (sums.second + Math.imul(sum ^ place, sum | 1)) >>> 0;
    }
    const before = count === this.#written.length ? this.#written : [];
    const printOf = remembering(wordPrint);
    const written: (Sums & { bytes: Uint8Array })[] = [];
    let total = 0;
    for (const [at, { holdings: list, sums }] of parts.entries()) {
      const old = before[at];
      const same = old?.files === sums.files && old.first === sums.first && old.second === sums.second;
      const bytes = same ? old.bytes : encodeSegment(list.map((file) => printed(file, printOf)));
      total += bytes?.length ?? 0;
      if (bytes === null || total > PRINTS.maxBytes) return PARTIAL;
      written.push({ ...sums, bytes });
    }
    this.#written = written;
    return { segments: written.map(({ bytes }) => bytes), partial: false };
  }
}

export function encodePrints(holdings: Iterable<Holding>): EncodedPrints {
  return new PrintWriter().encode(holdings);
}

function printed({ name, cid }: Holding, printOf: (word: string) => number): PrintedFile {
  const words = wordsOf(name).map(printOf);
  return { cid: cidPrint(cid), words: words.toSorted((one, other) => one - other) };
}

/** Most words stand in many files. */
function remembering(printOf: (word: string) => number): (word: string) => number {
  const known = new Map<string, number>();
  return (word) => {
    const print = known.get(word) ?? printOf(word);
    known.set(word, print);
    return print;
  };
}

/** A power of two with at most `PRINTS.segmentFiles` files each; the number before it for a quarter to five quarters. */
function segmentsFor(files: number, before: number): number {
  const average = files / before;
  const fits = before === 1 || average >= PRINTS.segmentFiles / 4;
  const valid = Number.isInteger(Math.log2(before)) && before <= PRINTS.maxSegments;
  if (valid && fits && average <= PRINTS.segmentFiles * 1.25) return before;
  let segments = 1;
  while (segments * PRINTS.segmentFiles < files) segments *= 2;
  return segments;
}

export function wordPrint(word: string): number {
  return murmur3(word, WORD_SEED) >>> (32 - PRINT_BITS);
}

export function cidPrint(cid: string): number {
  return murmur3(cid, CID_SEED) >>> (32 - PRINT_BITS);
}

/** A query hashed once, to be held against the prints of many nodes. */
export function probeOf({ words, cid }: PrintWords): Probe {
  return { words: [...new Set(words.map(wordPrint))], cid: cid === null ? null : cidPrint(cid) };
}

/**
 * Reads one segment, strictly; keeps `bytes`.
 * @throws KelanaError PEER_PROTOCOL where they are not exactly a segment within the limits of `PRINTS`
 */
export function openSegment(bytes: Uint8Array): Segment {
  return new Segment(bytes);
}

/** The prints of one node as others keep them. */
export class Prints {
  readonly segments: readonly Segment[];
  readonly partial: boolean;

  constructor(segments: readonly Segment[], partial: boolean) {
    this.segments = segments;
    this.partial = partial;
  }

  /** @throws KelanaError PEER_PROTOCOL */
  static open({ segments, partial }: EncodedPrints): Prints {
    return new Prints(segments.map(openSegment), partial);
  }

  get memoryBytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.memoryBytes, 100);
  }

  /** False only where the node had no match when it wrote them. `null` is a query that prints cannot answer. */
  mayHold(probe: Probe | null): boolean {
    if (this.partial || probe === null) return true;
    return this.segments.some((segment) => segment.mayHold(probe));
  }
}
