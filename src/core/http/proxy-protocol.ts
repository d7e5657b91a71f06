import { formatIp, parseIpv4, parseIpv6 } from './ip.ts';

/**
 * The PROXY protocol, versions 1 and 2, as haproxy.org/download/2.6/doc/proxy-protocol.txt defines it: a short head before
 * all else of a connection, by which a proxy names the client it speaks for.
 */
export interface ProxyAddresses {
  readonly source: { readonly address: string; readonly port: number };
  readonly destination: { readonly address: string; readonly port: number };
}

/** `addresses` is null where the proxy speaks for itself (LOCAL), or does not say for whom (UNKNOWN, UNSPEC). */
export interface ProxyHeader {
  readonly version: 1 | 2;
  readonly addresses: ProxyAddresses | null;
}

export type ProxyResult =
  /** `rest` is what of the last bytes pushed comes after the head. */
  | { readonly type: 'header'; readonly header: ProxyHeader; readonly rest: Uint8Array }
  /** Short English reason; it never repeats what was received. */
  | { readonly type: 'error'; readonly why: string };

const V1_START = 'PROXY ';
/** Bytes of the longest line of version 1, CRLF included. */
const V1_MAX = 107;
const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10] as const;
const V2_FIXED = 16;
/** Bytes of addresses and extensions taken; the format allows 65,535, proxies send below 600. */
const V2_MAX = 4096;
const LF = 10;
const CRC32C = 0x03;

class Refusal extends Error {}

/** Fed bytes until it says something; how they are split never changes what it says. It holds at most 4,112 bytes. */
export class ProxyHeaderParser {
  #bytes = new Uint8Array(V2_FIXED + 216);
  #length = 0;
  #result: ProxyResult | null = null;

