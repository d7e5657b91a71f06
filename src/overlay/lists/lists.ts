import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { LISTS, OVERLAY } from '../../core/config.ts';
import { asKelanaError, KelanaError } from '../../core/errors.ts';
import type { BlockSourcePort, Provider, SharedPage } from '../../core/ports.ts';
import { delimit, FrameSplitter } from '../../core/wire/lengths.ts';
import { decodeListAsk, encodeListPage } from '../../core/wire/list.ts';
import { Bucket } from '../bucket.ts';
import { openConnection, targetsOf } from '../contacts.ts';
import { dialError, NO_ADDRESS } from '../links.ts';
import { Recent } from '../recent.ts';
import type { Turns } from '../turns.ts';
import { ListAsker } from './asker.ts';
import { Snapshot } from './snapshot.ts';

export const LIST_PROTOCOL = '/kelana/list/1.0.0';

export interface ListsOptions {
  readonly host: Libp2p;
  readonly source: Pick<BlockSourcePort, 'list' | 'folders' | 'scanning'>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Peers that are told nothing: banned, or removed by a person. */
  readonly refuses: (peer: string) => boolean;
  /** The bandwidth of uploads. */
  readonly turns: Turns;
  /** Entries of a list that is asked for; default `LISTS.maxEntries`. */
  readonly maxEntries?: number;
}

interface Answering {
  readonly peer: string;
  readonly stream: Stream;
  usedAt: number;
}

/** Peers whose rate is remembered; about 100 B each. */
const RATED_PEERS = 1_024;
/** ms between looks for streams that lie idle. */
const SWEEP_MS = 5_000;

/** Tells other nodes what this one shares, page by page, and asks them for the same. */
export class Lists {
  readonly #options: ListsOptions;
  readonly #snapshot: Snapshot;
  readonly #answering = new Set<Answering>();
  readonly #rates = new Recent<string, Bucket>(RATED_PEERS);
  readonly #closed = new AbortController();
  readonly #sweeper: NodeJS.Timeout;

