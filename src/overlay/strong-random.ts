import { randomFillSync } from 'node:crypto';
import type { Random } from '../core/random.ts';

/** Draws whose bytes are fetched at once: 2 kB. */
const DRAWS = 256;

/**
 * Uniform in [0, 1) in steps of 2^-53, from the system's generator. The numbers of tokens are drawn from it: who has
 * seen some must not be able to tell the others, as one can from `Math.random`.
 */
export function strongRandom(): Random {
  const words = new Uint32Array(2 * DRAWS);
  let at = words.length;
  return () => {
    if (at === words.length) {
      randomFillSync(words);
      at = 0;
    }
    const [high = 0, low = 0] = [words[at], words[at + 1]];
    at += 2;
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  };
}
