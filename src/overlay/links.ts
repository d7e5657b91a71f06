import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { formatHostPort, type PeerAddress } from '../core/address.ts';
import { OVERLAY } from '../core/config.ts';
import { asKelanaError, KelanaError, reason } from '../core/errors.ts';
import type { LinkFrame } from '../core/wire/frames.ts';
import { LINK_PROTOCOL, LINK_VERSION, openLink, type Link } from './link.ts';

export interface LinksOptions {
  readonly host: Libp2p;
  readonly label: string;
  readonly port: number;
  readonly now: () => number;
  onUp(link: Link): void;
  onFrame(link: Link, frame: LinkFrame): void;
  onDown(link: Link, reason: string): void;
}

/** Why a link went down whose peer has another one. */
export const REPLACED = 'replaced';

/** About 60 B each; a person removes a handful. */
const MAX_REFUSED = 1024;

/** The neighbours of a node: one link each, however often and from whichever side they were dialled. */
export class Links {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, Link>();
  /** Peers that a person removed: they may go on dialling us, but are not taken until they are added again. */
  readonly #refused = new Set<string>();
  readonly #closed = new AbortController();

  private constructor(options: LinksOptions) {
    this.#options = options;
  }

  static async start(options: LinksOptions): Promise<Links> {
    const links = new Links(options);
    const handler = (stream: Stream, connection: Connection): void => {
      // Turned away before our hello: a dialler that had it would count the link as made.
      if (links.#wants(connection.remotePeer.toString()))
        links.#open(stream, connection).catch(() => undefined);
      else stream.abort(new Error('not wanted'));
    };
    await options.host.handle(LINK_PROTOCOL, handler, { maxInboundStreams: 2, maxOutboundStreams: 2 });
    return links;
  }

  get(peer: string): Link | undefined {
    return this.#links.get(peer);
  }

  all(): readonly Link[] {
    return [...this.#links.values()];
  }

  /**
   * Dials an address, or takes the link that there is; null where the address is this node itself.
   * @throws KelanaError PEER_UNREACHABLE, NOT_KELANA
   */
  async connect(address: PeerAddress, signal: AbortSignal): Promise<Link | null> {
    const { host } = this.#options;
    const name = formatHostPort(address.host, address.port);
    const limit = AbortSignal.any([signal, this.#closed.signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
    try {
      const targets = await resolveAddress(address);
      const connection = await host.dial(targets, { signal: limit });
      const peer = connection.remotePeer.toString();
      if (peer === host.peerId.toString()) return null;
      this.#refused.delete(peer);
      const existing = this.#links.get(peer);
      if (existing !== undefined) return existing;
      const stream = await connection.newStream(LINK_PROTOCOL, { signal: limit });
      return await this.#open(stream, connection).catch((thrown: unknown) => {
        // Both sides may dial at once; the side that gives way finds the other's link here.
        const won = this.#links.get(peer);
        if (won !== undefined) return won;
        throw thrown;
      });
    } catch (thrown) {
      if (thrown instanceof Error && thrown.message.includes('dial self')) return null;
      throw dialError(thrown, name);
    }
  }

  refuse(peer: string): void {
    const oldest = this.#refused.values().next().value;
    if (this.#refused.size >= MAX_REFUSED && oldest !== undefined) this.#refused.delete(oldest);
    this.#refused.add(peer);
    this.#links.get(peer)?.close('removed');
  }

  async stop(): Promise<void> {
    this.#closed.abort();
    await this.#options.host.unhandle(LINK_PROTOCOL);
    for (const link of this.#links.values()) link.close('stopped');
  }

  #open(stream: Stream, connection: Connection): Promise<Link> {
    const { host, label, port, now } = this.#options;
    const addresses = host.getMultiaddrs().map(String).slice(0, 16);
    return openLink({
      stream,
      connection,
      hello: { type: 'hello', version: LINK_VERSION, label, port, addresses },
      now,
      onUp: (link) => this.#take(link),
      onFrame: (link, frame) => this.#options.onFrame(link, frame),
      onDown: (link, why) => {
        if (this.#links.get(link.peer) !== link) return;
        this.#links.delete(link.peer);
        this.#options.onDown(link, why);
      },
    });
  }

  #wants(peer: string): boolean {
    if (this.#closed.signal.aborted || this.#refused.has(peer)) return false;
    return this.#links.has(peer) || this.#links.size < OVERLAY.maxNeighbours;
  }

  /** Of two links to one peer both sides keep the same: the one that the smaller peer id opened, and of those the newer. */
  #take(link: Link): boolean {
    const old = this.#links.get(link.peer);
    if (!this.#wants(link.peer)) return false;
    if (old !== undefined) {
      const self = this.#options.host.peerId.toString();
      const preferred = self < link.peer ? 'outbound' : 'inbound';
      if (link.direction !== old.direction && link.direction !== preferred) return false;
      this.#links.delete(link.peer);
      this.#options.onDown(old, REPLACED);
      old.close(REPLACED);
    }
    this.#links.set(link.peer, link);
    this.#options.onUp(link);
    return true;
  }
}

async function resolveAddress(address: PeerAddress) {
  const tail = `/tcp/${address.port}${address.peer === null ? '' : `/p2p/${address.peer}`}`;
  const found =
    isIP(address.host) > 0
      ? [{ address: address.host, family: isIP(address.host) }]
      : await lookup(address.host, { all: true });
  // IPv4 first: nodes listen on IPv4 unless told otherwise.
  found.sort((a, b) => a.family - b.family);
  return found.map((entry) => multiaddr(`/ip${entry.family}/${entry.address}${tail}`));
}

const UNREACHABLE =
  /\b(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNRESET|ENETDOWN)\b/;

function dialError(thrown: unknown, peer: string): KelanaError {
  if (thrown instanceof KelanaError) return new KelanaError(thrown.code, { ...thrown.params, peer }, thrown);
  const errors = thrown instanceof AggregateError ? [thrown, ...(thrown.errors as unknown[])] : [thrown];
  const text = errors
    .map((error) =>
      error instanceof Error ? `${error.name} ${error.message} ${reason(error)}` : String(error),
    )
    .join(' ');
  const errno = UNREACHABLE.exec(text)?.[1];
  if (errno !== undefined) return new KelanaError('PEER_UNREACHABLE', { peer, why: errno }, thrown);
  if (
    /EncryptionFailed|UnsupportedProtocol|Protocol selection|UnexpectedEOF|Unexpected EOF|InvalidMessage|MuxerUnavailable/.test(
      text,
    )
  ) {
    return new KelanaError(
      'NOT_KELANA',
      { peer, why: { id: 'ia tidak berbicara protokol kelana', en: "it does not speak kelana's protocol" } },
      thrown,
    );
  }
  if (/Timeout|aborted|AbortError/.test(text)) {
    const seconds = OVERLAY.dialTimeoutMs / 1000;
    return new KelanaError(
      'PEER_UNREACHABLE',
      { peer, why: { id: `tidak ada jawaban dalam ${seconds} detik`, en: `no answer within ${seconds} s` } },
      thrown,
    );
  }
  return new KelanaError('PEER_UNREACHABLE', { peer, why: asKelanaError(thrown).message }, thrown);
}

/** Waits, but not past the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
