import type { ReportFrame } from '../wire/search-frames.ts';
import * as bitset from './bitset.ts';
import { halfOf } from './size.ts';
import { groupOf } from './tokens.ts';

/** What the origin remembers of a token: a report never says otherwise. */
export interface Given {
  /** Of 2^fine groups. */
  readonly groups: Uint8Array;
  /** The half that it was to ask. */
  readonly half: number;
  /** Whom the origin handed it to; null until it has, and where it never left. */
  to: string | null;
  /** ms: when it counts as lost. */
  readonly until: number;
}

/**
 * A report in sets of 2^fine groups, as the search counts; `covered` is null where it is of another half than the token,
 * or claims what was not given.
 */
export function agree(
  fine: number,
  given: Pick<Given, 'groups' | 'half'>,
  frame: Pick<ReportFrame, 'bits' | 'half' | 'covered' | 'failed'>,
): { covered: Uint8Array | null; failed: Uint8Array } {
  const none = bitset.emptySet(fine);
  // Whoever was handed the token with another half in it was not asked for this one.
  if (frame.half !== given.half) return { covered: null, failed: none };
  let { groups } = given;
  let { covered, failed } = frame;
  for (let bits = frame.bits; bits < fine; bits += 1) {
    covered = bitset.refine(covered, bits);
    failed = bitset.refine(failed, bits);
  }
  for (let bits = fine; bits < frame.bits; bits += 1) groups = bitset.refine(groups, bits);
  if (!bitset.isEmpty(bitset.minus(covered, groups))) return { covered: null, failed: none };
  for (let { bits } = frame; bits > fine; bits -= 1) {
    covered = bitset.coarsen(covered, bits);
    failed = bitset.touched(failed, bits);
  }
  return { covered, failed: bitset.both(failed, given.groups) };
}

/** In a half's pass a reporter of the other half speaks for its own group of 2^bits only. */
export function within(
  key: number,
  covered: Uint8Array,
  half: number,
  { bits, fine }: { readonly bits: number; readonly fine: number },
): Uint8Array {
  if (half === 0 || halfOf(key) === half) return covered;
  const own = bitset.emptySet(bits);
  bitset.add(own, groupOf(key, bits));
  return bitset.both(covered, fine > bits ? bitset.refine(own, bits) : own);
}
