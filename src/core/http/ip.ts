/**
 * IP addresses as text and bytes. Only the forms that systems write are read: no octal, no leading zeros in IPv4,
 * no zone. Pure, so that what comes from strangers is judged the same everywhere.
 */

const OCTET = /^(?:0|[1-9][0-9]{0,2})$/;
const GROUP = /^[0-9A-Fa-f]{1,4}$/;

/** 4 bytes, or null where it is no IPv4 address. */
export function parseIpv4(text: string): Uint8Array | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes = new Uint8Array(4);
  for (const [at, part] of parts.entries()) {
    const value = OCTET.test(part) ? Number(part) : 256;
    if (value > 255) return null;
    bytes[at] = value;
  }
  return bytes;
}

/** 16 bytes, or null where it is no IPv6 address (RFC 4291 section 2.2). */
export function parseIpv6(text: string): Uint8Array | null {
  if (text.length > 45) return null;
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const front = groupsOf(halves[0] ?? '', halves.length === 1);
  const back = halves.length === 2 ? groupsOf(halves[1] ?? '', true) : [];
  if (front === null || back === null) return null;
  const missing = 8 - front.length - back.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const bytes = new Uint8Array(16);
  const groups = [...front, ...Array.from({ length: missing }, () => 0), ...back];
  for (const [at, group] of groups.entries()) {
    bytes[2 * at] = group >> 8;
    bytes[2 * at + 1] = group & 0xff;
  }
  return bytes;
}

/** The groups between colons; the last may be an IPv4 address where `last` says that the text ends here. */
function groupsOf(text: string, last: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [at, part] of parts.entries()) {
    if (last && at === parts.length - 1 && part.includes('.')) {
      const [a = 0, b = 0, c = 0, d = 0] = parseIpv4(part) ?? [256];
      if (a > 255) return null;
      groups.push(a * 256 + b, c * 256 + d);
    } else if (GROUP.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

/** IPv4 in dots, IPv6 as RFC 5952 writes it; an IPv4 address that is mapped into IPv6 in dots as well. */
export function formatIp(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  if (isMapped(bytes)) return bytes.subarray(12).join('.');
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[2 * at] ?? 0) * 256 + (bytes[2 * at + 1] ?? 0));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at += 1) {
    let end = at;
    while (groups[end] === 0) end += 1;
    if (end - at > best.length) best = { at, length: end - at };
  }
  const hex = (from: number, to?: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(':');
  return best.at < 0 ? hex(0) : `${hex(0, best.at)}::${hex(best.at + best.length)}`;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
}

/**
 * Whom an address belongs to, for limits: IPv4 by address, IPv6 by its first 64 bits, which one customer gets and may
 * change the rest of at will. What is no address is its own source.
 */
export function sourceOf(address: string): string {
  if (!address.includes(':')) return address;
  const bytes = parseIpv6(address);
  if (bytes === null) return address;
  if (isMapped(bytes)) return formatIp(bytes);
  const network = new Uint8Array(16);
  network.set(bytes.subarray(0, 8));
  return `${formatIp(network)}/64`;
}
