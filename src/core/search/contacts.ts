import { PRINTS } from '../config.ts';
import type { Random } from '../random.ts';
import type { Contact } from '../wire/search-frames.ts';
import { MAX_ADDRESSES } from '../wire/search-parts.ts';
import { halfOf, prefixOf, shares } from './size.ts';

interface Known extends Contact {
  label: string;
  addresses: readonly string[];
  readonly key: number;
  /** ms: when it was last linked or answered; null of one that others only spoke of. */
  lastHeard: number | null;
  /** In a row. */
  failures: number;
}

/**
 * Peers that this node knows of, linked or not, so that every group has some. What others say can fill free places and
 * push out only what others said: who was heard directly stays until it fails.
 */
export class Contacts {
  readonly #self: string;
  readonly #keyOf: (peer: string) => number;
  readonly #bits: () => number;
  readonly #known = new Map<string, Known>();
  /** Peers by group, at `#groupBits` bits. */
  #groups = new Map<number, Set<string>>();
  #groupBits = 0;

  constructor(self: string, keyOf: (peer: string) => number, bits: () => number) {
    this.#self = self;
    this.#keyOf = keyOf;
    this.#bits = bits;
  }

  get size(): number {
    return this.#known.size;
  }

  get(peer: string): Contact | undefined {
    return this.#known.get(peer);
  }

  /** Hearsay. */
  add(contact: Contact): void {
    if (contact.peer === this.#self || contact.addresses.length === 0) return;
    const before = this.#known.get(contact.peer);
    // One says this and another that: neither may hide where the peer really is.
    const both = new Set([...(before?.addresses ?? []), ...contact.addresses]);
    const addresses = [...both].slice(0, MAX_ADDRESSES);
    if (before?.lastHeard === null) before.addresses = addresses;
    if (before !== undefined) return;
    const { peer, label } = contact;
    this.#admit({ peer, label, addresses, key: this.#keyOf(peer), lastHeard: null, failures: 0 });
  }

  /** A peer that this node has spoken to. */
  heard({ peer, label, addresses }: Contact, now: number): void {
    if (peer === this.#self) return;
    const before = this.#known.get(peer);
    if (before === undefined) {
      const some = addresses.slice(0, MAX_ADDRESSES);
      this.#admit({ peer, label, addresses: some, key: this.#keyOf(peer), lastHeard: now, failures: 0 });
      return;
    }
    before.label = label;
    if (addresses.length > 0) before.addresses = addresses.slice(0, MAX_ADDRESSES);
    before.lastHeard = now;
    before.failures = 0;
  }

  /** It could not be reached. What others only spoke of is dropped at once. */
  failed(peer: string): void {
    const known = this.#known.get(peer);
    if (known === undefined) return;
    known.failures += 1;
    if (known.failures >= PRINTS.maxContactFailures || known.lastHeard === null) this.#drop(known);
  }

  /** Of the group of `key` at `bits` bits, best first: few failures, spoken to, heard of last. */
  contacts(key: number, bits: number): Contact[] {
    return this.#among(key, bits)
      .filter((known) => shares(known.key, key, bits))
      .toSorted(order);
  }

  /** Up to `count` peers at random, those this node has spoken to first. */
  sample(count: number, random: Random): Contact[] {
    const drawn = [...this.#known.values()]
      .filter(({ failures, addresses }) => failures === 0 && addresses.length > 0)
      .map((known) => ({ known, rank: random() + (known.lastHeard === null ? 1 : 0) }));
    return drawn
      .toSorted((one, other) => one.rank - other.rank)
      .slice(0, count)
      .map(({ known: { peer, label, addresses } }) => ({ peer, label, addresses }));
  }

  /** A superset of the group's, small where groups are as large as ours or smaller. */
  #among(key: number, bits: number): Known[] {
    this.#regroup();
    if (bits < this.#groupBits) return [...this.#known.values()];
    const group = this.#groups.get(prefixOf(key, this.#groupBits)) ?? [];
    return [...group].flatMap((peer) => this.#known.get(peer) ?? []);
  }

  #regroup(): void {
    const bits = this.#bits();
    if (bits === this.#groupBits) return;
    this.#groupBits = bits;
    this.#groups = new Map();
    const all = [...this.#known.values()];
    this.#known.clear();
    // Larger groups may hold less in all: the best stay.
    for (const known of all.toSorted(order)) this.#admit(known);
  }

  /** Takes a newcomer in where its half of its group, the group and the whole have room, or make it. */
  #admit(known: Known): void {
    this.#regroup();
    const bits = this.#groupBits;
    const there = this.#groups.get(prefixOf(known.key, bits))?.size ?? 0;
    const full = this.#known.size >= PRINTS.maxContacts || (bits > 0 && there >= PRINTS.contactsPerGroup);
    // Hearsay never makes way for hearsay, so that a flood of it changes nothing.
    if (full && known.lastHeard === null) return;
    // With one group everybody is a member, and only the whole is bounded.
    if (bits > 0 && there >= PRINTS.contactsPerGroup)
      this.#dropWorst(crowded(this.#among(known.key, bits), known));
    if (this.#known.size >= PRINTS.maxContacts) this.#dropWorst(this.#known.values());
    this.#known.set(known.peer, known);
    const prefix = prefixOf(known.key, bits);
    const group = this.#groups.get(prefix) ?? new Set();
    group.add(known.peer);
    this.#groups.set(prefix, group);
  }

  #dropWorst(among: Iterable<Known>): void {
    let worst: Known | undefined;
    for (const known of among) if (worst === undefined || order(worst, known) < 0) worst = known;
    if (worst !== undefined) this.#drop(worst);
  }

  #drop({ peer, key }: Known): void {
    this.#known.delete(peer);
    const prefix = prefixOf(key, this.#groupBits);
    const group = this.#groups.get(prefix);
    group?.delete(peer);
    if (group?.size === 0) this.#groups.delete(prefix);
  }
}

/** The half of a full group that has more than its share, or that of the newcomer. */
function crowded(group: readonly Known[], { key }: Known): Known[] {
  const half = halfOf(key);
  const same = group.filter((other) => halfOf(other.key) === half);
  return same.length >= PRINTS.contactsPerGroup / 2 ? same : group.filter((other) => !same.includes(other));
}

/** Best first. */
function order(one: Known, other: Known): number {
  const spoken = Number(one.lastHeard === null) - Number(other.lastHeard === null);
  return one.failures - other.failures || spoken || (other.lastHeard ?? 0) - (one.lastHeard ?? 0);
}
