import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { OVERLAY } from '../core/config.ts';
import { encodeFrame } from '../core/wire/frames.ts';
import { Bucket } from './bucket.ts';
import { openConnection, targetsOf } from './contacts.ts';
import { Guest, type AskFrame } from './guest.ts';
import { Recent } from './recent.ts';

export type { AskFrame };

export const ASK_PROTOCOL = '/kelana/ask/1.0.0';

/** Streams with one peer at once: both sides may have opened one at the same time. */
const STREAMS_PER_PEER = 2;
/** ms between looks for idle streams. */
const SWEEP_MS = 5_000;

export interface CourierOptions {
  readonly host: Libp2p;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Peers whose streams are not taken and that are not dialled: banned, or removed by a person. */
  refuses?(peer: string): boolean;
  onFrame(peer: string, label: string, frame: AskFrame): void;
  /** Never called from within `send`. A frame may be told as unsent that did arrive, never the other way round for long. */
  onUnsent(to: string, frame: AskFrame): void;
}

/** Frames that wait for a stream to one peer. */
interface Waiting {
  readonly peer: string;
  readonly queue: AskFrame[];
  bytes: number;
  addresses: readonly string[];
  /** Other addresses that were named meanwhile: the first may have been a liar's. */
  more: readonly string[];
  readonly limit: AbortSignal;
}

/** Carries search and sync frames to and from peers that are no neighbours, over one stream for each, kept while in use. */
export class Courier {
  readonly #options: CourierOptions;
  /** The stream over which a peer is sent to. */
  readonly #sending = new Map<string, Guest>();
  /** All streams, also those that a second one has made superfluous. */
  readonly #guests = new Set<Guest>();
  readonly #waiting = new Map<string, Waiting>();
  readonly #line: Waiting[] = [];
  #dials = 0;
  /** Where nobody answered, until when (ms). Bound to the addresses, so that a liar's do not bar the true ones. */
  readonly #failed = new Recent<string, number>(OVERLAY.maxGuestFails);
  /** Peers that there was a stream with. */
  readonly #met = new Recent<string, true>(RATED_PEERS);
  /** Dials that an address, and a host, may still get: others name them, and may mean harm to who is there. */
  readonly #places = new Recent<string, Bucket>(RATED_PLACES);
  readonly #rates = new Recent<string, { frames: Bucket; bytes: Bucket }>(RATED_PEERS);
  readonly #closed = new AbortController();
  readonly #sweeper: NodeJS.Timeout;

  private constructor(options: CourierOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  static async start(options: CourierOptions): Promise<Courier> {
    const courier = new Courier(options);
    const handler = (stream: Stream, connection: Connection): void => courier.#accept(stream, connection);
    const limits = { maxInboundStreams: STREAMS_PER_PEER, maxOutboundStreams: STREAMS_PER_PEER };
    await options.host.handle(ASK_PROTOCOL, handler, limits);
    return courier;
  }

  /** Streams that are open now. */
  get open(): number {
    return this.#guests.size;
  }

  /** Sends, dialling first where there is no stream. What does not get there within `OVERLAY.askTimeoutMs` is told as unsent. */
  send(peer: string, frame: AskFrame, addresses: readonly string[] = []): void {
    if (this.#sending.get(peer)?.send(frame) === true) return;
    const waiting = this.#waiting.get(peer);
    if (waiting !== undefined) {
      if (addresses.length > 0 && addresses.join() !== waiting.addresses.join()) waiting.more = addresses;
      this.#enqueue(waiting, frame);
      return;
    }
    if (!this.#mayDial(peer, addresses)) {
      this.#unsent(peer, [frame]);
      return;
    }
    const limit = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(OVERLAY.askTimeoutMs)]);
    const fresh: Waiting = { peer, queue: [], bytes: 0, addresses, more: [], limit };
    this.#waiting.set(peer, fresh);
    this.#enqueue(fresh, frame);
    this.#line.push(fresh);
    this.#next();
  }

