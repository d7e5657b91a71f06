import { SEARCH } from '../config.ts';

/**
 * The one normalisation of names and words. Two texts that differ only in case, accents or Unicode form fold to the
 * same text, so that what one node writes into its prints is what any other asks for.
 */

const ASCII = /^[ -~]*$/;
const MARKS = /\p{M}+/gu;
/**
 * Scripts that leave no space between words: there each character is a word, which finds what dictionaries would find
 * and more. Everywhere else a word is a run of letters and digits.
 */
const UNSPACED =
  '\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}';
const RUNS = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{N}])+`, 'gu');
/** The one mark that is a letter when it is written large: the iota below a Greek vowel. */
const IOTA_BELOW = /\u0345/g;
/** `toLowerCase` writes a sigma at the end of a word differently. */
const FINAL_SIGMA = /ς/g;

/** `text` without case, accents and compatibility forms: `RÉSUMÉ`, `résumé` and `résumé` in NFD are all `resume`. */
export function fold(text: string): string {
  if (ASCII.test(text)) return text.toLowerCase();
  const bare = text.normalize('NFKD').replace(IOTA_BELOW, 'ι').replace(MARKS, '');
  // Down, up and down again is full case folding for all but the sigma: ẞ, ß, SS, ss.
  const low = bare.toLowerCase().toUpperCase().toLowerCase().replace(FINAL_SIGMA, 'σ');
  // Case may bring marks and compatibility forms back.
  return low.normalize('NFKD').replace(MARKS, '').normalize('NFC');
}

/** The words of a text that is folded, in order, each once. */
export function runsOf(folded: string): string[] {
  const found = new Set<string>();
  for (const run of folded.match(RUNS) ?? []) {
    found.add(cut(run));
    if (found.size === SEARCH.maxPathWords) break;
  }
  return [...found];
}

/**
 * The words of a path, or of what a person typed: distinct runs of letters and digits, folded. Folder names and the
 * extension are words too. At most `SEARCH.maxPathWords`, each cut at `SEARCH.maxWordChars` characters.
 */
export function wordsOf(path: string): string[] {
  return runsOf(fold(path));
}

function cut(run: string): string {
  if (run.length <= SEARCH.maxWordChars) return run;
  return Array.from(run).slice(0, SEARCH.maxWordChars).join('');
}
