import { hash } from 'node:crypto';
import type { CID } from 'multiformats/cid';
import { DHT } from '../core/config.ts';
import type { Query } from '../core/ports.ts';
import { Bucket } from './bucket.ts';

export interface PublisherPace {
  /** Keys published at once after a quiet time, and then a minute. */
  readonly burst: number;
  readonly perMinute: number;
}

export interface PublisherOptions {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly pace?: PublisherPace;
  /** Nodes of the DHT that are known now; without any there is nobody to publish to. */
  known(): number;
  /** Publishes one key; gives how many nodes took it. May reject. */
  publish(key: CID, signal: AbortSignal): Promise<number>;
  /** Drops what this node itself keeps of a key. */
  forget(key: CID): Promise<void>;
}

interface Entry {
  readonly key: CID;
  /** SHA-256 of the multihash, in hex: where in the DHT the record lies. */
  readonly place: string;
  /** ms; -Infinity: never. */
  publishedAt: number;
  /** ms; not tried before. */
  notBefore: number;
  /** Nodes that were known when it was published. */
  known: number;
  running: boolean;
}

/** ms between looks whether there is something to do. */
const TICK_MS = 250;

/**
 * Keeps this node's records in the DHT: new keys first, each again after `DHT.republishMs`, paced. Keys follow one
 * another in the order of their places, so that one key's nodes are mostly those of the last, and still connected.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #running = new Set<Promise<void>>();
  readonly #bucket: Bucket;
  readonly #stopped = new AbortController();
  readonly #ticker: NodeJS.Timeout;
  #lastPlace = '';

  constructor(options: PublisherOptions) {
    this.#options = options;
    const { burst, perMinute } = options.pace ?? {
      burst: DHT.provideBurst,
      perMinute: DHT.providesPerMinute,
    };
    this.#bucket = new Bucket(perMinute / 60, burst, options.now());
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#ticker.unref();
  }

  get state(): { readonly done: number; readonly waiting: number } {
    let done = 0;
    for (const { publishedAt } of this.#entries.values()) if (publishedAt > -Infinity) done += 1;
    return { done, waiting: this.#entries.size - done };
  }

  /** The first `DHT.maxKeys` of these are published from now on, and nothing else. */
  set(queries: Iterable<Query>, keyOf: (query: Query) => CID | null): void {
    const wanted = new Set<string>();
    for (const query of queries) {
      const text =
        query.kind === 'cid' ? `cid ${query.cid}` : query.kind === 'name' ? `name ${query.name}` : '';
      if (text === '' || wanted.has(text)) continue;
      if (wanted.size >= DHT.maxKeys) break;
      if (!this.#entries.has(text)) {
        const key = keyOf(query);
        if (key === null) continue;
        const place = hash('sha256', key.multihash.bytes, 'hex');
        this.#entries.set(text, {
          key,
          place,
          publishedAt: -Infinity,
          notBefore: -Infinity,
          known: 0,
          running: false,
        });
      }
      wanted.add(text);
    }
    for (const [text, { key }] of this.#entries) {
      if (wanted.has(text)) continue;
      this.#entries.delete(text);
      this.#own(this.#options.forget(key));
    }
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#ticker);
    await Promise.all(this.#running);
  }

  #tick(): void {
    const options = this.#options;
    while (!this.#stopped.signal.aborted && options.known() > 0 && this.#running.size < DHT.providesAtOnce) {
      const entry = this.#due();
      if (entry === undefined || !this.#bucket.take(1, options.now())) return;
      this.#lastPlace = entry.place;
      this.#own(this.#publish(entry));
    }
  }

  /** The next of the new keys, else of those whose time has come, in the order of their places. */
  #due(): Entry | undefined {
    const now = this.#options.now();
    let best: Entry | undefined;
    const ahead = (entry: Entry): boolean => entry.place > this.#lastPlace;
    const before = (a: Entry, b: Entry): boolean => {
      const [newA, newB] = [a.publishedAt === -Infinity, b.publishedAt === -Infinity];
      if (newA !== newB) return newA;
      return ahead(a) === ahead(b) ? a.place < b.place : ahead(a);
    };
    for (const entry of this.#entries.values()) {
      if (entry.running || entry.notBefore > now || !this.#isDue(entry, now)) continue;
      if (best === undefined || before(entry, best)) best = entry;
    }
    return best;
  }

  #isDue(entry: Entry, now: number): boolean {
    if (now - entry.publishedAt >= DHT.republishMs) return true;
    // Published while hardly anybody was known: the nodes that should keep it have come since.
    return entry.known < DHT.k && this.#options.known() >= 2 * Math.max(1, entry.known);
  }

  async #publish(entry: Entry): Promise<void> {
    const options = this.#options;
    entry.running = true;
    const before = options.known();
    const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(DHT.provideMs)]);
    const taken = await options.publish(entry.key, signal).catch(() => 0);
    entry.running = false;
    if (taken > 0) {
      entry.publishedAt = options.now();
      entry.known = before;
    } else {
      entry.notBefore = options.now() + DHT.provideRetryMs;
    }
  }

  #own(work: Promise<void>): void {
    const owned = work
      .catch(() => undefined)
      .finally(() => {
        this.#running.delete(owned);
        if (!this.#stopped.signal.aborted) this.#tick();
      });
    this.#running.add(owned);
  }
}
