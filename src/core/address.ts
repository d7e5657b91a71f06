import { KelanaError } from './errors.ts';
import type { Text } from './lang.ts';

/** Where a peer listens: a host (name or IP) and a TCP port, and the peer id where the address names it. */
export interface PeerAddress {
  readonly host: string;
  readonly port: number;
  readonly peer: string | null;
}

const HOST =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(?:\.(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?))*\.?$/;
const IPV6 = /^[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?$/;
const EXAMPLE = '192.168.1.5:5001';

/** What may name a node, for the error of an address that is none. */
const FORMS: Text = {
  id: 'harus host:port, multiaddr TCP, atau tautan kelana:',
  en: 'it must be host:port, a TCP multiaddr or a kelana: link',
};

/** The same where an identity names a node too. */
export const NODE_FORMS: Text = {
  id: 'harus host:port, multiaddr TCP, tautan kelana:, atau identitas node (lihat kelana status)',
  en: 'it must be host:port, a TCP multiaddr, a kelana: link or the identity of a node (see kelana status)',
};

/**
 * Reads `host:port`, `[ipv6]:port`, a TCP multiaddr (`/ip4/…/tcp/…[/p2p/…]`) or a `kelana:` link around either.
 * @param before what stands before an address where a person writes one, for the example
 * @param forms what may stand there, for the error
 * @throws KelanaError BAD_VALUE
 */
export function parsePeerAddress(
  text: string,
  name = '--peer',
  before = name,
  forms: Text = FORMS,
): PeerAddress {
  const bare = text.startsWith('kelana:') ? text.slice('kelana:'.length) : text;
  const address = bare.startsWith('/') ? fromMultiaddr(bare) : fromHostPort(bare);
  if (address === null) {
    throw new KelanaError('BAD_VALUE', {
      name,
      value: text,
      why: forms,
      example: `${before} ${EXAMPLE}`,
    });
  }
  return address;
}

function fromHostPort(text: string): PeerAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2] ?? '';
  const valid =
    match[1] === undefined ? HOST.test(host) && host.length <= 253 : IPV6.test(host) && host.includes(':');
  return valid ? checked(host, match[3], null) : null;
}

function fromMultiaddr(text: string): PeerAddress | null {
  const match =
    /^\/(?:ip4|ip6|dns|dns4|dns6)\/([^/]+)\/tcp\/(\d{1,5})(?:\/p2p\/([1-9A-HJ-NP-Za-km-z]{20,128}))?\/?$/.exec(
      text,
    );
  if (match === null) return null;
  const host = match[1] ?? '';
  return HOST.test(host) || (IPV6.test(host) && host.includes(':'))
    ? checked(host, match[2], match[3] ?? null)
    : null;
}

function checked(host: string, port: string | undefined, peer: string | null): PeerAddress | null {
  const number = Number(port);
  return number >= 1 && number <= 65_535 ? { host, port: number, peer } : null;
}

/** `host:port` as a person writes it; the inverse of parsing for everything but the peer id. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Addresses of this very machine, and "all of them", are shown as `localhost`, as in the seeds' logs. */
export function isLocalHost(host: string): boolean {
  return (
    host === '' ||
    host === 'localhost' ||
    host === '0.0.0.0' ||
    host === '::' ||
    host === '::1' ||
    host.startsWith('127.') ||
    host.startsWith('::ffff:127.')
  );
}

export function labelOf(host: string, port: number): string {
  return formatHostPort(isLocalHost(host) ? 'localhost' : host, port);
}
