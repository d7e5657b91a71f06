import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { formatHostPort, type PeerAddress } from '../core/address.ts';
import { OVERLAY } from '../core/config.ts';
import { asKelanaError, KelanaError, reason } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import type { LinkFrame } from '../core/wire/frames.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { openConnection, targetsOf } from './contacts.ts';
import { LINK_PROTOCOL, LINK_VERSION, openLink, type Link } from './link.ts';
import { Pulse } from './pulse.ts';

export interface LinksOptions {
  readonly host: Libp2p;
  readonly label: string;
  readonly port: number;
  readonly now: () => number;
  /** log2 of the number of groups that this node counts with, told at each hello. */
  bits(): number;
  /** Peers that are not taken for another reason than that a person removed them. */
  refuses?(peer: string): boolean;
  /** Why, of one that `refuses` says so of. */
  why?(peer: string): Text;
  onUp(link: Link): void;
  onFrame(link: Link, frame: LinkFrame): void;
  onDown(link: Link, reason: string): void;
}

/** Why a link went down whose peer has another one. */
export const REPLACED = 'replaced';

export const NO_ADDRESS: Text = {
  id: 'tidak ada alamatnya yang bisa dihubungi',
  en: 'it has no address that can be dialled',
};

/** Why this node links to a peer not at all for now; `lie` is its last, null where it only said too little. */
export function refusalText(lie: string | null): Text {
  if (lie === null)
    return {
      id: 'node ini tidak menyambunginya untuk sementara: ia diam tentang sidik namanya',
      en: 'this node does not link to it for now: it says nothing of its name prints',
    };
  return {
    id: `node ini menolaknya selama satu jam karena kebohongannya: ${lie}`,
    en: `this node refuses it for an hour because of its lies: ${lie}`,
  };
}

/** About 60 B each; a person removes a handful. */
const MAX_REFUSED = 1024;

/** The neighbours of a node: one link each, however often and from whichever side they were dialled. */
export class Links {
  readonly #options: LinksOptions;
  readonly #links = new Map<string, Link>();
  /** Peers that a person removed: they may go on dialling us, but are not taken until they are added again. */
  readonly #refused = new Set<string>();
  readonly #closed = new AbortController();
  readonly #pulse: Pulse;

  private constructor(options: LinksOptions) {
    this.#options = options;
    this.#pulse = new Pulse(options.now);
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
      // Else the other side would see only that we end the link, and we would blame that side for it.
      const why = this.refused(peer) ? this.#options.why?.(peer) : undefined;
      if (why !== undefined) throw new KelanaError('PEER_UNREACHABLE', { peer: name, why });
      return await this.#join(connection, limit);
    } catch (thrown) {
      if (thrown instanceof Error && thrown.message.includes('dial self')) return null;
      throw dialError(thrown, name);
    }
  }

  /**
   * Links to a peer that this node chose by itself, over the connection that there is or by the contact's addresses;
   * null where it is not wanted: this node itself, a peer that was removed or is refused, or no room.
   * @throws KelanaError PEER_UNREACHABLE, NOT_KELANA
   */
  async connectTo(contact: Contact, signal: AbortSignal): Promise<Link | null> {
    const { host } = this.#options;
    const { peer } = contact;
    const existing = this.#links.get(peer);
    if (existing !== undefined) return existing;
    if (peer === host.peerId.toString() || !this.#wants(peer)) return null;
    const limit = AbortSignal.any([signal, this.#closed.signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
    try {
      const targets = targetsOf(contact);
      const open = openConnection(host, peer);
      if (open === undefined && targets.length === 0)
        throw new KelanaError('PEER_UNREACHABLE', { peer, why: NO_ADDRESS });
      const connection = open ?? (await host.dial(targets, { signal: limit }));
      return await this.#join(connection, limit);
    } catch (thrown) {
      throw dialError(thrown, contact.label);
    }
  }

  /** Whether a link to this peer would be turned down, were there room. */
  refused(peer: string): boolean {
    return this.#refused.has(peer) || this.#options.refuses?.(peer) === true;
  }

  /** Whether a person removed it. */
  removed(peer: string): boolean {
    return this.#refused.has(peer);
  }

  refuse(peer: string): void {
    const oldest = this.#refused.values().next().value;
    if (this.#refused.size >= MAX_REFUSED && oldest !== undefined) this.#refused.delete(oldest);
    this.#refused.add(peer);
    void this.#links.get(peer)?.close('removed');
  }

  async stop(): Promise<void> {
    this.#closed.abort();
    await this.#options.host.unhandle(LINK_PROTOCOL);
    await Promise.all([...this.#links.values()].map((link) => link.close('stopped')));
  }

  /** Opens a link over a connection, or takes the one that there is. */
  async #join(connection: Connection, signal: AbortSignal): Promise<Link> {
    const peer = connection.remotePeer.toString();
    const existing = this.#links.get(peer);
    if (existing !== undefined) return existing;
    const stream = await connection.newStream(LINK_PROTOCOL, { signal });
    return this.#open(stream, connection).catch((thrown: unknown) => {
      // Both sides may dial at once; the side that gives way finds the other's link here.
      const won = this.#links.get(peer);
      if (won !== undefined) return won;
      throw thrown;
    });
  }

  #open(stream: Stream, connection: Connection): Promise<Link> {
    const { host, label, port, now } = this.#options;
    const addresses = host.getMultiaddrs().map(String).slice(0, 16);
    return openLink({
      stream,
      connection,
      hello: { type: 'hello', version: LINK_VERSION, label, port, addresses, bits: this.#options.bits() },
      now,
      pulse: this.#pulse,
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
    if (this.#closed.signal.aborted || this.refused(peer)) return false;
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
      void old.close(REPLACED);
    }
    this.#links.set(link.peer, link);
    this.#options.onUp(link);
    return true;
  }
}

export async function resolveAddress(address: PeerAddress) {
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

export function dialError(thrown: unknown, peer: string): KelanaError {
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