  /** Ends the streams of a peer that is refused from now on. */
  drop(peer: string): void {
    for (const guest of this.#guests) if (guest.peer === peer) guest.abort(new Error('not wanted'));
  }

  async stop(): Promise<void> {
    this.#closed.abort();
    clearInterval(this.#sweeper);
    await this.#options.host.unhandle(ASK_PROTOCOL);
    for (const guest of this.#guests) guest.abort(new Error('stopped'));
  }

  #mayDial(peer: string, addresses: readonly string[]): boolean {
    const { host, now } = this.#options;
    if (
      this.#closed.signal.aborted ||
      peer === host.peerId.toString() ||
      this.#options.refuses?.(peer) === true
    )
      return false;
    if (this.#line.length >= OVERLAY.maxGuestLine) return false;
    if (openConnection(host, peer) !== undefined) return true;
    if ((this.#failed.get(failKey(peer, addresses)) ?? 0) > now()) return false;
    if (targetsOf({ peer, addresses }).length === 0) return false;
    // Who was met there is there: a liar must not use up what an honest peer may get.
    return this.#met.get(peer) === true || this.#spare(addresses);
  }

  /** One listener is one peer: an address that gets dialled for ever new peers is somebody's target. */
  #spare(addresses: readonly string[]): boolean {
    const now = this.#options.now();
    return addresses.every((address) => {
      const [, , host = '', , port = ''] = address.split('/');
      return (
        this.#place(`${host} ${port}`, OVERLAY.guestDialsPerAddress, now).take(1, now) &&
        this.#place(host, OVERLAY.guestDialsPerHost, now).take(1, now)
      );
    });
  }

  #place(key: string, perMinute: number, now: number): Bucket {
    const bucket = this.#places.get(key) ?? new Bucket(perMinute / 60, perMinute, now);
    this.#places.set(key, bucket);
    return bucket;
  }

  #enqueue(waiting: Waiting, frame: AskFrame): void {
    const bytes = encodeFrame(frame).length;
    const full =
      waiting.queue.length >= OVERLAY.maxGuestFrames || waiting.bytes + bytes > OVERLAY.maxGuestBytes;
    // One frame is always taken, however large frames may be.
    if (full && waiting.queue.length > 0) {
      this.#unsent(waiting.peer, [frame]);
      return;
    }
    waiting.queue.push(frame);
    waiting.bytes += bytes;
  }

  #next(): void {
    while (this.#dials < OVERLAY.maxGuestDials) {
      const waiting = this.#line.shift();
      if (waiting === undefined) return;
      this.#dials += 1;
      void this.#reach(waiting).finally(() => {
        this.#dials -= 1;
        this.#next();
      });
    }
  }

  /** Opens a stream for what waits, or tells that it was not sent. Never rejects. */
  async #reach(waiting: Waiting): Promise<void> {
    const { peer, limit } = waiting;
    try {
      await this.#dial(waiting).catch((thrown: unknown) => {
        const { more } = waiting;
        if (more.length === 0 || limit.aborted || this.#sending.has(peer)) throw thrown;
        waiting.addresses = more;
        return this.#dial(waiting);
      });
    } catch {
      this.#failed.set(failKey(peer, waiting.addresses), this.#options.now() + OVERLAY.guestFailMs);
    }
    this.#waiting.delete(peer);
    const guest = this.#sending.get(peer);
    this.#unsent(
      peer,
      waiting.queue.filter((frame) => guest?.send(frame) !== true),
    );
  }

  async #dial({ peer, addresses, limit }: Waiting): Promise<void> {
    const { host } = this.#options;
    limit.throwIfAborted();
    // The peer may have come to us while this stood in line.
    if (this.#sending.has(peer)) return;
    const connection =
      openConnection(host, peer) ?? (await host.dial(targetsOf({ peer, addresses }), { signal: limit }));
    const stream = await connection.newStream(ASK_PROTOCOL, {
      signal: limit,
      maxOutboundStreams: STREAMS_PER_PEER,
    });
    if (this.#closed.signal.aborted) stream.abort(new Error('stopped'));
    else this.#add(stream, connection);
  }

  #accept(stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (this.#closed.signal.aborted || this.#options.refuses?.(peer) === true) {
      stream.abort(new Error('not wanted'));
      return;
    }
    const others = [...this.#guests].filter((guest) => guest.peer === peer);
    if (others.length >= STREAMS_PER_PEER) others[0]?.close();
    this.#add(stream, connection);
  }

  #add(stream: Stream, connection: Connection): void {
    if (this.#guests.size >= OVERLAY.maxGuests) this.#idlest()?.close();
    const guest = new Guest({
      stream,
      connection,
      now: this.#options.now,
      admit: (peer, bytes, frames) => this.#admit(peer, bytes, frames),
      onFrame: ({ peer, label }, frame) => this.#options.onFrame(peer, label, frame),
      onEnd: (ended) => {
        this.#guests.delete(ended);
        if (this.#sending.get(ended.peer) === ended) this.#sending.delete(ended.peer);
      },
      onLost: ({ peer }, frames) => this.#unsent(peer, frames),
    });
    this.#guests.add(guest);
    this.#met.set(guest.peer, true);
    this.#sending.set(guest.peer, guest);
  }

  #idlest(): Guest | undefined {
    let idlest: Guest | undefined;
    for (const guest of this.#guests)
      if (idlest === undefined || guest.usedAt < idlest.usedAt) idlest = guest;
    return idlest;
  }

  #admit(peer: string, bytes: number, frames: number): boolean {
    const now = this.#options.now();
    const rate = this.#rates.get(peer) ?? {
      frames: new Bucket(OVERLAY.guestFramesPerSecond, OVERLAY.guestFramesPerSecond, now),
      bytes: new Bucket(OVERLAY.guestBytesPerSecond, OVERLAY.guestBytesPerSecond, now),
    };
    this.#rates.set(peer, rate);
    return rate.bytes.take(bytes, now) && rate.frames.take(frames, now);
  }

  #unsent(peer: string, frames: readonly AskFrame[]): void {
    if (frames.length === 0 || this.#closed.signal.aborted) return;
    // A strategy may be in the middle of a step, and must not be entered again.
    queueMicrotask(() => {
      for (const frame of frames) this.#options.onUnsent(peer, frame);
    });
  }

  #sweep(): void {
    const before = this.#options.now() - OVERLAY.guestIdleMs;
    for (const guest of this.#guests) if (guest.usedAt < before) guest.close();
  }
}

function failKey(peer: string, addresses: readonly string[]): string {
  return `${peer} ${addresses.join()}`;
}

/** Addresses and hosts whose dials are counted: some 100 B each. */
const RATED_PLACES = 4_096;
/** Peers whose rate is remembered: more than can have streams, so that a new stream does not start afresh. */
const RATED_PEERS = 8 * OVERLAY.maxGuests;
