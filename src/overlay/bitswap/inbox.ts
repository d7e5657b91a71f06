import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { BITSWAP, OVERLAY } from '../../core/config.ts';
import { asKelanaError, KelanaError } from '../../core/errors.ts';
import {
  BITSWAP_PROTOCOL,
  BITSWAP_PROTOCOL_OLD,
  decodeBitswap,
  type BitswapMessage,
} from '../../core/wire/bitswap.ts';
import { FrameSplitter } from '../../core/wire/lengths.ts';
import { Bucket } from '../bucket.ts';
import { chunksOf } from '../chunks.ts';
import { Recent } from '../recent.ts';

export const BITSWAP_PROTOCOLS = [BITSWAP_PROTOCOL, BITSWAP_PROTOCOL_OLD];

export interface InboxOptions {
  readonly host: Libp2p;
  readonly now: () => number;
  /** Peers that are not listened to. */
  readonly refuses: (peer: string) => boolean;
  /** Something was asked of this peer, so it may send blocks. */
  readonly asked: (peer: string) => boolean;
  /** May throw a KelanaError for what breaks the protocol. */
  onMessage(peer: string, connection: Connection, message: BitswapMessage): void;
  /** A message or stream was no bitswap, or too much. */
  readonly onBreach: (peer: string, error: KelanaError) => void;
}

interface Inbound {
  readonly peer: string;
  readonly stream: Stream;
  heardAt: number;
}

/** What one peer may still say. */
interface Allowance {
  readonly wants: Bucket;
  readonly bytes: Bucket;
}

/**
 * Streams on which peers say what they want, and answer. Each stream carries messages one way, towards us; bitswap
 * answers on a stream the other way. All is bounded per peer and in all.
 */
export class Inbox {
  readonly #options: InboxOptions;
  readonly #streams = new Set<Inbound>();
  readonly #allowances = new Recent<string, Allowance>(OVERLAY.maxScored);
  #timer: NodeJS.Timeout | undefined;

  private constructor(options: InboxOptions) {
    this.#options = options;
  }

  static async start(options: InboxOptions): Promise<Inbox> {
    const inbox = new Inbox(options);
    const handler = (stream: Stream, connection: Connection): void => inbox.#open(stream, connection);
    const limits = {
      maxInboundStreams: 4 * BITSWAP.streamsPerPeer,
      maxOutboundStreams: BITSWAP.streamsPerPeer,
    };
    await options.host.handle(BITSWAP_PROTOCOLS, handler, limits);
    inbox.#timer = setInterval(() => inbox.#sweep(), BITSWAP.streamIdleMs / 4).unref();
    return inbox;
  }

  get size(): number {
    return this.#streams.size;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#options.host.unhandle(BITSWAP_PROTOCOLS);
    for (const one of this.#streams) one.stream.abort(new Error('stopped'));
  }

  #open(stream: Stream, connection: Connection): void {
    const { now, refuses, onBreach } = this.#options;
    const peer = connection.remotePeer.toString();
    if (refuses(peer)) {
      stream.abort(new Error('refused'));
      return;
    }
    const inbound: Inbound = { peer, stream, heardAt: now() };
    this.#makeRoom(peer);
    this.#streams.add(inbound);
    stream.addEventListener('close', () => this.#streams.delete(inbound));
    stream.addEventListener('remoteCloseWrite', () => {
      this.#streams.delete(inbound);
      if (stream.writeStatus === 'closed') return;
      stream
        .close({ signal: AbortSignal.timeout(CLOSE_MS) })
        .catch(() => stream.abort(new Error('not closed')));
    });
    const splitter = new FrameSplitter(() =>
      this.#options.asked(peer) ? BITSWAP.maxMessageBytes : BITSWAP.maxWantBytes,
    );
    stream.addEventListener('message', (event) => {
      try {
        for (const chunk of chunksOf(event.data)) {
          this.#admit(peer, 0, chunk.length);
          for (const frame of splitter.push(chunk)) {
            inbound.heardAt = now();
            const message = decodeBitswap(frame);
            this.#admit(peer, message.wants.length, 0);
            this.#options.onMessage(peer, connection, message);
          }
        }
      } catch (thrown) {
        const error = asKelanaError(thrown);
        stream.abort(error);
        onBreach(peer, error);
      }
    });
  }

  #admit(peer: string, wants: number, bytes: number): void {
    const { now, asked } = this.#options;
    let allowance = this.#allowances.get(peer);
    if (allowance === undefined) {
      allowance = {
        wants: new Bucket(BITSWAP.wantsPerSecond, BITSWAP.wantsBurst, now()),
        bytes: new Bucket(BITSWAP.bytesPerSecond, BITSWAP.bytesBurst, now()),
      };
      this.#allowances.set(peer, allowance);
    }
    const within = allowance.wants.take(wants, now()) && (asked(peer) || allowance.bytes.take(bytes, now()));
    if (!within) throw new KelanaError('PEER_PROTOCOL', { peer, why: 'a flood of wants' });
  }

  /** The stream that was silent for longest makes way: of this peer where it has its share, else of anybody. */
  #makeRoom(peer: string): void {
    const own = [...this.#streams].filter((one) => one.peer === peer);
    const from =
      own.length >= BITSWAP.streamsPerPeer
        ? own
        : this.#streams.size >= BITSWAP.maxStreams
          ? [...this.#streams]
          : [];
    const [first] = from.toSorted((one, other) => one.heardAt - other.heardAt);
    if (first === undefined) return;
    this.#streams.delete(first);
    first.stream.abort(new Error('too many streams'));
  }

  #sweep(): void {
    const before = this.#options.now() - BITSWAP.streamIdleMs;
    for (const one of this.#streams) if (one.heardAt < before) one.stream.abort(new Error('idle'));
  }
}

/** ms that the other side may take to see that a stream is over. */
const CLOSE_MS = 5_000;
