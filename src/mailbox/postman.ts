import { MESSAGES } from '../core/config.ts';
import { asKelanaError, type KelanaError } from '../core/errors.ts';
import type { CarrierPort, News, OutboxItem, PostmanPort, PostPort } from '../core/messages/ports.ts';
import { comesAgain, retryWait } from '../core/messages/schedule.ts';
import { whyOf } from '../core/messages/why.ts';
import type { Provider } from '../core/ports.ts';
import type { Random } from '../core/random.ts';
import type { Letter, ReceiptCode } from '../core/wire/messages.ts';

export interface PostmanOptions {
  readonly post: PostPort;
  readonly carrier: Pick<CarrierPort, 'deliver' | 'whereabouts'>;
  /** ms since 1970. */
  readonly now: () => number;
  readonly random: Random;
  /** A letter came to its end, or an offer to its receiver. */
  onSettled(item: OutboxItem): void;
  /** The letters for a peer wait for another time. */
  onPostponed(peer: string): void;
  /** The outbox itself failed; it is tried again. */
  onError(error: KelanaError): void;
}

/** ms until an outbox whose disk failed is looked at again; and between looks for what is too old. */
const AGAIN_MS = 5_000;
const LOOK_MS = 3_600_000;
/** ms after which a neighbour that came back while it was being tried is tried anew. */
const SOON_MS = 1_000;

/**
 * Delivers what waits in the outbox: at once, when the receiver is heard of, and at growing intervals. What is in the
 * outbox stays there until its receipt, so that a stop or a crash at any moment costs at most a second delivery, which
 * the receiver knows by its id.
 */
export class Postman implements PostmanPort {
  readonly #options: PostmanOptions;
  readonly #stop = new AbortController();
  readonly #visits = new Map<string, Promise<void>>();
  /** Peers that letters wait for; when each was tried last, and when it is to be tried whatever the outbox says. */
  #awaited = new Set<string>();
  readonly #tried = new Map<string, number>();
  readonly #wakes = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | null = null;
  #again = false;

  constructor(options: PostmanOptions) {
    this.#options = options;
  }

  /** Looks at what is due, now and whenever there is reason to. */
  start(): void {
    this.#look();
  }

  queued(peer: string): void {
    this.#awaited.add(peer);
    this.#wakes.set(peer, 0);
    this.#look();
  }

  heard({ peer }: Provider, news: News): void {
    if (!this.#awaited.has(peer) || this.#stop.signal.aborted) return;
    const now = this.#options.now();
    const running = this.#visits.has(peer);
    // A connection that a visit itself opened is no news.
    if (running && news === 'seen') return;
    const at = running
      ? now + SOON_MS
      : news === 'seen'
        ? (this.#tried.get(peer) ?? 0) + MESSAGES.heardMs
        : now;
    this.#wakes.set(peer, Math.min(at, this.#wakes.get(peer) ?? Infinity));
    this.#look();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#timer);
    await this.#looking;
    await Promise.all(this.#visits.values());
  }

  /** One look at a time; a call during one leads to another. */
  #look(): void {
    if (this.#stop.signal.aborted) return;
    this.#again = true;
    this.#looking ??= this.#lookNow().finally(() => {
      this.#looking = null;
      if (this.#again) this.#look();
    });
  }

  /** Never rejects. */
  async #lookNow(): Promise<void> {
    const { post, now } = this.#options;
    this.#again = false;
    clearTimeout(this.#timer);
    let next = LOOK_MS;
    try {
      for (const item of await post.expire(now())) this.#options.onSettled(item);
      const { at, peers } = await post.due();
      this.#awaited = new Set(peers);
      for (const known of [this.#tried, this.#wakes])
        for (const peer of known.keys()) if (!this.#awaited.has(peer)) known.delete(peer);
      const woken = peers.filter((peer) => (this.#wakes.get(peer) ?? Infinity) <= now());
      for (const peer of new Set([...woken, ...(await post.duePeers(now()))])) this.#visit(peer);
      const wakes = [...this.#wakes.values()].filter((wake) => wake > now());
      next = Math.min(next, ...wakes.map((wake) => wake - now()));
      // What is due and could not be begun waits for the end of a visit.
      if (at !== null && at > now()) next = Math.min(next, at - now());
    } catch (thrown) {
      if (this.#stop.signal.aborted) return;
      this.#options.onError(asKelanaError(thrown));
      next = AGAIN_MS;
    }
    if (this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => this.#look(), Math.max(10, next));
    this.#timer.unref();
  }

  #visit(peer: string): void {
    if (this.#visits.has(peer) || this.#visits.size >= MESSAGES.atOnce || this.#stop.signal.aborted) return;
    this.#wakes.delete(peer);
    const visit = this.#deliverAll(peer)
      .catch((thrown: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.onError(asKelanaError(thrown));
        this.#wakes.set(peer, this.#options.now() + AGAIN_MS);
      })
      .finally(() => {
        this.#visits.delete(peer);
        this.#look();
      });
    this.#visits.set(peer, visit);
  }

  async #deliverAll(peer: string): Promise<void> {
    const { post, now, random } = this.#options;
    while (!this.#stop.signal.aborted) {
      const items = await post.waiting(peer);
      if (items.length === 0) return;
      this.#tried.set(peer, now());
      const trouble = await this.#deliver(peer, items);
      if (trouble === null) continue;
      if (this.#stop.signal.aborted) return;
      const attempts = Math.max(...items.map((item) => item.attempts)) + 1;
      await post.postpone(peer, now() + retryWait(attempts, random), trouble);
      this.#options.onPostponed(peer);
      return;
    }
  }

  /** Gives why some of them come again, or null where all are settled. */
  async #deliver(peer: string, items: readonly OutboxItem[]): Promise<string | null> {
    const { carrier, post } = this.#options;
    const known = await carrier.whereabouts(peer);
    const newest = items.at(-1);
    const to = {
      peer,
      label: newest?.label ?? known.label,
      addresses: [...new Set([...known.addresses, ...(newest?.addresses ?? [])])],
    };
    const send = async (item: OutboxItem): Promise<ReceiptCode | KelanaError> =>
      await carrier.deliver(to, letterOf(item), this.#stop.signal).catch(asKelanaError);
    let trouble: string | null = null;
    const codes = await Promise.all(items.map(send));
    for (const [at, item] of items.entries()) {
      const code = codes[at] ?? 'failed';
      if (typeof code === 'object') trouble = whyOf(code);
      else if (comesAgain(code)) trouble = code;
      else {
        const stored = code === 'stored';
        const settled = await post.settle(
          item.no,
          item.revision,
          stored ? 'delivered' : 'refused',
          stored ? null : code,
        );
        if (settled !== null) this.#options.onSettled(settled);
      }
    }
    return trouble;
  }
}

function letterOf(item: OutboxItem): Letter {
  const { id, text, size, cid, files, createdAt, answer } = item;
  if (item.kind === 'text') return { type: 'text', id, sentAt: createdAt, text };
  if (item.kind === 'answer') return { type: 'answer', id, answer: answer ?? 'failed' };
  return { type: 'offer', id, sentAt: createdAt, name: text, size, cid, files };
}
