/** Items sorted at once, and merged between two steps: some milliseconds. */
const RUN = 4_096;

/** Sorts, stable, in steps of some milliseconds at most, for a caller that has other things to do between them. */
export function* sortSteps<T extends object>(
  items: readonly T[],
  compare: (one: T, other: T) => number,
): Generator<undefined, readonly T[], undefined> {
  let runs: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += RUN) {
    runs.push(items.slice(at, at + RUN).sort(compare));
    yield undefined;
  }
  while (runs.length > 1) {
    const merged: (readonly T[])[] = [];
    for (let at = 0; at < runs.length; at += 2)
      merged.push(yield* merge(runs[at] ?? [], runs[at + 1] ?? [], compare));
    runs = merged;
  }
  return runs[0] ?? [];
}

function* merge<T extends object>(
  left: readonly T[],
  right: readonly T[],
  compare: (one: T, other: T) => number,
): Generator<undefined, readonly T[], undefined> {
  if (right.length === 0) return left;
  const out: T[] = [];
  let [l, r] = [0, 0];
  for (;;) {
    if (out.length % RUN === RUN - 1) yield undefined;
    const one = left[l];
    const other = right[r];
    if (one !== undefined && (other === undefined || compare(one, other) <= 0)) {
      out.push(one);
      l += 1;
    } else if (other !== undefined) {
      out.push(other);
      r += 1;
    } else return out;
  }
}
