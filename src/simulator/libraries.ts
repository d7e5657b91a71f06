import type { Holding } from '../core/ports.ts';
import { wordPrint } from '../core/search/prints.ts';
import { seededRandom, type Random } from '../core/random.ts';
import { cidOf, shares } from './content.ts';
import { mix } from './hash.ts';

/** Files of a node in the mean (SEARCH.md: 131 files and 450 words), and of all nodes together at most. */
const FILES_PER_NODE = 131;
const MAX_PLACED = 3_000_000;
/** Copies of a file in the mean: Gnutella studies of 2001 saw 5 to 20. */
const MEAN_COPIES = 10;
const VOCABULARY = 40_000;
/** Words of one file's name: 3 to 6, the extension not counted. */
const LEAST_WORDS = 3;
const MOST_WORDS = 6;
/** Exponents of Zipf's law: of words in names, and of files by their copies. */
const WORD_ZIPF = 1;
const COPY_ZIPF = 0.8;
const EXTENSIONS = ['pdf', 'mp3', 'jpg', 'txt', 'mp4'] as const;

/** Lists of numbers by number, flat. */
class Lists {
  readonly offsets: Uint32Array;
  readonly items: Uint32Array;

  /** @param pairs key and item, in turn */
  constructor(keys: number, pairs: readonly Uint32Array[]) {
    const [key, item] = [pairs[0] ?? new Uint32Array(0), pairs[1] ?? new Uint32Array(0)];
    this.offsets = new Uint32Array(keys + 1);
    for (const one of key) this.offsets[one + 1] = (this.offsets[one + 1] ?? 0) + 1;
    for (let at = 0; at < keys; at += 1)
      this.offsets[at + 1] = (this.offsets[at + 1] ?? 0) + (this.offsets[at] ?? 0);
    this.items = new Uint32Array(key.length);
    const next = this.offsets.slice();
    for (const [at, one] of key.entries()) {
      this.items[next[one] ?? 0] = item[at] ?? 0;
      next[one] = (next[one] ?? 0) + 1;
    }
  }

  of(key: number): Uint32Array {
    return this.items.subarray(this.offsets[key], this.offsets[key + 1]);
  }
}

/**
 * Libraries of files with names of several words: words by Zipf's law, files copied by Zipf's law, each library a
 * random draw. `matching` gives what answers some words, by the truth and by 24-bit prints.
 */
export class Libraries {
  readonly nodes: number;
  readonly files: number;
  readonly #seed: number;
  readonly #wordsOf: Lists;
  readonly #filesOfPrint: Lists;
  readonly #holders: Lists;
  readonly #library: Lists;
  /** Of each word the first one with the same print. */
  readonly #alias: Uint32Array;

  constructor(nodes: number, seed: number) {
    const random = seededRandom(mix(seed, nodes, 0x11b5));
    const perNode = Math.max(3, Math.min(FILES_PER_NODE, Math.floor(MAX_PLACED / nodes)));
    this.nodes = nodes;
    this.files = Math.max(50, Math.round((nodes * perNode) / MEAN_COPIES));
    this.#seed = seed;
    this.#alias = aliases();
    this.#wordsOf = this.#name(random);
    this.#filesOfPrint = this.#index();
    const [node, file] = this.#place(perNode, random);
    this.#holders = new Lists(this.files, [file, node]);
    this.#library = new Lists(nodes, [node, file]);
  }

  #name(random: Random): Lists {
    const draw = drawer(shares(VOCABULARY, WORD_ZIPF), random);
    const file: number[] = [];
    const word: number[] = [];
    for (let at = 0; at < this.files; at += 1) {
      const count = LEAST_WORDS + Math.floor(random() * (MOST_WORDS - LEAST_WORDS + 1));
      const words = new Set<number>();
      while (words.size < count) words.add(draw());
      for (const one of words) {
        file.push(at);
        word.push(one);
      }
    }
    return new Lists(this.files, [Uint32Array.from(file), Uint32Array.from(word)]);
  }

  #index(): Lists {
    const { offsets, items } = this.#wordsOf;
    const file = new Uint32Array(items.length);
    for (let at = 0; at < this.files; at += 1) file.fill(at, offsets[at], offsets[at + 1]);
    return new Lists(VOCABULARY, [items.map((word) => this.#alias[word] ?? 0), file]);
  }

  #place(perNode: number, random: Random): [Uint32Array, Uint32Array] {
    const draw = drawer(shares(this.files, COPY_ZIPF), random);
    const node = new Uint32Array(this.nodes * perNode);
    const file = new Uint32Array(node.length);
    const taken = new Set<number>();
    let end = 0;
    for (let at = 0; at < this.nodes; at += 1) {
      taken.clear();
      for (let tries = 0; tries < perNode; tries += 1) {
        const one = draw();
        if (taken.has(one)) continue;
        taken.add(one);
        node[end] = at;
        file[end] = one;
        end += 1;
      }
    }
    return [node.slice(0, end), file.slice(0, end)];
  }

  /** A random file of a random node: what is popular is asked for more often. */
  someFile(random: Random): number {
    const library = this.#library.of(Math.floor(random() * this.nodes));
    return library[Math.floor(random() * library.length)] ?? 0;
  }

  words(file: number): readonly number[] {
    return [...this.#wordsOf.of(file)];
  }

  /** Files that have all these words, and those that seem so by their prints. */
  matching(words: readonly number[]): { files: number[]; seeming: number[] } {
    const prints = [...new Set(words.map((word) => this.#alias[word] ?? 0))];
    const lists = prints.map((print) => this.#filesOfPrint.of(print)).sort((a, b) => a.length - b.length);
    const files: number[] = [];
    const seeming: number[] = [];
    for (const file of new Set(lists[0])) {
      const own = this.#wordsOf.of(file);
      const ownPrints = own.map((word) => this.#alias[word] ?? 0);
      if (!prints.every((print) => ownPrints.includes(print))) continue;
      (words.every((word) => own.includes(word)) ? files : seeming).push(file);
    }
    return { files, seeming };
  }

  holders(file: number): Uint32Array {
    return this.#holders.of(file);
  }

  holding(file: number): Holding {
    const words = this.words(file).map(wordText).join(' ');
    const extension = EXTENSIONS[file % EXTENSIONS.length] ?? 'txt';
    return { name: `${words}.${extension}`, size: 1_000_000, cid: cidOf(mix(this.#seed, file)) };
  }

  library(node: number): Holding[] {
    return [...this.#library.of(node)].map((file) => this.holding(file));
  }
}

export function wordText(word: number): string {
  return `k${word.toString(36)}`;
}

function aliases(): Uint32Array {
  const first = new Map<number, number>();
  return Uint32Array.from({ length: VOCABULARY }, (_, word) => {
    const print = wordPrint(wordText(word));
    const known = first.get(print);
    if (known === undefined) first.set(print, word);
    return known ?? word;
  });
}

/** Draws by binary search in the running sums. */
function drawer(list: Float64Array, random: Random): () => number {
  const sums = new Float64Array(list.length);
  let sum = 0;
  for (const [at, share] of list.entries()) {
    sum += share;
    sums[at] = sum;
  }
  return () => {
    const want = random() * sum;
    let [low, high] = [0, sums.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sums[middle] ?? 0) <= want) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}
