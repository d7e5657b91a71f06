import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { formatIp, parseIpv6 } from '../core/http/ip.ts';
import type { ListenAddress } from './address.ts';

const LOOPBACK: readonly string[] = ['127.0.0.1', '::1'];

/**
 * Whether who listens there would be asked by a connection to this host and port. Of names only `localhost` is known to
 * stand for something, and each for itself.
 */
export function reaches(host: string, port: number, listen: ListenAddress): boolean {
  if (port !== listen.port) return false;
  const heard = plain(listen.host);
  const asked = plain(host);
  if (asked === heard) return true;
  const addresses = addressesOf(asked);
  if (!isAny(heard)) return addressesOf(heard).some((address) => addresses.includes(address));
  return addresses.some((address) => (heard === '::' || isIPv4(address)) && isOfThisMachine(address));
}

function isAny(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** Where a connection to it goes. */
function addressesOf(host: string): readonly string[] {
  if (host === 'localhost' || host === '::') return LOOPBACK;
  return host === '0.0.0.0' ? ['127.0.0.1'] : [host];
}

function isOfThisMachine(address: string): boolean {
  if (address === '::1' || (isIPv4(address) && address.startsWith('127.'))) return true;
  return Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address));
}

/** In the one form that systems name it in: an IPv4 address may come as an IPv6 one. */
function plain(host: string): string {
  const bytes = parseIpv6(host);
  return bytes === null ? host.toLowerCase() : formatIp(bytes);
}
