import { createSocket } from 'node:dgram';
import type { TestContext } from 'node:test';
import { afterwards } from './basics.ts';

/** What a name has; a name without any of it is not known (NXDOMAIN). */
export interface Zone {
  readonly a?: readonly string[];
  /** Whole, eight groups. */
  readonly aaaa?: readonly string[];
  readonly srv?: readonly {
    readonly priority: number;
    readonly weight: number;
    readonly port: number;
    readonly target: string;
  }[];
  /** Questions of these types are answered with SERVFAIL. */
  readonly broken?: readonly ('a' | 'aaaa' | 'srv')[];
}

const TYPES = new Map([
  [1, 'a'],
  [28, 'aaaa'],
  [33, 'srv'],
] as const);
const [SERVFAIL, NXDOMAIN] = [2, 3];

export interface DnsServer {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  /** Names to what they have now. */
  readonly zones: Map<string, Zone>;
  /** Questions so far, as `type name`. */
  readonly asked: string[];
}

/** A DNS server on UDP (RFC 1035) with answers that are gone at once: TTL 0. */
export async function dnsServer(t: TestContext): Promise<DnsServer> {
  const socket = createSocket('udp4');
  const zones = new Map<string, Zone>();
  const asked: string[] = [];
  socket.on('message', (query, { port, address }) => {
    const { name, type, end } = question(query);
    const kind = TYPES.get(type as 1);
    asked.push(`${kind ?? type} ${name}`);
    const zone = zones.get(name);
    const rdata = zone === undefined || kind === undefined ? [] : dataOf(zone, kind);
    const broken = kind !== undefined && zone?.broken?.includes(kind) === true;
    const code = zone === undefined ? NXDOMAIN : broken ? SERVFAIL : 0;
    const answers = code === 0 ? rdata : [];
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(0x8180 | code, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    const records = answers.map((data) => {
      const record = Buffer.alloc(12);
      record.writeUInt16BE(0xc00c, 0);
      record.writeUInt16BE(type, 2);
      record.writeUInt16BE(1, 4);
      record.writeUInt16BE(data.length, 10);
      return Buffer.concat([record, data]);
    });
    socket.send(Buffer.concat([head, query.subarray(12, end), ...records]), port, address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, '127.0.0.1', resolve);
  });
  afterwards(t, () => socket.close());
  return { address: `127.0.0.1:${socket.address().port}`, zones, asked };
}

function question(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function dataOf(zone: Zone, kind: 'a' | 'aaaa' | 'srv'): readonly Buffer[] {
  if (kind === 'a') return (zone.a ?? []).map((text) => Buffer.from(text.split('.').map(Number)));
  if (kind === 'aaaa')
    return (zone.aaaa ?? []).map((text) =>
      Buffer.from(
        text
          .split(':')
          .map((group) => group.padStart(4, '0'))
          .join(''),
        'hex',
      ),
    );
  return (zone.srv ?? []).map(({ priority, weight, port, target }) => {
    const numbers = Buffer.alloc(6);
    numbers.writeUInt16BE(priority, 0);
    numbers.writeUInt16BE(weight, 2);
    numbers.writeUInt16BE(port, 4);
    const labels = target.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label)]));
    return Buffer.concat([numbers, ...labels, Buffer.from([0])]);
  });
}
