import { LISTS } from '../../core/config.ts';
import type { BlockSourcePort, Holding, SharedPage } from '../../core/ports.ts';
import { sortSteps } from '../../core/sort-steps.ts';
import { compareEntries, entryBytes, type Place } from '../../core/wire/list.ts';

/** What is shared, in the order of lists: sorted when it is asked for and has changed, and not more often than need be. */
export class Snapshot {
  readonly #source: Pick<BlockSourcePort, 'list' | 'folders' | 'scanning'>;
  /** Milliseconds, monotonic. */
  readonly #now: () => number;
  #made: { readonly from: readonly (readonly Holding[])[]; readonly at: number } | null = null;
  #sorted: readonly Holding[] = [];
  #making: Promise<void> | null = null;

  constructor(source: Pick<BlockSourcePort, 'list' | 'folders' | 'scanning'>, now: () => number) {
    this.#source = source;
    this.#now = now;
  }

  async page(after: Place | null): Promise<SharedPage> {
    if (this.#stale()) this.#making ??= this.#make().finally(() => (this.#making = null));
    await this.#making;
    const all = this.#sorted;
    const entries: Holding[] = [];
    let bytes = 0;
    let at = after === null ? 0 : placeAfter(all, after);
    let before = after;
    for (; at < all.length && entries.length < LISTS.pageEntries; at += 1) {
      const entry = all[at];
      // The same file below two shared folders.
      if (entry === undefined || (before !== null && compareEntries(before, entry) === 0)) continue;
      bytes += entryBytes(entry);
      if (bytes > LISTS.pageBytes) break;
      entries.push(entry);
      before = entry;
    }
    return { entries, more: at < all.length, scanning: this.#source.scanning() };
  }

  /** Forgets what was sorted. */
  drop(): void {
    this.#made = null;
    this.#sorted = [];
  }

  /** A library that is being scanned changes all the time: then what is a little old is new enough. */
  #stale(): boolean {
    if (this.#made === null) return true;
    const { from, at } = this.#made;
    if (this.#now() - at < LISTS.freshMs) return false;
    return this.#lists().some((list, which) => list !== from[which]);
  }

  async #make(): Promise<void> {
    const from = this.#lists();
    const steps = sortSteps(from.flat(), compareEntries);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) await new Promise((resolve) => setImmediate(resolve));
    this.#sorted = step.value;
    this.#made = { from, at: this.#now() };
  }

  /** Other arrays whenever something changed. */
  #lists(): readonly (readonly Holding[])[] {
    return [this.#source.list(), this.#source.folders?.() ?? []];
  }
}

/** Index of the first entry after a place. */
function placeAfter(all: readonly Holding[], place: Place): number {
  let [low, high] = [0, all.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = all[middle];
    if (entry !== undefined && compareEntries(entry, place) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
