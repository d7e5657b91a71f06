import { SEARCH } from '../config.ts';
import { fold, runsOf } from './words.ts';

/**
 * Patterns of file names: `*` any run of characters, `?` one, `[a-z]` and `[!x]` one of a set. Case and accents do
 * not count. With a `/` the pattern is for the whole path; `*` then stays within a folder and `**` goes on below.
 */

type Token =
  | { readonly type: 'any' }
  | { readonly type: 'one' }
  | { readonly type: 'is'; readonly point: number }
  | {
      readonly type: 'class';
      readonly not: boolean;
      readonly ranges: readonly (readonly [number, number])[];
      /** 1 for each ASCII character that is in the set: a scan of 100,000 names asks millions of times. */
      readonly ascii: Uint8Array;
    };

interface Name {
  readonly tokens: readonly Token[];
  /** The longest text between wildcards: where it is missing, nothing else has to be looked at. */
  readonly literal: string;
}

type Segment = 'folders' | Name;

export interface Glob {
  /** Whether a path (not folded) matches. */
  matches(path: string): boolean;
  /** Folded words that stand whole in every path that matches. */
  readonly words: readonly string[];
}

/** True where a text has `*`, `?` or a `[…]` set. */
export function isGlob(text: string): boolean {
  return /[*?]|\[[^\]]+\]/.test(text);
}

/**
 * Whether a pattern costs little enough to be tried on every name of a library: it has at most `SEARCH.maxWildcards`
 * of `?` and sets, and no set is longer than `SEARCH.maxSetChars`. Stars are free.
 */
export function isCheapGlob(pattern: string): boolean {
  const single = piecesOf(pattern).filter(({ wild, text }) => wild && text !== '*');
  return (
    single.length <= SEARCH.maxWildcards && single.every(({ text }) => text.length <= SEARCH.maxSetChars)
  );
}

export function compileGlob(pattern: string): Glob {
  // Two `**` in a row say what one says.
  const parts = pattern
    .split('/')
    .filter((part, at, all) => part !== '' && !(part === '**' && all[at - 1] === '**'));
  const segments = parts.map((part): Segment => (part === '**' ? 'folders' : nameOf(part)));
  const first = segments[0];
  const words = parts.flatMap((part) => (part === '**' ? [] : wholeWords(part)));
  if (!pattern.includes('/')) {
    const name = first === 'folders' ? nameOf('*') : (first ?? nameOf(''));
    return { matches: (path) => matchesName(name, path.slice(path.lastIndexOf('/') + 1)), words };
  }
  return {
    matches: (path) =>
      matchesRun(
        segments,
        path.split('/'),
        (segment) => segment === 'folders',
        (segment, name) => segment !== 'folders' && matchesName(segment, name),
      ),
    words,
  };
}

function matchesName({ tokens, literal }: Name, name: string): boolean {
  const folded = fold(name);
  if (!folded.includes(literal)) return false;
  const points = Array.from(folded, (character) => character.codePointAt(0) ?? 0);
  return matchesRun(tokens, points, (token) => token.type === 'any', fits);
}

/**
 * Whether items match a pattern in which a star takes any number of items and all else exactly one. On a mismatch only
 * the last star takes one item more: what stood before it need not move, so that a thousand stars cost no more than
 * one; at most items × pattern comparisons.
 */
function matchesRun<P, I>(
  pattern: readonly P[],
  items: readonly I[],
  isStar: (part: P) => boolean,
  matches: (part: P, item: I) => boolean,
): boolean {
  let [p, i] = [0, 0];
  let [star, taken] = [-1, 0];
  let least = 0;
  for (const part of pattern) if (!isStar(part)) least += 1;
  if (least > items.length) return false;
  while (i < items.length) {
    const part = pattern[p];
    const item = items[i];
    if (part !== undefined && isStar(part)) {
      [star, taken] = [p, i];
      p += 1;
    } else if (part !== undefined && item !== undefined && matches(part, item)) {
      p += 1;
      i += 1;
    } else if (star >= 0) {
      taken += 1;
      [p, i] = [star + 1, taken];
    } else return false;
  }
  while (p < pattern.length) {
    const part = pattern[p];
    if (part === undefined || !isStar(part)) return false;
    p += 1;
  }
  return true;
}

