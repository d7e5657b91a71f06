import type { Holding } from '../core/ports.ts';
import { seededRandom, type Random } from '../core/random.ts';
import { mix } from './hash.ts';
import { wordText, type Libraries } from './libraries.ts';
import type { Content, Question } from './question.ts';

/** Words of one query: 1 to 3, alike often. */
const MOST_WORDS = 3;
/** Of the queries for what nobody has, the share that asks for a word that no file has at all. */
const UNKNOWN_WORD = 0.5;
const TRIES = 50;

/** Queries of one to three words of one file, and queries of words that stand together in no file. */
export class Keywords implements Content {
  readonly #libraries: Libraries;
  readonly #misses: number;
  readonly #seed: number;

  constructor(libraries: Libraries, misses: number, seed: number) {
    this.#libraries = libraries;
    this.#misses = misses;
    this.#seed = seed;
  }

  question(number: number): Question {
    const random = seededRandom(mix(this.#seed, number, 0x60d5));
    const words = random() < this.#misses ? this.#missing(random) : this.#there(random);
    return this.#ask(words, number);
  }

  #there(random: Random): number[] {
    const words = [...this.#libraries.words(this.#libraries.someFile(random))];
    const count = 1 + Math.floor(random() * MOST_WORDS);
    while (words.length > count) words.splice(Math.floor(random() * words.length), 1);
    return words;
  }

  /** Null is a word that is in no file. */
  #missing(random: Random): number[] | null {
    if (random() < UNKNOWN_WORD) return null;
    for (let tries = 0; tries < TRIES; tries += 1) {
      const count = 2 + Math.floor(random() * (MOST_WORDS - 1));
      const words = Array.from({ length: count }, () => {
        const own = this.#libraries.words(this.#libraries.someFile(random));
        return own[Math.floor(random() * own.length)] ?? 0;
      });
      if (this.#libraries.matching(words).files.length === 0) return words;
    }
    return null;
  }

  #ask(words: readonly number[] | null, number: number): Question {
    const texts = words === null ? [`zz${number.toString(36)}`] : [...new Set(words.map(wordText))];
    const { files, seeming } = words === null ? { files: [], seeming: [] } : this.#libraries.matching(words);
    const held = new Map<number, number>();
    for (const file of files) for (const node of this.#libraries.holders(file)) held.set(node, file);
    const suspects = new Set<number>();
    for (const file of seeming)
      for (const node of this.#libraries.holders(file)) if (!held.has(node)) suspects.add(node);
    return {
      query: { kind: 'words', words: texts },
      holders: Uint32Array.from(held.keys()),
      suspects: Uint32Array.from(suspects),
      holdings: (node): readonly Holding[] => {
        const file = held.get(node);
        return file === undefined ? [] : [this.#libraries.holding(file)];
      },
    };
  }
}
