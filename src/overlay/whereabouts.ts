import type { Connection, Libp2p } from '@libp2p/interface';
import { peerIdFromString } from '@libp2p/peer-id';
import { labelOf, NODE_FORMS, parsePeerAddress } from '../core/address.ts';
import { OVERLAY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Provider } from '../core/ports.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { dialable, openConnection } from './contacts.ts';
import type { Link } from './link.ts';
import { dialError, resolveAddress, type Links } from './links.ts';

export interface WhereaboutsOptions {
  readonly host: Libp2p;
  readonly links: Links;
  /** Peers that are known but not linked. */
  known(): readonly Contact[];
}

/** Who a person means, and where a peer can be reached: links, contacts, and libp2p's address book. */
export class Whereabouts {
  readonly #options: WhereaboutsOptions;

  constructor(options: WhereaboutsOptions) {
    this.#options = options;
  }

  /** Never fails: of a stranger nothing but the peer id is known. */
  async of(peer: string): Promise<Provider> {
    const { host, links } = this.#options;
    const link = links.get(peer);
    const contact = this.#contact(peer);
    const connection = openConnection(host, peer);
    const booked = await bookedAddresses(host, peer);
    const dialled = connection?.direction === 'outbound' ? [connection.remoteAddr.toString()] : [];
    const addresses = [...dialled, ...(link?.addresses ?? []), ...(contact?.addresses ?? []), ...booked];
    const label = connection === undefined ? (contact?.label ?? peer) : this.labelOf(peer, connection);
    return { peer, label, addresses: distinct(addresses) };
  }

  ofLink({ peer, label, address, direction, addresses }: Link): Provider {
    return {
      peer,
      label,
      addresses: distinct(direction === 'outbound' ? [address, ...addresses] : addresses),
    };
  }

  /** Whether this node reached the peer at the very address that its label says. */
  wasDialled({ label, address, direction }: Link): boolean {
    const [, , host = '', , port = ''] = address.split('/');
    return direction === 'outbound' && label === labelOf(host, Number(port));
  }

  /** A neighbour's label; what others call it; else where its connection comes from. */
  labelOf(peer: string, connection: Connection): string {
    const known = this.#options.links.get(peer)?.label ?? this.#contact(peer)?.label;
    if (known !== undefined) return known;
    const [, , host = '', , port = ''] = connection.remoteAddr.toString().split('/');
    return labelOf(host, Number(port));
  }

  /**
   * @throws KelanaError BAD_VALUE (no address, or this node itself), PEER_UNREACHABLE (nobody answers there, and no
   *   peer that is known says that it listens there)
   */
  async find(
    text: string,
    signal: AbortSignal,
    command = 'kelana send',
  ): Promise<Provider & { verified: boolean }> {
    const { host, links } = this.#options;
    const asked = text.trim();
    if (isPeerId(asked)) return { ...(await this.of(this.#other(asked, asked, command))), verified: false };
    const address = parsePeerAddress(asked, 'NODE', command, NODE_FORMS);
    const label = labelOf(address.host, address.port);
    if (address.peer !== null) {
      const known = await this.of(this.#other(address.peer, asked, command));
      const named = asked.replace(/^kelana:/, '');
      return { ...known, addresses: distinct([named, ...known.addresses]), verified: false };
    }
    const limit = AbortSignal.any([signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
    try {
      const connection = await host.dial(await resolveAddress(address), { signal: limit });
      const found = await this.of(this.#other(connection.remotePeer.toString(), asked, command));
      return { ...found, label, verified: true };
    } catch (thrown) {
      if (thrown instanceof KelanaError) throw thrown;
      if (thrown instanceof Error && thrown.message.includes('dial self'))
        this.#other(host.peerId.toString(), asked, command);
      signal.throwIfAborted();
      // A neighbour behind a NAT cannot be dialled, but it is there.
      const claims = [...links.all(), ...this.#options.known()].filter((one) => one.label === label);
      const peers = new Set(claims.map(({ peer }) => peer));
      const [only] = peers;
      if (peers.size === 1 && only !== undefined) return { ...(await this.of(only)), verified: false };
      throw dialError(thrown, label);
    }
  }

  #other(peer: string, asked: string, command: string): string {
    if (peer !== this.#options.host.peerId.toString()) return peer;
    const why = { id: 'itu node ini sendiri', en: 'that is this node itself' };
    throw new KelanaError('BAD_VALUE', {
      name: 'NODE',
      value: asked,
      why,
      example: `${command} localhost:5002`,
    });
  }

  #contact(peer: string): Contact | undefined {
    return this.#options.known().find((contact) => contact.peer === peer);
  }
}

/** Addresses that a person may name have no end; a few of each kind are enough. */
const MAX_ADDRESSES = 16;

function distinct(addresses: readonly string[]): readonly string[] {
  return [...new Set(dialable(addresses.filter((_, at) => at < 4 * MAX_ADDRESSES)))].slice(0, MAX_ADDRESSES);
}

async function bookedAddresses(host: Libp2p, peer: string): Promise<readonly string[]> {
  if (!isPeerId(peer)) return [];
  const found = await host.peerStore.get(peerIdFromString(peer)).catch(() => null);
  return found?.addresses.map(({ multiaddr }) => multiaddr.toString()) ?? [];
}

function isPeerId(text: string): boolean {
  if (!/^[1-9A-HJ-NP-Za-km-z]{20,128}$/.test(text)) return false;
  try {
    peerIdFromString(text);
    return true;
  } catch {
    return false;
  }
}
