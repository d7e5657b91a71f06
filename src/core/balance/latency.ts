/**
 * Times of requests, counted in buckets whose bounds grow by a factor of 2^(1/4), so that a percentile is at most 19 %
 * above the true one. Counting is one array write: it happens for every request.
 */

/** ms; upper bound of the first bucket: less than a switch on the way takes. */
const FIRST_MS = 0.05;
const PER_DOUBLING = 4;
/** Up to 0.05 ms × 2^(88/4): 3.5 minutes, longer than any deadline; the last bucket has no bound. */
const BUCKETS = 90;

export class Latency {
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(plain?: LatencyCounts) {
    this.#counts = new Float64Array(BUCKETS);
    if (plain !== undefined) this.add(plain);
  }

  /** A time in ms. */
  record(ms: number): void {
    const at = ms <= FIRST_MS ? 0 : Math.ceil(PER_DOUBLING * Math.log2(ms / FIRST_MS));
    const bucket = at < BUCKETS ? at : BUCKETS - 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += ms;
  }

  add({ counts, sumMs }: LatencyCounts): void {
    for (let at = 0; at < BUCKETS; at += 1) this.#counts[at] = (this.#counts[at] ?? 0) + (counts[at] ?? 0);
    this.#sum += sumMs;
  }

  plain(): LatencyCounts {
    let last = BUCKETS;
    while (last > 0 && this.#counts[last - 1] === 0) last -= 1;
    return { counts: [...this.#counts.subarray(0, last)], sumMs: this.#sum };
  }
}

/** As it goes between processes. Trailing zeros are left out. */
export interface LatencyCounts {
  readonly counts: readonly number[];
  readonly sumMs: number;
}

/** ms; the upper bound of a bucket. */
export function boundOf(bucket: number): number {
  return bucket >= BUCKETS - 1 ? Infinity : FIRST_MS * 2 ** (bucket / PER_DOUBLING);
}

export function countOf({ counts }: LatencyCounts): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** What came since an earlier look; a process that was started again in between gives no negative counts. */
export function latencySince(now: LatencyCounts, before: LatencyCounts): LatencyCounts {
  const counts = now.counts.map((count, at) => count - (before.counts[at] ?? 0));
  if (now.counts.length < before.counts.length || counts.some((count) => count < 0)) return now;
  return { counts, sumMs: now.sumMs - before.sumMs };
}

/** ms within which a share (0 to 1) of the requests ended: the upper bound of that bucket; null where there were none. */
export function quantile(latency: LatencyCounts, share: number): number | null {
  const total = countOf(latency);
  if (total === 0) return null;
  let left = Math.max(1, Math.ceil(share * total));
  for (const [bucket, count] of latency.counts.entries()) {
    left -= count;
    if (left <= 0) return boundOf(bucket);
  }
  return Infinity;
}
