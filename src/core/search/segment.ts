import { PRINTS } from '../config.ts';
import { BitReader, BitWriter, refused } from './bits.ts';
import { readOrdinals, writeOrdinals } from './ordinals.ts';

/**
 * One segment of a library's prints, in bits (BitWriter's codes):
 *
 *     version 1 (8 bits), gamma(files + 1), gamma(words + 1)
 *     the print of each file's CID, sorted, as Rice-coded gaps: this is the order of the files
 *     the print of each word, sorted and distinct, as Rice-coded gaps less one
 *     for each word: gamma(files that have it), and which they are (ordinals.ts)
 */
const VERSION = 1;
export const PRINT_BITS = 28;
const MAX_PRINT = 2 ** PRINT_BITS - 1;

/** A file as prints know it. */
export interface PrintedFile {
  /** Print of its CID. */
  readonly cid: number;
  /** Prints of its words. */
  readonly words: readonly number[];
}

/** What is asked of prints: all words in one file, and that file's CID where there is one. */
export interface Probe {
  /** Distinct prints of words. */
  readonly words: ArrayLike<number>;
  readonly cid: number | null;
}

/** Null where there are more files or words than a segment may have. */
export function encodeSegment(files: readonly PrintedFile[]): Uint8Array | null {
  const sorted = files.toSorted((one, other) => one.cid - other.cid || compare(one.words, other.words));
  const having = new Map<number, number[]>();
  for (const [ordinal, { words }] of sorted.entries()) {
    for (const word of words) {
      const list = having.get(word);
      if (list === undefined) having.set(word, [ordinal]);
      else if (list.at(-1) !== ordinal) list.push(ordinal);
    }
  }
  if (sorted.length > PRINTS.maxSegmentFiles || having.size > PRINTS.maxSegmentWords) return null;
  const out = new BitWriter();
  out.bits(VERSION, 8);
  out.gamma(sorted.length + 1);
  out.gamma(having.size + 1);
  let last = 0;
  for (const { cid } of sorted) {
    out.rice(cid - last, shiftFor(sorted.length));
    last = cid;
  }
  const words = [...having].toSorted(([one], [other]) => one - other);
  last = -1;
  for (const [word] of words) {
    out.rice(word - last - 1, shiftFor(words.length));
    last = word;
  }
  for (const [, list] of words) {
    out.gamma(list.length);
    writeOrdinals(out, list, 0, sorted.length - 1);
  }
  return out.finish();
}

/** The order of files with one CID print, so that the same library always gives the same bytes. */
function compare(one: readonly number[], other: readonly number[]): number {
  for (const [at, word] of one.entries()) {
    const difference = word - (other[at] ?? -1);
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

/** The Rice parameter for `count` numbers spread evenly over all prints: log2 of 0.69 of their mean gap. */
function shiftFor(count: number): number {
  return count === 0 ? 0 : 32 - Math.clz32(Math.floor((2 ** PRINT_BITS * 69) / 100 / count));
}

/**
 * A segment that was read: the prints as arrays, the lists of files still in bits, to be read when a query needs one.
 * A hostile segment costs no more memory than five times its bytes, and no more time to read than they are long.
 */
export class Segment {
  readonly bytes: Uint8Array;
  readonly #cids: Uint32Array;
  readonly #words: Uint32Array;
  /** Where the list of each word begins, in bits. */
  readonly #lists: Uint32Array;

  /** Keeps `bytes`. @throws KelanaError PEER_PROTOCOL */
  constructor(bytes: Uint8Array) {
    const from = new BitReader(bytes);
    if (from.bits(8) !== VERSION) throw refused('of an unknown version');
    const files = from.gamma(PRINTS.maxSegmentFiles + 1) - 1;
    const words = from.gamma(PRINTS.maxSegmentWords + 1) - 1;
    const least = files * (shiftFor(files) + 1) + words * (shiftFor(words) + 2);
    if (least > bytes.length * 8) throw refused('they end too early');
    if (files === 0 && words > 0) throw refused('words of no file');
    this.bytes = bytes;
    this.#cids = readPrints(from, files, 0);
    this.#words = readPrints(from, words, 1);
    this.#lists = new Uint32Array(words);
    for (let at = 0; at < words; at += 1) {
      this.#lists[at] = from.at;
      readOrdinals(from, from.gamma(files), 0, files - 1, () => undefined);
    }
    from.end();
  }

  get files(): number {
    return this.#cids.length;
  }

  get memoryBytes(): number {
    return this.bytes.length + 4 * this.#cids.length + 8 * this.#words.length + OBJECT_BYTES;
  }

  /** False only where no file of the segment can match. */
  mayHold({ words, cid }: Probe): boolean {
    const first = cid === null ? 0 : firstNotBelow(this.#cids, cid);
    let last = cid === null ? this.files - 1 : first - 1;
    if (cid !== null) while (this.#cids[last + 1] === cid) last += 1;
    if (first > last) return false;
    const lists: number[] = [];
    for (let at = 0; at < words.length; at += 1) {
      const word = words[at] ?? 0;
      const found = firstNotBelow(this.#words, word);
      if (this.#words[found] !== word) return false;
      lists.push(this.#lists[found] ?? 0);
    }
    if (lists.length === 0 || (lists.length === 1 && cid === null)) return true;
    const having = new Uint16Array(this.files);
    for (const list of lists) this.#count(list, having);
    return having.subarray(first, last + 1).includes(lists.length);
  }

  #count(list: number, having: Uint16Array): void {
    const from = new BitReader(this.bytes, list);
    readOrdinals(from, from.gamma(this.files), 0, this.files - 1, (first, last) => {
      for (let at = first; at <= last; at += 1) having[at] = (having[at] ?? 0) + 1;
    });
  }
}

/** Bytes of a segment's objects beside what they hold. */
const OBJECT_BYTES = 400;

function readPrints(from: BitReader, count: number, step: 0 | 1): Uint32Array {
  const prints = new Uint32Array(count);
  const shift = shiftFor(count);
  let last = -step;
  for (let at = 0; at < count; at += 1) {
    last += from.rice(shift, MAX_PRINT - last - step) + step;
    prints[at] = last;
  }
  return prints;
}

/** The first place in a sorted list whose number is not below `value`. */
function firstNotBelow(list: Uint32Array, value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
