import type { Random } from '../random.ts';
import type { Contact } from '../wire/search-frames.ts';
import { prefixOf, shares } from './size.ts';

/** A link as the choice of links sees it. */
export interface LinkView {
  readonly peer: string;
  /** First 32 bits of SHA-256 of the peer id. */
  readonly key: number;
  /** Outbound: this node dialled. */
  readonly direction: 'inbound' | 'outbound';
  /** A person configured it: never dropped. */
  readonly keep: boolean;
  /** ms for which it has been up. */
  readonly sinceMs: number;
  /** Multiaddr it was dialled at, if known. */
  readonly address?: string;
}

export interface Choice {
  /** Key of this node. */
  readonly key: number;
  /** log2 of the number of groups. */
  readonly bits: number;
  readonly neighbours: readonly LinkView[];
  /** Known peers with their keys; linked ones are passed over. */
  readonly contacts: readonly (Contact & { readonly key: number })[];
  /** Neighbours at most; what is looked for; and below which any will do. */
  readonly most: number;
  readonly want: number;
  readonly least: number;
}

/** Links into the own group that this node dialled itself: whoever fills it with inbound ones does not cut it off. */
const OWN_GROUP = 2;
/** Outbound links into one /24 or /48 of public addresses (eclipse: Heilman et al. 2015 allow one per /16). */
const PER_NET = 2;

/**
 * Whom to link to and whom to leave: two of the own group, the others in distinct groups, half of them chosen by this
 * node, no network with more than its share. Where there are no more than `want` others, all link to all.
 */
export function chooseLinks(choice: Choice, random: Random): { dial: Contact[]; drop: string[] } {
  return { dial: chooseDials(choice, random), drop: chooseDrops(choice) };
}

function chooseDials(choice: Choice, random: Random): Contact[] {
  const { key: ownKey, bits, neighbours, contacts, most, want, least } = choice;
  const linked = new Set(neighbours.map(({ peer }) => peer));
  const groups = new Map<number, number>();
  for (const { key } of neighbours) grow(groups, prefixOf(key, bits));
  const nets = new Map<string, number>();
  for (const { direction, address } of neighbours)
    if (direction === 'outbound' && address !== undefined)
      for (const net of netsOf([address])) grow(nets, net);
  const outbound = neighbours.filter(({ direction }) => direction === 'outbound');
  let mates = bits === 0 ? OWN_GROUP : outbound.filter(({ key }) => shares(key, ownKey, bits)).length;
  const inbound = neighbours.length - outbound.length;
  const dial: Contact[] = [];
  const left = shuffled(
    contacts.filter(({ peer, addresses }) => !linked.has(peer) && addresses.length > 0),
    random,
  );
  const take = (index: number): void => {
    const [contact] = left.splice(index, 1);
    if (contact === undefined) return;
    const { peer, label, addresses, key } = contact;
    dial.push({ peer, label, addresses });
    grow(groups, prefixOf(key, bits));
    for (const net of netsOf(addresses)) grow(nets, net);
  };
  const open = (contact: Contact): boolean =>
    netsOf(contact.addresses).every((net) => (nets.get(net) ?? 0) < PER_NET);
  const own = (): number => outbound.length + dial.length;
  const all = (): number => inbound + own();
  for (; mates < OWN_GROUP && all() < most; mates += 1) {
    const at = left.findIndex((contact) => shares(contact.key, ownKey, bits) && open(contact));
    if (at < 0) break;
    take(at);
  }
  // Inbound links alone, however many, are not of our choosing.
  while (all() < most && (all() < want || own() < Math.ceil(want / 2))) {
    let best = -1;
    let fewest = Infinity;
    for (const [at, contact] of left.entries()) {
      const there = groups.get(prefixOf(contact.key, bits)) ?? 0;
      if (there < fewest && open(contact)) {
        best = at;
        fewest = there;
      }
    }
    // Too few links are worse than several into one network.
    if (best < 0 && all() < least && left.length > 0) best = 0;
    // A second link into a group that has one is worth it only while links are missing.
    if (best < 0 || (bits > 0 && fewest > 0 && all() >= want)) break;
    take(best);
  }
  return dial;
}

/** Only above twice what is wanted: surplus links of one group, youngest inbound ones first. */
function chooseDrops({ key: ownKey, bits, neighbours, want }: Choice): string[] {
  const surplus = neighbours.length - 2 * want;
  if (surplus <= 0 || bits === 0) return [];
  const groups = new Map<number, LinkView[]>();
  for (const link of neighbours) {
    const group = prefixOf(link.key, bits);
    groups.set(group, [...(groups.get(group) ?? []), link]);
  }
  const spare = [...groups].flatMap(([group, links]) => {
    const stay = group === prefixOf(ownKey, bits) ? 2 * OWN_GROUP : 1;
    return links
      .toSorted(worth)
      .slice(stay)
      .filter(({ keep }) => !keep);
  });
  return spare
    .toSorted(worth)
    .reverse()
    .slice(0, surplus)
    .map(({ peer }) => peer);
}

/** The best first: configured, then of our choosing, then old. */
function worth(one: LinkView, other: LinkView): number {
  return (
    Number(other.keep) - Number(one.keep) ||
    Number(other.direction === 'outbound') - Number(one.direction === 'outbound') ||
    other.sinceMs - one.sinceMs
  );
}

/** Networks of the public addresses: /24 of IPv4, /48 of IPv6. Private ones are not told apart. */
export function netsOf(addresses: readonly string[]): string[] {
  const nets = new Set<string>();
  for (const address of addresses) {
    const [, kind, host = ''] = address.split('/');
    if (kind === 'ip4' && !PRIVATE4.test(host)) nets.add(host.split('.').slice(0, 3).join('.'));
    else if (kind === 'ip6' && !PRIVATE6.test(host)) nets.add(prefix48(host));
  }
  return [...nets];
}

/** Loopback, RFC 1918, link-local, RFC 6598; and loopback, unique local and link-local of IPv6. */
const PRIVATE4 =
  /^(127\.|10\.|192\.168\.|169\.254\.|0\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)/;
const PRIVATE6 = /^(::1?$|f[cd]|fe[89ab])/i;

/** The first three groups, whatever is abbreviated. */
function prefix48(host: string): string {
  const [head = '', tail] = host.toLowerCase().split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0');
  return [...front, ...zeros, ...back]
    .slice(0, 3)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':');
}

function grow<T>(counts: Map<T, number>, of: T): void {
  counts.set(of, (counts.get(of) ?? 0) + 1);
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((item) => ({ item, rank: random() }))
    .toSorted((one, other) => one.rank - other.rank)
    .map(({ item }) => item);
}
