import type { Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Connection, Libp2p, PrivateKey, Stream } from '@libp2p/interface';
import { OVERLAY, TOGETHER, TRANSFER } from '../../core/config.ts';
import { KelanaError, reason } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import type { BlockReader } from '../../core/messages/ports.ts';
import type { BlockSourcePort, Provider } from '../../core/ports.ts';
import type { Random } from '../../core/random.ts';
import type { BlockSession, PartialReader } from '../../core/transfer/ports.ts';
import { dialledAddresses, openConnection, targetsOf } from '../contacts.ts';
import type { Turns } from '../turns.ts';
import { dialLane, laneContext, takeLane } from '../tls/lane.ts';
import { LaneChannel, onreadOf, StreamChannel, type ByteChannel, type Tap } from './channel.ts';
import { BlockClient } from './client.ts';
import { Fetchers } from './fetchers.ts';
import { Places } from './places.ts';
import { Upload } from './serve.ts';
import { ClientSession, localSession } from './session.ts';
import { SentLog } from './sent.ts';

export const BLOCKS_PROTOCOL = '/kelana/blocks/2.1.0';

export interface BlocksOptions {
  readonly host: Libp2p;
  readonly key: PrivateKey;
  readonly source: BlockSourcePort;
  readonly emit: Emit;
  readonly who: string;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly labelOf: (peer: string, address: string) => string;
  readonly refuses: (peer: string) => boolean;
  /** A file that is open to this peer alone, as it is being sent to it; undefined where there is none. */
  readonly visible?: (peer: string, cid: string) => BlockReader | undefined;
  /** Files that this node is still fetching, for those who fetch the same; by default it gives none. */
  readonly partial?: (cid: string) => PartialReader | undefined;
  /** Someone else fetches this, and gives what it has. */
  readonly heard?: (cid: string, provider: Provider) => void;
  /** Where this node takes lanes, for those who fetch the same; 0, the default: it is not told to them. */
  readonly port?: number;
  readonly random?: Random;
  /** Bandwidth, out and in. */
  readonly ups: Turns;
  readonly downs: Turns;
  /** False keeps to streams of libp2p. */
  readonly lanes?: boolean;
}

interface Shared {
  readonly client: Promise<BlockClient>;
  /** The same, once it is there. */
  now: BlockClient | null;
  users: number;
  idle: NodeJS.Timeout | undefined;
}

/** Blocks to whoever asks, and sessions with those who have them: one channel for each peer and direction. */
export class Blocks {
  readonly #options: BlocksOptions;
  readonly #context: SecureContext;
  readonly #shared = new Map<string, Shared>();
  readonly #places: Places;
  readonly #stopped = new AbortController();
  readonly #sent: SentLog;
  readonly #fetchers: Fetchers;
  /** Lanes that are being secured. */
  #handshakes = 0;

