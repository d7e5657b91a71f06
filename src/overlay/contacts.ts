import type { Connection, Libp2p } from '@libp2p/interface';
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr';
import { parsePeerAddress } from '../core/address.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { MAX_ADDRESSES } from '../core/wire/search-parts.ts';

/**
 * Where a contact can be dialled: TCP over IPv4, IPv6 or a DNS name, and nothing else, at most 16. Each address is
 * bound to the contact's peer id, so that another node at the same address cannot pose as it.
 */
export function targetsOf({ peer, addresses }: Pick<Contact, 'peer' | 'addresses'>): Multiaddr[] {
  if (!PEER_ID.test(peer)) return [];
  return addresses.slice(0, MAX_ADDRESSES).flatMap((address) => {
    const bare = bareAddress(address);
    if (bare === null) return [];
    try {
      return [multiaddr(`${bare}/p2p/${peer}`)];
    } catch {
      return [];
    }
  });
}

/** Those of a stranger's addresses that can be dialled, at most 16, as they were written. */
export function dialable(addresses: readonly string[]): readonly string[] {
  return addresses.slice(0, MAX_ADDRESSES).filter((address) => bareAddress(address) !== null);
}

/** In base58; multiaddr takes any text for a peer id until it is dialled. */
const PEER_ID = /^[1-9A-HJ-NP-Za-km-z]{20,128}$/;

/** The address without a peer id, or null where it is none that kelana dials. */
function bareAddress(address: string): string | null {
  if (!address.startsWith('/')) return null;
  try {
    parsePeerAddress(address);
    return multiaddr(address.replace(/\/p2p\/[^/]+\/?$/, '')).toString();
  } catch {
    return null;
  }
}

/** An open connection to a peer, whoever dialled it. */
export function openConnection(host: Libp2p, peer: string): Connection | undefined {
  return host
    .getConnections()
    .find((connection) => connection.remotePeer.toString() === peer && connection.status === 'open');
}

/** Where this node reached a peer that proved to be it: what its open connections were dialled at. */
export function dialledAddresses(host: Libp2p, peer: string): readonly string[] {
  return host
    .getConnections()
    .filter(({ remotePeer, direction }) => direction === 'outbound' && remotePeer.toString() === peer)
    .map(({ remoteAddr }) => remoteAddr.toString());
}
