import { SEARCH } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';
import type { Filters, Holding, Query } from '../ports.ts';
import { parseCid } from '../transfer/cid.ts';
import { passes } from './filters.ts';
import { compileGlob, isCheapGlob, isGlob } from './glob.ts';
import { fold, runsOf, wordsOf } from './words.ts';

export { parseSize, parseTypes, TYPE_SETS } from './filters.ts';

export const QUERY_KINDS = ['auto', 'name', 'words', 'glob', 'cid'] as const;
export type QueryKind = (typeof QUERY_KINDS)[number];

export interface ParseOptions {
  /** How to read the text; `auto` by default. */
  readonly as?: QueryKind;
  readonly filters?: Filters;
}

/**
 * What a text asks for. `auto`: a CID; a pattern where it has `*`, `?` or `[…]`; the name of a file where it ends like
 * one (`.txt`); else words.
 * @throws KelanaError BAD_VALUE
 */
export function parseQuery(text: string, { as = 'auto', filters = {} }: ParseOptions = {}): Query {
  const bytes = encoder.encode(text).length;
  if (text.trim() === '' || bytes > SEARCH.maxQueryBytes || !text.isWellFormed()) {
    throw bad(text, {
      id: `harus teks 1 sampai ${SEARCH.maxQueryBytes} byte`,
      en: `it must be text of 1 to ${SEARCH.maxQueryBytes} bytes`,
    });
  }
  if ((filters.minSize ?? 0) > (filters.maxSize ?? Infinity)) {
    throw bad(text, {
      id: 'ukuran terkecil melebihi yang terbesar',
      en: 'the smallest size is above the largest',
    });
  }
  const query = as === 'auto' ? guess(text) : read(text, as);
  return Object.keys(filters).length > 0 ? { ...query, filters } : query;
}

/** A dot and 1 to 10 letters or digits at the end, with something before it. */
const FILE_NAME = /[^/]\.[\p{L}\p{N}\p{M}]{1,10}$/u;

function guess(text: string): Query {
  if (parseCid(text.trim()) !== null) return read(text, 'cid');
  if (isGlob(text)) return read(text, 'glob');
  const named = FILE_NAME.test(text.trim()) || wordsOf(text).length === 0;
  return read(text, named ? 'name' : 'words');
}

function read(text: string, kind: Exclude<QueryKind, 'auto'>): Query {
  if (kind === 'name') return { kind, name: text };
  if (kind === 'glob') {
    if (isCheapGlob(text)) return { kind, pattern: text };
    throw bad(text, {
      id: `paling banyak ${SEARCH.maxWildcards} '?' dan '[…]', tiap '[…]' paling panjang ${SEARCH.maxSetChars} karakter`,
      en: `at most ${SEARCH.maxWildcards} of '?' and '[…]', and each '[…]' at most ${SEARCH.maxSetChars} characters long`,
    });
  }
  if (kind === 'cid') {
    const cid = parseCid(text.trim());
    if (cid !== null) return { kind, cid: cid.text };
    throw bad(text, {
      id: 'bukan CID yang bisa dimiliki kelana',
      en: 'it is not a CID that kelana can hold',
    });
  }
  const words = wordsOf(text);
  const bytes = words.reduce((sum, word) => sum + encoder.encode(word).length, 0);
  if (words.length > 0 && words.length <= SEARCH.maxWords && bytes <= SEARCH.maxQueryBytes)
    return { kind, words };
  throw bad(text, {
    id: `harus 1 sampai ${SEARCH.maxWords} kata dari huruf atau angka`,
    en: `it must be 1 to ${SEARCH.maxWords} words of letters or digits`,
  });
}

const encoder = new TextEncoder();

function bad(text: string, why: Text): KelanaError {
  const value = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  return new KelanaError('BAD_VALUE', { name: 'QUERY', value, why, example: 'kelana find contoh.txt' });
}

/** What a person would have typed, for logs and answers. */
export function textOf(query: Query): string {
  if (query.kind === 'name') return query.name;
  if (query.kind === 'words') return query.words.join(' ');
  return query.kind === 'glob' ? query.pattern : query.cid;
}