  /** Undefined where more bytes are needed; after a result only that result, without a rest. */
  push(chunk: Uint8Array): ProxyResult | undefined {
    if (this.#result !== null) return this.#result;
    try {
      for (let at = 0; at < chunk.length;) {
        const take = Math.min(this.#wanted() - this.#length, chunk.length - at);
        this.#keep(chunk.subarray(at, at + take));
        at += take;
        const header = this.#judge();
        if (header === null) continue;
        this.#result = { type: 'header', header, rest: new Uint8Array(0) };
        return { ...this.#result, rest: chunk.subarray(at) };
      }
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof Refusal)) throw thrown;
      this.#result = { type: 'error', why: thrown.message };
      return this.#result;
    }
  }

  /** Bytes that must be here before more can be said. */
  #wanted(): number {
    if (this.#length < SIGNATURE.length || this.#bytes[0] !== SIGNATURE[0]) return this.#length + 1;
    if (this.#length < V2_FIXED) return V2_FIXED;
    return V2_FIXED + this.#bodyLength();
  }

  #bodyLength(): number {
    return (this.#bytes[14] ?? 0) * 256 + (this.#bytes[15] ?? 0);
  }

  #keep(bytes: Uint8Array): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(V2_FIXED + V2_MAX);
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }

  #judge(): ProxyHeader | null {
    const last = this.#bytes[this.#length - 1];
    if (this.#bytes[0] !== SIGNATURE[0]) return this.#judgeV1(last);
    if (this.#length <= SIGNATURE.length) {
      if (last !== SIGNATURE[this.#length - 1]) throw new Refusal('no PROXY header');
      return null;
    }
    if (this.#length < V2_FIXED) return null;
    if (this.#bodyLength() > V2_MAX) throw new Refusal('PROXY header too long');
    if (this.#length < V2_FIXED + this.#bodyLength()) return null;
    return { version: 2, addresses: parseV2(this.#bytes.subarray(0, this.#length)) };
  }

  #judgeV1(last: number | undefined): ProxyHeader | null {
    if (this.#length <= V1_START.length) {
      if (last !== V1_START.charCodeAt(this.#length - 1)) throw new Refusal('no PROXY header');
      return null;
    }
    if (last === LF) {
      return {
        version: 1,
        addresses: parseV1(String.fromCharCode(...this.#bytes.subarray(0, this.#length))),
      };
    }
    if (this.#length >= V1_MAX) throw new Refusal('PROXY header too long');
    return null;
  }
}

function parseV1(line: string): ProxyAddresses | null {
  if (!line.endsWith('\r\n') || line.indexOf('\r') !== line.length - 2)
    throw new Refusal('PROXY line not ended by CRLF');
  const [, family = '', source = '', destination = '', from = '', to = '', ...more] = line
    .slice(0, -2)
    .split(' ');
  // "The receiver must ignore anything presented before the CRLF" after UNKNOWN (section 2.1).
  if (family === 'UNKNOWN') return null;
  const parse = family === 'TCP4' ? parseIpv4 : family === 'TCP6' ? parseIpv6 : null;
  if (parse === null || more.length > 0) throw new Refusal('malformed PROXY line');
  const read = (address: string, port: string) => {
    const bytes = parse(address);
    const number = /^(?:0|[1-9][0-9]{0,4})$/.test(port) ? Number(port) : 65_536;
    if (bytes === null || number > 65_535) throw new Refusal('malformed address in the PROXY line');
    return { address: formatIp(bytes), port: number };
  };
  return { source: read(source, from), destination: read(destination, to) };
}

function parseV2(bytes: Uint8Array): ProxyAddresses | null {
  const at = (index: number): number => bytes[index] ?? 0;
  const command = at(12);
  if (command >> 4 !== 2) throw new Refusal('unknown version of the PROXY header');
  if (command !== 0x20 && command !== 0x21) throw new Refusal('unknown command in the PROXY header');
  // Of LOCAL the rest "must be discarded, including the family" (section 2.2).
  if (command === 0x20) return null;
  const family = at(13) >> 4;
  const protocol = at(13) & 15;
  if (family > 3 || protocol > 2) throw new Refusal('unknown family in the PROXY header');
  const size = family === 1 ? 4 : family === 2 ? 16 : 0;
  const block = family === 3 ? 216 : size === 0 ? 0 : 2 * size + 4;
  if (bytes.length < V2_FIXED + block) throw new Refusal('PROXY header shorter than its addresses');
  // Of UNSPEC the whole body is to be skipped, so its bytes are no extensions.
  if (family !== 0) checkExtensions(bytes, V2_FIXED + block);
  if (size === 0 || protocol !== 1) return null;
  const ports = V2_FIXED + 2 * size;
  const read = (from: number, port: number) => ({
    address: formatIp(bytes.subarray(from, from + size)),
    port: at(port) * 256 + at(port + 1),
  });
  return { source: read(V2_FIXED, ports), destination: read(V2_FIXED + size, ports + 2) };
}

/** Walks the extensions (section 2.2.x), so that a cut one is refused, and checks the one that is a checksum. */
function checkExtensions(bytes: Uint8Array, from: number): void {
  for (let at = from; at < bytes.length;) {
    const length = (bytes[at + 1] ?? 0) * 256 + (bytes[at + 2] ?? 0);
    const end = at + 3 + length;
    if (at + 3 > bytes.length || end > bytes.length) throw new Refusal('cut extension in the PROXY header');
    if (bytes[at] === CRC32C) {
      if (
        length !== 4 ||
        new DataView(bytes.buffer, bytes.byteOffset).getUint32(at + 3) !== crcOf(bytes, at + 3)
      )
        throw new Refusal('wrong checksum in the PROXY header');
    }
    at = end;
  }
}

/** CRC-32C of the head with its own four bytes as zeros. */
function crcOf(bytes: Uint8Array, hole: number): number {
  let crc = 0xffffffff;
  for (const [at, byte] of bytes.entries()) {
    crc ^= at >= hole && at < hole + 4 ? 0 : byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** The head to send before all else of a connection; null addresses where we speak for ourselves, as a health check does. */
export function proxyHeader(version: 1 | 2, addresses: ProxyAddresses | null): Uint8Array {
  const pair = addresses === null ? null : sameFamily(addresses);
  if (version === 1) {
    const { source, destination } = addresses ?? {};
    const line =
      pair === null
        ? 'PROXY UNKNOWN\r\n'
        : `PROXY TCP${pair.source.length === 4 ? '4' : '6'} ${text(pair.source)} ${text(pair.destination)} ${source?.port ?? 0} ${destination?.port ?? 0}\r\n`;
    return new TextEncoder().encode(line);
  }
  const size = pair?.source.length ?? 0;
  const head = new Uint8Array(V2_FIXED + (pair === null ? 0 : 2 * size + 4));
  head.set(SIGNATURE);
  head[12] = addresses === null ? 0x20 : 0x21;
  if (pair === null || addresses === null) return head;
  head[13] = size === 4 ? 0x11 : 0x21;
  const view = new DataView(head.buffer);
  view.setUint16(14, 2 * size + 4);
  head.set(pair.source, V2_FIXED);
  head.set(pair.destination, V2_FIXED + size);
  view.setUint16(V2_FIXED + 2 * size, addresses.source.port);
  view.setUint16(V2_FIXED + 2 * size + 2, addresses.destination.port);
  return head;
}

/** Version 1 wants both in one family; as text a mapped address stays IPv6 there. */
function text(bytes: Uint8Array): string {
  return bytes.length === 16 && formatIp(bytes).includes('.') ? `::ffff:${formatIp(bytes)}` : formatIp(bytes);
}

/** Both addresses in one family: where they differ, the IPv4 one is mapped into IPv6. Null where one is no address. */
function sameFamily({ source, destination }: ProxyAddresses) {
  const bytesOf = (address: string): Uint8Array | null => parseIpv4(address) ?? parseIpv6(address);
  const from = bytesOf(source.address);
  const to = bytesOf(destination.address);
  if (from === null || to === null) return null;
  if (from.length === to.length) return { source: from, destination: to };
  return { source: mapped(from), destination: mapped(to) };
}

function mapped(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes;
  const wide = new Uint8Array(16);
  wide.set([0xff, 0xff], 10);
  wide.set(bytes, 12);
  return wide;
}