  private constructor(options: ListsOptions) {
    this.#options = options;
    this.#snapshot = new Snapshot(options.source, options.now);
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  static async start(options: ListsOptions): Promise<Lists> {
    const lists = new Lists(options);
    const handler = (stream: Stream, connection: Connection): void => lists.#accept(stream, connection);
    const most = LISTS.maxStreamsPerPeer;
    await options.host.handle(LIST_PROTOCOL, handler, { maxInboundStreams: most, maxOutboundStreams: most });
    return lists;
  }

  /** Streams that others have open. */
  get open(): number {
    return this.#answering.size;
  }

  /**
   * The pages of another node's list, the next being asked for while one is used. Ends after `LISTS.totalMs`.
   * @throws KelanaError PEER_UNREACHABLE, NOT_KELANA (it lists nothing), PEER_PROTOCOL, TIMEOUT; the signal's reason
   */
  async *pages(of: Provider, signal: AbortSignal): AsyncGenerator<SharedPage, void, undefined> {
    const { maxEntries = LISTS.maxEntries } = this.#options;
    const total = AbortSignal.timeout(LISTS.totalMs);
    const limit = AbortSignal.any([signal, this.#closed.signal, total]);
    const asker = new ListAsker(await this.#dial(of, limit), of.label);
    const stop = (): void => asker.abort(total.aborted ? late(of) : asKelanaError(limit.reason));
    limit.addEventListener('abort', stop, { once: true });
    if (limit.aborted) stop();
    try {
      let count = 0;
      let next: Promise<SharedPage> | null = asker.page(null);
      while (next !== null) {
        const page: SharedPage = await next;
        count += page.entries.length;
        if (count > maxEntries)
          throw new KelanaError('PEER_PROTOCOL', { peer: of.label, why: 'a list without an end' });
        next = page.more ? asker.page(page.entries.at(-1) ?? null) : null;
        // Awaited in the next round; until then a failure must not count as unhandled.
        next?.catch(() => undefined);
        yield page;
      }
    } finally {
      limit.removeEventListener('abort', stop);
      asker.abort(new KelanaError('INTERRUPTED', { command: 'ls' }));
    }
  }

  /** Ends the streams of a peer that is refused from now on. */
  drop(peer: string): void {
    for (const one of this.#answering) if (one.peer === peer) this.#end(one, new Error('not wanted'));
  }

  async stop(): Promise<void> {
    this.#closed.abort(new KelanaError('INTERRUPTED', { command: 'ls' }));
    clearInterval(this.#sweeper);
    await this.#options.host.unhandle(LIST_PROTOCOL);
    for (const one of this.#answering) this.#end(one, new Error('stopped'));
  }

  async #dial(to: Provider, signal: AbortSignal): Promise<Stream> {
    const { host } = this.#options;
    const limit = AbortSignal.any([signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
    try {
      limit.throwIfAborted();
      const targets = targetsOf(to);
      const there = openConnection(host, to.peer);
      if (there === undefined && targets.length === 0)
        throw new KelanaError('PEER_UNREACHABLE', { peer: to.label, why: NO_ADDRESS });
      const connection = there ?? (await host.dial(targets, { signal: limit }));
      return await connection.newStream(LIST_PROTOCOL, {
        signal: limit,
        maxOutboundStreams: LISTS.maxStreamsPerPeer,
      });
    } catch (thrown) {
      signal.throwIfAborted();
      throw dialError(thrown, to.label);
    }
  }

  #accept(stream: Stream, connection: Connection): void {
    const { refuses, now } = this.#options;
    const peer = connection.remotePeer.toString();
    if (this.#closed.signal.aborted || refuses(peer)) {
      stream.abort(new Error('not wanted'));
      return;
    }
    const own = [...this.#answering].filter((one) => one.peer === peer);
    const all = this.#answering.size >= LISTS.maxStreams ? [...this.#answering] : [];
    const makesWay = own.length >= LISTS.maxStreamsPerPeer ? own[0] : leastUsed(all);
    if (makesWay !== undefined) this.#end(makesWay, new Error('too many'));
    const one: Answering = { peer, stream, usedAt: now() };
    this.#answering.add(one);
    const splitter = new FrameSplitter(LISTS.maxAskBytes);
    let busy = false;
    stream.addEventListener('message', (event) => {
      try {
        for (const bytes of splitter.push(event.data.subarray())) {
          if (busy) throw new Error('more than one ask at a time');
          busy = true;
          this.#answer(one, bytes)
            .then(() => (busy = false))
            .catch((thrown: unknown) => this.#end(one, asKelanaError(thrown)));
        }
      } catch (thrown) {
        this.#end(one, asKelanaError(thrown));
      }
    });
    const over = (): void => this.#end(one, new Error('over'));
    stream.addEventListener('remoteCloseWrite', over);
    stream.addEventListener('close', over);
  }

  async #answer(one: Answering, bytes: Uint8Array): Promise<void> {
    const { now, turns } = this.#options;
    const { peer, stream } = one;
    one.usedAt = now();
    const { after } = decodeListAsk(bytes);
    for (let wait = this.#due(peer); wait > 0; wait = this.#due(peer)) await delay(wait);
    if (!this.#answering.has(one)) return;
    const page = delimit(encodeListPage(await this.#snapshot.page(after)));
    const turn = turns.take(peer, page.length, this.#closed.signal);
    if (turn !== undefined) await turn;
    if (!this.#answering.has(one)) return;
    // Who asks for the next page has read this one.
    if (stream.writeBufferLength > LISTS.pageBytes) throw new Error('it does not read its pages');
    stream.send(page);
    one.usedAt = now();
  }

  /** ms until this peer may have a further page; at 0 it has been counted. */
  #due(peer: string): number {
    const now = this.#options.now();
    const bucket = this.#rates.get(peer) ?? new Bucket(LISTS.perSecond, LISTS.burst, now);
    this.#rates.set(peer, bucket);
    return bucket.take(1, now) ? 0 : Math.max(1, bucket.wait(1, now));
  }

  #sweep(): void {
    const before = this.#options.now() - LISTS.idleMs;
    for (const one of this.#answering) if (one.usedAt < before) this.#end(one, new Error('idle'));
  }

  #end(one: Answering, why: Error): void {
    if (!this.#answering.delete(one)) return;
    one.stream.abort(why);
    if (this.#answering.size === 0) this.#snapshot.drop();
  }
}

function leastUsed(all: readonly Answering[]): Answering | undefined {
  let found: Answering | undefined;
  for (const one of all) if (found === undefined || one.usedAt < found.usedAt) found = one;
  return found;
}

function late({ label }: Provider): KelanaError {
  const what = { id: `Daftar node ${label}`, en: `The list of node ${label}` };
  return new KelanaError('TIMEOUT', { what, seconds: LISTS.totalMs / 1000 });
}