function fits(token: Token, point: number): boolean {
  if (token.type === 'is') return token.point === point;
  if (token.type !== 'class') return true;
  return point < 128 ? token.ascii[point] === 1 : inSet(token.ranges, point) !== token.not;
}

function inSet(ranges: readonly (readonly [number, number])[], point: number): boolean {
  return ranges.some(([low, high]) => point >= low && point <= high);
}

const ANY: Token = { type: 'any' };
const SET = /\[[!^]?(?:\][^\]]*|[^\]]+)\]/y;

/** The pattern as literal text between wildcards; a wildcard as it was written. */
function piecesOf(part: string): { readonly wild: boolean; readonly text: string }[] {
  const pieces: { wild: boolean; text: string }[] = [];
  let literal = '';
  const wildcard = (text: string): void => {
    if (literal !== '') pieces.push({ wild: false, text: literal });
    literal = '';
    pieces.push({ wild: true, text });
  };
  for (let at = 0; at < part.length; at += 1) {
    const character = part.charAt(at);
    SET.lastIndex = at;
    const set = character === '[' ? SET.exec(part)?.[0] : undefined;
    if (character === '*' || character === '?') wildcard(character);
    else if (set !== undefined) {
      wildcard(set);
      at += set.length - 1;
    } else literal += character;
  }
  if (literal !== '') pieces.push({ wild: false, text: literal });
  return pieces;
}

function nameOf(part: string): Name {
  const tokens: Token[] = [];
  let longest = '';
  for (const { wild, text } of piecesOf(part)) {
    if (!wild) {
      const literal = fold(text);
      for (const character of literal) tokens.push({ type: 'is', point: pointOf(character) });
      if (literal.length > longest.length) longest = literal;
    } else if (text === '?') tokens.push({ type: 'one' });
    else if (text !== '*') tokens.push(setOf(text));
    else if (tokens.at(-1)?.type !== 'any') tokens.push(ANY);
  }
  return { tokens, literal: longest };
}

/** `[a-z_]` or `[!a-z]`; what does not fold to one character cannot be in a set. */
function setOf(text: string): Token {
  const not = text[1] === '!' || text[1] === '^';
  const inside = Array.from(text.slice(not ? 2 : 1, -1));
  const ranges: (readonly [number, number])[] = [];
  for (let at = 0; at < inside.length; at += 1) {
    const low = inside[at] ?? '';
    const range = inside[at + 1] === '-' && at + 2 < inside.length;
    const high = range ? (inside[at + 2] ?? '') : low;
    if (range) at += 2;
    const [from, to] = [fold(low), fold(high)];
    if (Array.from(from).length === 1 && Array.from(to).length === 1)
      ranges.push([pointOf(from), pointOf(to)]);
  }
  const ascii = Uint8Array.from({ length: 128 }, (_, point) => (inSet(ranges, point) === not ? 0 : 1));
  return { type: 'class', not, ranges, ascii };
}

function pointOf(character: string): number {
  return character.codePointAt(0) ?? 0;
}

const WORD_AT_START = /^[\p{L}\p{N}]+/u;
const WORD_AT_END = /[\p{L}\p{N}]+$/u;

/** Words of the literal text that no wildcard touches: it might stand for more letters of the same word. */
function wholeWords(part: string): string[] {
  const pieces = piecesOf(part);
  return pieces.flatMap(({ wild, text }, at) => {
    if (wild) return [];
    let literal = fold(text);
    if (at > 0) literal = literal.replace(WORD_AT_START, '');
    if (at < pieces.length - 1) literal = literal.replace(WORD_AT_END, '');
    return runsOf(literal);
  });
}