  private constructor(options: BlocksOptions, context: SecureContext) {
    this.#options = options;
    this.#context = context;
    this.#places = new Places(options.now);
    this.#sent = new SentLog(options);
    this.#fetchers = new Fetchers({
      now: options.now,
      random: options.random ?? (() => 0),
      dialled: (peer) => dialledAddresses(options.host, peer),
      heard: (cid, provider) => options.heard?.(cid, provider),
    });
  }

  static async start(options: BlocksOptions): Promise<Blocks> {
    const blocks = new Blocks(options, await laneContext(options.key));
    await options.host.handle(
      BLOCKS_PROTOCOL,
      (stream: Stream, connection: Connection) => {
        const peer = connection.remotePeer.toString();
        blocks.#serve(peer, connection.remoteAddr.toString(), new StreamChannel(stream));
      },
      { maxInboundStreams: 64, maxOutboundStreams: 64 },
    );
    return blocks;
  }

  /** Takes a connection to the node's port that began with TLS. */
  take(raw: Socket): void {
    const address = `/ip4/${raw.remoteAddress ?? ''}/tcp/${raw.remotePort ?? 0}`;
    const limit = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(OVERLAY.upgradeTimeoutMs)]);
    const full = this.#handshakes >= OVERLAY.maxPendingInbound;
    if (full || this.#stopped.signal.aborted || this.#options.lanes === false) {
      raw.destroy();
      return;
    }
    this.#handshakes += 1;
    takeLane(this.#context, raw, limit)
      .then(
        ({ socket, peer }) => this.#serve(peer, address, new LaneChannel(socket, null)),
        // Whoever it was proved nothing; libp2p says nothing of such connections either.
        () => raw.destroy(),
      )
      .finally(() => {
        this.#handshakes -= 1;
      });
  }

  /**
   * A session with a provider: over the channel that is open to it, else a lane, else a stream of libp2p.
   * `stream`: over a connection of libp2p that is open already, if one is; for a question that is asked once.
   * @throws KelanaError PEER_UNREACHABLE
   */
  async open(provider: Provider, signal?: AbortSignal, { stream = false } = {}): Promise<BlockSession> {
    const { host, source, who, downs } = this.#options;
    const { peer, label } = provider;
    if (peer === host.peerId.toString()) return localSession(source, peer, who);
    // A question asked once must not keep later downloads off a lane.
    const key = stream && !this.#shared.has(peer) ? `${peer} stream` : peer;
    const shared = this.#shared.get(key) ?? this.#share(provider, key);
    shared.users += 1;
    clearTimeout(shared.idle);
    try {
      const client = shared.now ?? (await before(shared.client, this.#limit(signal)));
      signal?.throwIfAborted();
      return new ClientSession(client, downs, this.#options.port ?? 0, () => this.#release(key, shared));
    } catch (thrown) {
      this.#release(key, shared);
      signal?.throwIfAborted();
      throw new KelanaError('PEER_UNREACHABLE', { peer: label, why: reason(thrown) }, thrown);
    }
  }

  #limit(signal: AbortSignal | undefined): AbortSignal {
    const late = AbortSignal.timeout(OVERLAY.dialTimeoutMs);
    return AbortSignal.any([this.#stopped.signal, late, ...(signal === undefined ? [] : [signal])]);
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error('stopped'));
    await this.#options.host.unhandle(BLOCKS_PROTOCOL);
    const error = new KelanaError('TRANSFER_FAILED', { name: '', why: 'stopped' });
    this.#places.stop(error);
    for (const shared of this.#shared.values()) {
      clearTimeout(shared.idle);
      await shared.client.then(
        (client) => client.abort(error),
        () => undefined,
      );
    }
    this.#sent.stop();
  }

  #share(provider: Provider, key: string): Shared {
    const forget = (): void => {
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
    };
    const client = this.#connect(provider, key !== provider.peer, forget);
    const shared: Shared = { client, now: null, users: 0, idle: undefined };
    this.#shared.set(key, shared);
    client.then((there) => (shared.now = there), forget);
    return shared;
  }

  #release(key: string, shared: Shared): void {
    shared.users -= 1;
    if (shared.users > 0) return;
    clearTimeout(shared.idle);
    shared.idle = setTimeout(() => {
      if (this.#shared.get(key) === shared) this.#shared.delete(key);
      shared.client.then(
        (client) => client.close(),
        () => undefined,
      );
    }, TRANSFER.laneIdleMs);
    shared.idle.unref();
  }

  async #connect(provider: Provider, stream: boolean, onEnd: () => void): Promise<BlockClient> {
    const { now } = this.#options;
    const { peer, label } = provider;
    const client = new BlockClient({ peer, label, now, onEnd });
    try {
      await this.#attach(client, provider, stream);
      return client;
    } catch (thrown) {
      client.abort(new KelanaError('PEER_UNREACHABLE', { peer: label, why: reason(thrown) }, thrown));
      throw thrown;
    }
  }

  async #attach(client: BlockClient, provider: Provider, stream: boolean): Promise<void> {
    const { host, lanes } = this.#options;
    const { peer } = provider;
    const there = openConnection(host, peer);
    if (lanes !== false && !(stream && there !== undefined)) {
      const lane = await this.#lane(provider, there, client);
      if (lane !== null) {
        client.attach(lane);
        return;
      }
    }
    const limit = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
    const connection = there ?? (await host.dial(targetsOf(provider), { signal: limit }));
    client.attach(new StreamChannel(await connection.newStream(BLOCKS_PROTOCOL, { signal: limit })));
  }

  /** The first address that takes a lane; null where none does in time. */
  async #lane(
    provider: Provider,
    there: Connection | undefined,
    client: BlockClient,
  ): Promise<LaneChannel | null> {
    const limit = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(TRANSFER.laneTimeoutMs)]);
    for (const target of lanesOf(provider, there)) {
      const tap: Tap = { reader: client.reader, failed: () => undefined };
      try {
        return new LaneChannel(
          await dialLane(this.#context, target, provider.peer, onreadOf(tap), limit),
          tap,
        );
      } catch {
        if (limit.aborted) return null;
      }
    }
    return null;
  }

  #serve(peer: string, address: string, channel: ByteChannel): void {
    const { source, ups, visible, refuses, labelOf, now, partial } = this.#options;
    if (refuses(peer)) {
      channel.abort(new Error('banned'));
      return;
    }
    const label = labelOf(peer, address);
    const fetched = new Set<string>();
    const upload = new Upload(channel, {
      source,
      visible: (cid) => visible?.(peer, cid),
      partial: (cid) => partial?.(cid),
      others: (cid, port) => {
        if (fetched.size < TOGETHER.maxFiles) fetched.add(cid);
        return this.#fetchers.ask(cid, { peer, from: address, port });
      },
      peer,
      from: address,
      turns: ups,
      sent: (cid, bytes, name) => this.#sent.add(label, cid, bytes, name),
      place: (one) => this.#places.take(one),
      now,
    });
    this.#places.enter(upload);
    upload
      .run()
      .catch(() => undefined)
      .finally(() => {
        this.#places.leave(upload);
        for (const cid of fetched) this.#fetchers.left(cid, peer);
        this.#sent.flush(label);
      });
  }
}

/** Where a lane may be had: at the address that the connection has, then at those that the provider names. */
function lanesOf(
  provider: Provider,
  connection: Connection | undefined,
): readonly { readonly host: string; readonly port: number }[] {
  const dialled = connection?.direction === 'outbound' ? [connection.remoteAddr.toString()] : [];
  const named = targetsOf(provider).map(String);
  const found = new Map<string, { host: string; port: number }>();
  for (const address of [...dialled, ...named]) {
    const match = /^\/(?:ip4|ip6|dns4|dns6|dns)\/([^/]+)\/tcp\/(\d+)(?:\/p2p\/[^/]+)?$/.exec(address);
    if (match?.[1] === undefined) continue;
    const target = { host: match[1], port: Number(match[2]) };
    found.set(`${target.host} ${target.port}`, target);
  }
  return [...found.values()].slice(0, MAX_LANE_DIALS);
}

/** Addresses of one provider that a lane is tried at; a stream is the way where none of them is right. */
const MAX_LANE_DIALS = 4;

function before<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = (): void =>
      reject(signal.reason instanceof Error ? signal.reason : new Error('not in time'));
    signal.addEventListener('abort', aborted, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted));
    if (signal.aborted) aborted();
  });
}
