import { TRANSFER } from '../../core/config.ts';

/** One asker's channel, as far as it matters for who is served. */
export interface Asking {
  readonly peer: string;
  /** Whom its address belongs to: nodes at one address may have one owner. */
  readonly source: string;
  /** Monotonic ms when it last took what it had asked for; a refusal is nothing. */
  readonly movedAt: number;
  /** Something that it asked for is on its way. */
  readonly owed: boolean;
  abort(why: Error): void;
}

/** A lane and a stream. */
const MAX_WAITING_PER_PEER = 2;

/**
 * Who is served: `TRANSFER.maxUploads` places, at most `maxUploadsPerPeer` of one peer. Where all are taken, one makes
 * way that nothing crosses, else one of an address that has more than the asker's by two, else of a peer that has. So
 * neither channels that do nothing nor many keys of one address keep others out; whoever works among equals stays.
 */
export class Places {
  readonly #now: () => number;
  readonly #taken = new Set<Asking>();
  /** Channels that hear `busy`, the oldest first. */
  readonly #waiting = new Set<Asking>();

  /** `now`: monotonic ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A new channel: it gets a place, or waits for one. Of those who wait the oldest makes way. */
  enter(asking: Asking): void {
    if (this.take(asking)) return;
    const same = [...this.#waiting].filter(({ peer }) => peer === asking.peer);
    const [oldest] = same.length >= MAX_WAITING_PER_PEER ? same : this.#waiting;
    const full = same.length >= MAX_WAITING_PER_PEER || this.#waiting.size >= TRANSFER.maxUploads;
    if (full && oldest !== undefined) this.#end(oldest);
    this.#waiting.add(asking);
  }

  /** True where it has a place, or gets one now. */
  take(asking: Asking): boolean {
    if (this.#taken.has(asking)) return true;
    const { peer } = asking;
    const own = [...this.#taken].filter((one) => one.peer === peer);
    if (own.length >= TRANSFER.maxUploadsPerPeer) {
      if (!this.#free(this.#stillest(own))) return false;
    } else if (this.#taken.size >= TRANSFER.maxUploads) {
      const still = this.#stillest([...this.#taken]);
      if (!this.#free(still ?? this.#beyondShare(asking))) return false;
    }
    this.#waiting.delete(asking);
    this.#taken.add(asking);
    return true;
  }

  leave(asking: Asking): void {
    this.#taken.delete(asking);
    this.#waiting.delete(asking);
  }

  stop(why: Error): void {
    for (const one of [...this.#taken, ...this.#waiting]) this.#end(one, why);
  }

  /** Ends the one that makes way; false where there is none. */
  #free(one: Asking | undefined): boolean {
    if (one !== undefined) this.#end(one);
    return one !== undefined;
  }

  #end(one: Asking, why = new Error('made way for others')): void {
    this.leave(one);
    one.abort(why);
  }

  /** The one that has been still for longest, where that is long. */
  #stillest(among: readonly Asking[]): Asking | undefined {
    const now = this.#now();
    const still = among.filter(
      ({ movedAt, owed }) => now - movedAt >= (owed ? TRANSFER.idleTimeoutMs : TRANSFER.placeIdleMs),
    );
    return leastMoved(still);
  }

  #beyondShare(asking: Asking): Asking | undefined {
    const bySource = Map.groupBy(this.#taken, ({ source }) => source);
    const sources = largest(bySource, asking.source);
    const within = sources ?? bySource.get(asking.source) ?? [];
    const peers = largest(
      Map.groupBy(within, ({ peer }) => peer),
      asking.peer,
    );
    return leastMoved(peers ?? sources ?? []);
  }
}

/** The largest group, where it has more than that of `own` would have with one more. */
function largest(groups: ReadonlyMap<string, Asking[]>, own: string): readonly Asking[] | null {
  let found: readonly Asking[] = [];
  for (const group of groups.values()) if (group.length > found.length) found = group;
  return found.length > (groups.get(own)?.length ?? 0) + 1 ? found : null;
}

function leastMoved(among: readonly Asking[]): Asking | undefined {
  let found: Asking | undefined;
  for (const one of among) if (found === undefined || one.movedAt < found.movedAt) found = one;
  return found;
}
