/** Two lists in one, which is the same array as long as both are. */
export function together<T>(one: () => readonly T[], other: () => readonly T[]): () => readonly T[] {
  let from: readonly [readonly T[], readonly T[]] | null = null;
  let both: readonly T[] = [];
  return () => {
    const [first, second] = [one(), other()];
    if (from?.[0] !== first || from[1] !== second) {
      from = [first, second];
      both = [...first, ...second];
    }
    return both;
  };
}
