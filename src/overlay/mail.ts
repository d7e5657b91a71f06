import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { MESSAGES, OVERLAY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Provider } from '../core/ports.ts';
import type { Letter, ReceiptCode } from '../core/wire/messages.ts';
import { Bucket } from './bucket.ts';
import { openConnection, targetsOf } from './contacts.ts';
import { Incoming } from './incoming.ts';
import { dialError, NO_ADDRESS } from './links.ts';
import { Outgoing } from './outgoing.ts';
import { Recent } from './recent.ts';

export const MESSAGES_PROTOCOL = '/kelana/messages/1.0.0';

export interface MailOptions {
  readonly host: Libp2p;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Peers whose letters are not taken: banned, or removed by a person. */
  refuses(peer: string): boolean;
  labelOf(peer: string, connection: Connection): string;
  /** Resolves once the letter is safe, or refused; a rejection is `failed`. */
  take(peer: string, letter: Letter): Promise<ReceiptCode>;
}

/** What one peer may still send. */
interface Rates {
  readonly letters: Bucket;
  readonly bytes: Bucket;
  readonly floodLetters: Bucket;
  readonly floodBytes: Bucket;
}

/** Peers whose rates are remembered; about 300 B each. */
const RATED_PEERS = 1_024;

/** Carries letters between this node and others, over streams that are opened when there is something to send. */
export class Mail {
  readonly #options: MailOptions;
  readonly #outgoing = new Map<string, Promise<Outgoing>>();
  readonly #incoming = new Set<Incoming>();
  readonly #rates = new Recent<string, Rates>(RATED_PEERS);
  readonly #closed = new AbortController();

  private constructor(options: MailOptions) {
    this.#options = options;
  }

  static async start(options: MailOptions): Promise<Mail> {
    const mail = new Mail(options);
    const handler = (stream: Stream, connection: Connection): void => mail.#accept(stream, connection);
    const limits = {
      maxInboundStreams: MESSAGES.maxStreamsPerPeer,
      maxOutboundStreams: MESSAGES.maxStreamsPerPeer,
    };
    await options.host.handle(MESSAGES_PROTOCOL, handler, limits);
    return mail;
  }

  /** Streams that are open now. */
  get open(): number {
    return this.#outgoing.size + this.#incoming.size;
  }

  /**
   * Sends a letter and waits for its receipt, `MESSAGES.receiptMs` at most once there is a stream.
   * @throws KelanaError PEER_UNREACHABLE, NOT_KELANA (it takes no letters), PEER_PROTOCOL
   */
  async deliver(to: Provider, letter: Letter, signal: AbortSignal): Promise<ReceiptCode> {
    const there = this.#outgoing.get(to.peer);
    const opening = there ?? this.#dial(to, signal);
    if (there === undefined) {
      this.#outgoing.set(to.peer, opening);
      opening.catch(() => this.#forget(to.peer, opening));
    }
    return await (await opening).send(letter);
  }

  /** Ends the streams of a peer that is refused from now on. */
  drop(peer: string): void {
    for (const incoming of this.#incoming)
      if (incoming.peer === peer) incoming.abort(new Error('not wanted'));
    this.#outgoing.get(peer)?.then(
      (outgoing) => outgoing.abort('not wanted'),
      () => undefined,
    );
  }

  async stop(): Promise<void> {
    this.#closed.abort();
    await this.#options.host.unhandle(MESSAGES_PROTOCOL);
    for (const incoming of this.#incoming) incoming.abort(new Error('stopped'));
    for (const outgoing of await Promise.allSettled(this.#outgoing.values()))
      if (outgoing.status === 'fulfilled') outgoing.value.abort('stopped');
  }

  async #dial(to: Provider, signal: AbortSignal): Promise<Outgoing> {
    const { host } = this.#options;
    const { peer, label } = to;
    const limit = AbortSignal.any([signal, this.#closed.signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
    try {
      limit.throwIfAborted();
      const targets = targetsOf(to);
      const open = openConnection(host, peer);
      if (open === undefined && targets.length === 0)
        throw new KelanaError('PEER_UNREACHABLE', { peer: label, why: NO_ADDRESS });
      const connection = open ?? (await host.dial(targets, { signal: limit }));
      const stream = await connection.newStream(MESSAGES_PROTOCOL, {
        signal: limit,
        maxOutboundStreams: MESSAGES.maxStreamsPerPeer,
      });
      const outgoing: Outgoing = new Outgoing(stream, label, () => this.#forget(peer));
      if (this.#closed.signal.aborted) outgoing.abort('stopped');
      return outgoing;
    } catch (thrown) {
      throw dialError(thrown, label);
    }
  }

  #forget(peer: string, only?: Promise<Outgoing>): void {
    if (only === undefined || this.#outgoing.get(peer) === only) this.#outgoing.delete(peer);
  }

  #accept(stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (this.#closed.signal.aborted || this.#options.refuses(peer)) {
      stream.abort(new Error('not wanted'));
      return;
    }
    const own = [...this.#incoming].filter((incoming) => incoming.peer === peer);
    if (own.length >= MESSAGES.maxStreamsPerPeer) own[0]?.close();
    if (this.#incoming.size >= MESSAGES.maxStreams) this.#idlest()?.close();
    const incoming: Incoming = new Incoming({
      stream,
      peer,
      label: this.#options.labelOf(peer, connection),
      admit: (bytes, letters) => this.#admit(peer, bytes, letters),
      take: (letter) => this.#options.take(peer, letter),
      onEnd: () => void this.#incoming.delete(incoming),
    });
    this.#incoming.add(incoming);
  }

  #idlest(): Incoming | undefined {
    let idlest: Incoming | undefined;
    for (const incoming of this.#incoming)
      if (idlest === undefined || incoming.usedAt < idlest.usedAt) idlest = incoming;
    return idlest;
  }

  /** Kept when a stream ends: a new one is no new allowance. */
  #ratesOf(peer: string): Rates {
    const now = this.#options.now();
    const rates = this.#rates.get(peer) ?? {
      letters: new Bucket(MESSAGES.perSecond, MESSAGES.burst, now),
      bytes: new Bucket(MESSAGES.bytesPerSecond, MESSAGES.burstBytes, now),
      floodLetters: new Bucket(MESSAGES.floodPerSecond, 4 * MESSAGES.floodPerSecond, now),
      floodBytes: new Bucket(MESSAGES.floodBytesPerSecond, 4 * MESSAGES.floodBytesPerSecond, now),
    };
    this.#rates.set(peer, rates);
    return rates;
  }

  /** A letter is paid for by its number and its bytes; any byte counts towards a flood. */
  #admit(peer: string, bytes: number, letters: number): 'ok' | 'busy' | 'flood' {
    const now = this.#options.now();
    const rates = this.#ratesOf(peer);
    if (letters === 0) return rates.floodBytes.take(bytes, now) ? 'ok' : 'flood';
    if (!rates.floodLetters.take(letters, now)) return 'flood';
    return rates.bytes.take(bytes, now) && rates.letters.take(letters, now) ? 'ok' : 'busy';
  }
}
