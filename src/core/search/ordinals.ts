import type { BitReader, BitWriter } from './bits.ts';

/**
 * Sets of numbers between two bounds by binary interpolation (Moffat and Stuiver 2000): the middle one first, in as
 * few bits as the room left for it takes. A set that fills its room takes none, so that words which all files share
 * (their folders) cost nothing, and no number outside the bounds can be written at all.
 */
export function writeOrdinals(out: BitWriter, set: ArrayLike<number>, low: number, high: number): void {
  const write = (from: number, to: number, least: number, most: number): void => {
    const count = to - from;
    if (count === 0 || count === most - least + 1) return;
    const middle = from + (count >> 1);
    const value = set[middle] ?? 0;
    out.below(value - least - (middle - from), most - least + 2 - count);
    write(from, middle, least, value - 1);
    write(middle + 1, to, value + 1, most);
  };
  write(0, set.length, low, high);
}

/** Calls `visit` with runs of the set, each once, in no order. Takes time in proportion to the bits that are read. */
export function readOrdinals(
  from: BitReader,
  count: number,
  low: number,
  high: number,
  visit: (first: number, last: number) => void,
): void {
  if (count === 0) return;
  if (count === high - low + 1) return visit(low, high);
  const before = count >> 1;
  const value = low + before + from.below(high - low + 2 - count);
  readOrdinals(from, before, low, value - 1, visit);
  visit(value, value);
  readOrdinals(from, count - before - 1, value + 1, high, visit);
}
