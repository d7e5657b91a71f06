import { PRINTS } from '../config.ts';
import { hexOf } from '../wire/hex8.ts';
import type { Head, RecordHeader } from '../wire/sync.ts';
import type { Probe } from './prints.ts';
import type { Segment } from './segment.ts';
import { shares } from './size.ts';

/** A record that is whole: header checked, all segments here. */
export interface Entry {
  readonly id: string;
  readonly key: number;
  readonly header: RecordHeader;
  /** Who brought the first record of this owner; itself, where it is the own one. */
  readonly from: string;
  /** By hash. */
  readonly segments: ReadonlyMap<string, Segment>;
  /** Bytes of the segments as sent. */
  readonly bytes: number;
  /** The number from which on the owner's records say the same as this one. */
  readonly sinceSeq: number;
  /** ms: when it came here. */
  readonly heardAt: number;
  /** ms, own clock: when it was signed, as far as is known; never after heardAt. */
  readonly signedAt: number;
}

/** Nodes whose key begins as `key` does, for `bits` bits. */
export interface Scope {
  readonly key: number;
  readonly bits: number;
}

interface Listed {
  readonly version: number;
  /** ms until which no entry of the list becomes old. */
  readonly until: number;
  readonly entries: readonly Entry[];
  readonly digest: string;
}

/** Bounded table of the group's records, the own one among them. */
export class Table {
  readonly #self: string;
  readonly #hash8: (bytes: Uint8Array) => Uint8Array;
  readonly #entries = new Map<string, Entry>();
  /** Last numbers of owners whose records were dropped; the oldest makes way. */
  readonly #forgotten = new Map<string, number>();
  readonly #lists = new Map<string, Listed>();
  /** All ids, sorted; null where members came or went. */
  #ids: readonly string[] | null = null;
  /** Entries by who brought them. */
  readonly #brought = new Map<string, number>();
  /** Grows with each change. */
  version = 0;
  /** Bytes of all segments. */
  bytes = 0;
  /** Members: all but those that are gone. */
  live = 0;

  constructor(self: string, hash8: (bytes: Uint8Array) => Uint8Array) {
    this.#self = self;
    this.#hash8 = hash8;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): Entry | undefined {
    return this.#entries.get(id);
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  /** The highest number of this owner that is here or was; 0 if none. */
  lastSeq(id: string): number {
    return Math.max(this.#entries.get(id)?.header.seq ?? 0, this.#forgotten.get(id) ?? 0);
  }

  /** Entries that this peer brought first. */
  brought(peer: string): number {
    return this.#brought.get(peer) ?? 0;
  }

  put(entry: Entry): void {
    const before = this.#entries.get(entry.id);
    if (before === undefined) this.#ids = null;
    else this.#count(before, -1);
    this.#forgotten.delete(entry.id);
    this.#entries.set(entry.id, entry);
    this.#count(entry, 1);
    this.#changed();
  }

  /** The same record is younger than was thought. */
  younger(id: string, signedAt: number): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined || signedAt <= entry.signedAt || entry.signedAt === entry.heardAt) return false;
    this.#entries.set(id, { ...entry, signedAt: Math.min(signedAt, entry.heardAt) });
    this.#changed();
    return true;
  }

  /** Drops a record and remembers its number. */
  drop(id: string): void {
    const entry = this.#take(id);
    if (entry === undefined) return;
    this.forget(id, entry.header.seq);
    this.#changed();
  }

  /** Remembers that records of this owner up to `seq` are not wanted. */
  forget(id: string, seq: number): void {
    const known = this.#forgotten.get(id) ?? 0;
    this.#forgotten.delete(id);
    this.#forgotten.set(id, Math.max(known, seq));
    if (this.#forgotten.size <= PRINTS.maxForgotten) return;
    const [oldest] = this.#forgotten.keys();
    if (oldest !== undefined) this.#forgotten.delete(oldest);
  }

  /** Whether a record is passed on: until its owner has missed two renewals. */
  fresh(entry: Entry, now: number): boolean {
    return entry.id === this.#self || now - entry.signedAt < PRINTS.fadeMs;
  }

  /** Fresh entries of a scope, sorted by id. */
  list(scope: Scope, now: number): readonly Entry[] {
    return this.#listed(scope, now).entries;
  }

  digest(scope: Scope, now: number): string {
    return this.#listed(scope, now).digest;
  }

  heads(scope: Scope, now: number): Head[] {
    return this.list(scope, now).map((entry) => ({
      id: entry.id,
      seq: entry.header.seq,
      age: this.ageOf(entry, now),
    }));
  }

  ageOf(entry: Entry, now: number): number {
    return entry.id === this.#self ? 0 : Math.max(0, now - entry.signedAt);
  }

  /** Drops who has not renewed for expireMs, and those that are gone once nobody passes them on. True if any. */
  expire(now: number): boolean {
    const late = [...this.#entries.values()].filter(
      (entry) =>
        entry.id !== this.#self &&
        (now - entry.heardAt >= PRINTS.expireMs || (entry.header.gone && !this.fresh(entry, now))),
    );
    for (const { id } of late) this.drop(id);
    return late.length > 0;
  }

  /** Drops what is of no other group any more, without remembering it: it may be wanted again. */
  keepScope(scope: Scope): void {
    for (const entry of this.#entries.values())
      if (!shares(entry.key, scope.key, scope.bits)) this.#take(entry.id);
    this.#changed();
  }

  /** Live members but this node that may hold what is asked. */
  matching(probe: Probe | null): Entry[] {
    const found: Entry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.id === this.#self || entry.header.gone) continue;
      if (probe === null || entry.header.partial) found.push(entry);
      else
        for (const segment of entry.segments.values())
          if (segment.mayHold(probe)) {
            found.push(entry);
            break;
          }
    }
    return found;
  }

  #take(id: string): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry === undefined) return undefined;
    this.#entries.delete(id);
    this.#ids = null;
    this.#count(entry, -1);
    return entry;
  }

  #count({ bytes, header, from }: Entry, sign: 1 | -1): void {
    const brought = this.brought(from) + sign;
    if (brought > 0) this.#brought.set(from, brought);
    else this.#brought.delete(from);
    this.bytes += sign * bytes;
    if (!header.gone) this.live += sign;
  }

  #changed(): void {
    this.version += 1;
  }

  #listed(scope: Scope, now: number): Listed {
    const name = `${scope.bits === 0 ? 0 : scope.key >>> (32 - scope.bits)}/${scope.bits}`;
    const known = this.#lists.get(name);
    if (known !== undefined && known.version === this.version && now < known.until) return known;
    if (this.#lists.size >= 8) this.#lists.clear();
    let until = Infinity;
    this.#ids ??= [...this.#entries.keys()].toSorted();
    const entries: Entry[] = [];
    let heads = '';
    for (const id of this.#ids) {
      const entry = this.#entries.get(id);
      if (entry === undefined || !shares(entry.key, scope.key, scope.bits) || !this.fresh(entry, now))
        continue;
      entries.push(entry);
      heads += `${id} ${entry.header.seq}\n`;
      if (id !== this.#self) until = Math.min(until, entry.signedAt + PRINTS.fadeMs);
    }
    const digest = hexOf(this.#hash8(new TextEncoder().encode(heads)));
    const listed = { version: this.version, until, entries, digest };
    this.#lists.set(name, listed);
    return listed;
  }
}
