import { BALANCER_DISCOVERY } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';

/** A name that stands for backends, whatever they are at the moment. */
export interface Source {
  readonly kind: 'dns' | 'srv' | 'p2p';
  /** As after `--backend`, options included. */
  readonly text: string;
  readonly name: string;
  /** Of each address; SRV records and servers of the overlay have their own. */
  readonly port: number;
  /** As after each backend's URL, with its comma: `,weight=2,max=10`; empty where there are none. */
  readonly options: string;
  /** Whether the weight is said, and the records' do not count. */
  readonly weighted: boolean;
}

/** Letters, digits, hyphens and underscores between dots (RFC 1035 section 2.3.1, RFC 2782); `name` is in lower case. */
const NAME = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** A name of the DNS or of a group of servers, in lower case. */
export function isName(name: string): boolean {
  return NAME.test(name) && !/^[\d.]+$/.test(name);
}

/** `dns://NAME:PORT`, `srv://NAME` and `p2p://NAME`, with options after commas; null for what is neither. @throws KelanaError BAD_VALUE */
export function parseSource(text: string): Source | null {
  const match = /^(dns|srv|p2p):\/\/([^,]*)((?:,.*)?)$/s.exec(text.trim());
  if (match === null) return null;
  const [, kind = '', place = '', options = ''] = match;
  const isDns = kind === 'dns';
  const [, host = '', digits] = /^([^:]*)(?::(\d{1,5}))?$/.exec(place) ?? [];
  const name = host.toLowerCase().replace(/\.$/, '');
  const port = Number(digits ?? 0);
  if (!isName(name))
    throw bad(text, {
      id: `setelah ${kind}:// harus ada nama`,
      en: `after ${kind}:// there must be a name`,
    });
  if (isDns && !(port >= 1 && port <= 65_535))
    throw bad(text, { id: 'dns:// perlu port', en: 'dns:// needs a port' });
  if (!isDns && digits !== undefined)
    throw bad(text, {
      id: `port ${kind}:// datang dari jawabannya`,
      en: `the ports of ${kind}:// come with the answers`,
    });
  return {
    kind: kind === 'dns' || kind === 'srv' ? kind : 'p2p',
    text: text.trim(),
    name,
    port,
    options,
    weighted: /,\s*weight=/.test(options),
  };
}

function bad(value: string, why: Text): KelanaError {
  return new KelanaError('BAD_VALUE', {
    value,
    name: '--backend',
    why,
    example: '--backend dns://app.example:8080',
  });
}

/** One server that a name stands for. */
export interface Found {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
  /** Of its SRV record, 0 to 65,535; 1 where there is none. */
  readonly weight: number;
}

export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** Those that are to be used: of the lowest priority only (RFC 2782), a bounded number. A target `.` is no server. */
export function usedRecords(records: readonly SrvRecord[]): readonly SrvRecord[] {
  const named = records.filter(({ name, port }) => name !== '' && name !== '.' && port > 0);
  const lowest = Math.min(...named.map(({ priority }) => priority));
  return named
    .filter(({ priority }) => priority === lowest)
    .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.port - b.port))
    .slice(0, BALANCER_DISCOVERY.maxTargets);
}

/**
 * SRV weights as weights of backends, 1 to `most`: in the same proportions where that is possible. 0 is the least there
 * is, and not nothing (RFC 2782).
 */
export function scaledWeight(weight: number, largest: number, most: number): number {
  const scaled = largest > most ? (weight * most) / largest : weight;
  return Math.min(most, Math.max(1, Math.round(scaled)));
}
