import type { Query } from '../src/core/ports.ts';
import { pick, seededRandom, type Random } from '../src/core/random.ts';
import { matches } from '../src/core/search/query.ts';
import { wordsOf } from '../src/core/search/words.ts';

/** Words that names are made of, and how steeply their use falls (Zipf's exponent). */
const VOCABULARY = 4_000;
const EXPONENT = 1;
/** Titles that several nodes have, and how many of a node's files are such. */
const POPULAR = 100;
const POPULAR_FILES = 4;
const EXTENSIONS = ['pdf', 'txt', 'mp3', 'jpg', 'docx'];
const SYLLABLES =
  'ba be bi bu da di du ga gi ka ki ku la li lu ma mi mu na ni nu pa pi ra ri sa si su ta ti tu wa ya'.split(
    ' ',
  );

/** A query and the nodes, by number, that have a file which matches. */
export interface Asked {
  readonly query: Query;
  readonly holders: readonly number[];
}

/**
 * File names of each node: three to six words of a Zipf vocabulary, as people name things, so that any one word is
 * common and several together are rare. Four of a node's files are titles that others have as well.
 */
export class Corpus {
  readonly names: readonly (readonly string[])[];
  readonly #vocabulary: readonly string[];
  readonly #cumulated: Float64Array;
  readonly #random: Random;

  constructor(nodes: number, files: number, seed: number) {
    this.#random = seededRandom(seed);
    this.#vocabulary = vocabulary(this.#random);
    let sum = 0;
    this.#cumulated = Float64Array.from(this.#vocabulary, (_, at) => (sum += (at + 1) ** -EXPONENT));
    const popular = Array.from({ length: POPULAR }, () => this.#title());
    this.names = Array.from({ length: nodes }, () => {
      const own = new Set<string>();
      while (own.size < Math.min(files, POPULAR_FILES)) own.add(pick(popular, this.#random) ?? '');
      while (own.size < files) own.add(this.#title());
      return [...own];
    });
  }

  /** Two words of one file that only one node has together. */
  words(): Asked {
    return this.#until(() => {
      const name = pick(pick(this.names, this.#random) ?? [], this.#random) ?? '';
      const there = wordsOf(name.slice(0, name.lastIndexOf('.')));
      const [first, second] = [pick(there, this.#random), pick(there, this.#random)];
      if (first === undefined || second === undefined || first === second) return null;
      return this.#held({ kind: 'words', words: [first, second] }, 1);
    });
  }

  /** The whole name of a file that only one node has. */
  name(): Asked {
    return this.#until(() => {
      const name = pick(pick(this.names, this.#random) ?? [], this.#random) ?? '';
      return this.#held({ kind: 'name', name }, 1);
    });
  }

  /** Two words that many files have, but none both. */
  missing(): Asked {
    return this.#until(() => {
      const [first, second] = [this.#word(), this.#word()];
      return first === second ? null : this.#held({ kind: 'words', words: [first, second] }, 0);
    });
  }

  #held(query: Query, wanted: number): Asked | null {
    const holders: number[] = [];
    for (const [node, names] of this.names.entries()) {
      if (names.some((name) => matches(query, { name, size: 0, cid: '' }))) holders.push(node);
      if (holders.length > wanted) return null;
    }
    return holders.length === wanted ? { query, holders } : null;
  }

  #until(draw: () => Asked | null): Asked {
    for (let tries = 0; tries < 10_000; tries += 1) {
      const asked = draw();
      if (asked !== null) return asked;
    }
    throw new Error('no such query in these libraries: use more files or nodes');
  }

  #title(): string {
    const count = 3 + Math.floor(this.#random() * 4);
    const words = Array.from({ length: count }, () => this.#word());
    return `${words.join(' ')}.${pick(EXTENSIONS, this.#random) ?? 'txt'}`;
  }

  #word(): string {
    const at = this.#random() * (this.#cumulated.at(-1) ?? 0);
    let [low, high] = [0, this.#cumulated.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#cumulated[middle] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return this.#vocabulary[low] ?? '';
  }
}

function vocabulary(random: Random): string[] {
  const words = new Set<string>();
  while (words.size < VOCABULARY) {
    const syllables = 2 + Math.floor(random() * 3);
    words.add(Array.from({ length: syllables }, () => pick(SYLLABLES, random) ?? '').join(''));
  }
  return [...words];
}