/** A query made ready to be held against many files. */
export interface Matcher {
  readonly matches: (holding: Holding) => boolean;
  /** Of a holding that matches; in (0, 1]. */
  readonly score: (holding: Holding) => number;
}

export function matcherOf(query: Query): Matcher {
  const { filters } = query;
  const { matches, score } = bareMatcher(query);
  if (filters === undefined) return { matches, score };
  return { matches: (holding) => passes(filters, holding) && matches(holding), score };
}

export function matches(query: Query, holding: Holding): boolean {
  return matcherOf(query).matches(holding);
}

/**
 * How well a file that matches answers, above 0: 1 for the exact name, path or CID, then the same name in another Unicode
 * form, then the name without its extension, all
 * words in the name, and words that only its folders have. Between files alike in this, shorter names are better by
 * less than `SCORE_STEP`.
 */
export function score(query: Query, holding: Holding): number {
  return matcherOf(query).score(holding);
}

/** Scores that differ by less are of files that answer equally well. */
export const SCORE_STEP = 0.1;

function bareMatcher(query: Query): Matcher {
  if (query.kind === 'cid') {
    const asked = parseCid(query.cid)?.text;
    const same = ({ cid }: Holding): boolean => cid === asked || parseCid(cid)?.text === asked;
    return { matches: (holding) => asked !== undefined && same(holding), score: () => 1 };
  }
  if (query.kind === 'name') {
    const name = query.name.normalize('NFC');
    const same = (holding: Holding): boolean => {
      const path = holding.name.normalize('NFC');
      return path === name || baseOf(path) === name;
    };
    const typed = (path: string): boolean => path === query.name || baseOf(path) === query.name;
    return { matches: same, score: (holding) => (typed(holding.name) ? 1 : 0.99) };
  }
  if (query.kind === 'glob') {
    const glob = compileGlob(query.pattern);
    const literal = fold(query.pattern);
    // `Song [live].mp3` is a pattern, and yet the name of a file that somebody pasted; `*` and `?` match themselves.
    const set = query.pattern.includes('[');
    const is = ({ name }: Holding): boolean => fold(name) === literal || fold(baseOf(name)) === literal;
    return {
      matches: (holding) => glob.matches(holding.name) || (set && is(holding)),
      score: (holding) => (is(holding) ? 1 : 0.7 + shortness(holding.name)),
    };
  }
  const { words } = query;
  return {
    matches: (holding) => {
      const there = new Set(wordsOf(holding.name));
      return words.every((word) => there.has(word));
    },
    score: ({ name }) => {
      const base = fold(baseOf(name));
      const dot = base.lastIndexOf('.');
      if (isJust(words, runsOf(base)) || isJust(words, runsOf(fold(name)))) return 1;
      if (dot > 0 && isJust(words, runsOf(base.slice(0, dot)))) return 0.85;
      const there = new Set(runsOf(base));
      return (words.every((word) => there.has(word)) ? 0.6 : 0.3) + shortness(name);
    },
  };
}

/** Whether a file lies in a folder whose name these words are. */
export function liesIn(words: readonly string[], { name }: Holding): boolean {
  return name
    .split('/')
    .slice(0, -1)
    .some((folder) => isJust(words, runsOf(fold(folder))));
}

function isJust(words: readonly string[], runs: readonly string[]): boolean {
  return words.length === runs.length && words.every((word, at) => word === runs[at]);
}

/** Below `SCORE_STEP`: 40 characters count half. */
function shortness(path: string): number {
  return (SCORE_STEP * 0.99) / (1 + path.length / 40);
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** What prints may be asked for: a file that matches has all these words, and this CID. */
export interface PrintWords {
  readonly words: readonly string[];
  /** CIDv1, base32. */
  readonly cid: string | null;
}

/** Null where prints cannot answer: the query has neither a whole word nor a CID (`lap*`). */
export function printWords(query: Query): PrintWords | null {
  if (query.kind === 'cid') {
    const cid = parseCid(query.cid);
    return cid === null ? null : { words: [], cid: cid.text };
  }
  const words =
    query.kind === 'name'
      ? wordsOf(query.name)
      : query.kind === 'words'
        ? query.words
        : [...new Set(compileGlob(query.pattern).words)];
  return words.length === 0 ? null : { words, cid: null };
}
