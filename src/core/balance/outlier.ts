import type { OutlierOptions } from './options.ts';

/**
 * Whether one more of `total` backends may be taken out while `out` already are, those that are down included. At least
 * one is left, unless all may be.
 */
export function mayTakeOut(total: number, out: number, maxShare: number): boolean {
  return out + 1 <= Math.floor(total * maxShare);
}

export interface Tally {
  readonly good: number;
  readonly bad: number;
}

/**
 * Which backends fail too large a part of their requests: at least `rate`, of at least `leastRequests`, and at least
 * twice the part that all others together fail. So a fault that all share, in the service itself, takes nobody out.
 * Gives positions in `tallies`, the worst first.
 */
export function rateOutliers(tallies: readonly Tally[], options: OutlierOptions): readonly number[] {
  if (options.rate === 0) return NONE;
  let [good, bad] = [0, 0];
  for (const tally of tallies) {
    good += tally.good;
    bad += tally.bad;
  }
  if (bad === 0) return NONE;
  const found: { readonly at: number; readonly part: number }[] = [];
  for (const [at, tally] of tallies.entries()) {
    const all = tally.good + tally.bad;
    if (all < options.leastRequests || all === 0) continue;
    const part = tally.bad / all;
    const others = good + bad - all;
    const theirs = others === 0 ? 1 : (bad - tally.bad) / others;
    if (part >= options.rate && part >= 2 * theirs) found.push({ at, part });
  }
  return found.toSorted((a, b) => b.part - a.part).map(({ at }) => at);
}

const NONE: readonly number[] = [];
