import { PRINTS } from '../config.ts';
import { hexOf } from '../wire/hex8.ts';
import { MAX_ADDRESS_BYTES, MAX_ADDRESSES } from '../wire/search-parts.ts';
import type { AgedHeader, Piece, RecordHeader, Renewed } from '../wire/sync.ts';
import { Pendings } from './pending.ts';
import { openSegment } from './prints.ts';
import { nextSeq, sameContent, toSign } from './record.ts';
import type { Segment } from './segment.ts';
import { shares } from './size.ts';
import { notes, type SyncPeer } from './sync-peer.ts';
import { Table, type Entry, type Scope } from './table.ts';

export interface Self {
  readonly peer: string;
  label(): string;
  addresses(): readonly string[];
}

/** The world's part: keys and hashes. */
export interface Crypto {
  /** First 32 bits of SHA-256 of a peer id. */
  readonly keyOf: (peer: string) => number;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  readonly verify: (peer: string, bytes: Uint8Array, signature: Uint8Array) => boolean;
  /** First 8 bytes of SHA-256. */
  readonly hash8: (bytes: Uint8Array) => Uint8Array;
}

export function idOf(peer: string, hash8: Crypto['hash8']): string {
  return hexOf(hash8(new TextEncoder().encode(peer)));
}

/**
 * Decides which records are kept: the own one, and what others bring. A record takes the place of an older one once
 * it is whole; its signature was checked before anything was fetched for it.
 */
export class Keeper {
  readonly table: Table;
  readonly pendings = new Pendings();
  /** Ids of records that are new here and not passed on yet. */
  readonly news = new Set<string>();
  /** Set when the set of members changed; whoever reports it clears it. */
  membersChanged = false;
  /** ms: when a record last found no room. */
  fullAt = -Infinity;
  readonly id: string;
  readonly #self: Self;
  readonly #crypto: Crypto;
  readonly #liar: (peer: string, why: string) => void;
  #scope: Scope;
  #rescopedAt = -Infinity;
  #own: { readonly segments: ReadonlyMap<string, Segment>; readonly partial: boolean } = {
    segments: new Map(),
    partial: false,
  };
  #gone = false;
  #wall = 0;
  #signedAt = -Infinity;

  constructor(self: Self, crypto: Crypto, scope: Scope, liar: (peer: string, why: string) => void) {
    this.#self = self;
    this.#crypto = crypto;
    this.#scope = scope;
    this.#liar = liar;
    this.id = idOf(self.peer, crypto.hash8);
    this.table = new Table(this.id, crypto.hash8);
  }

  rescope(scope: Scope, now: number): void {
    this.#scope = scope;
    this.#rescopedAt = now;
    this.table.keepScope(scope);
    this.membersChanged = true;
  }

  /** The own library's prints; what cannot be sent is said to be partial. */
  library(segments: readonly Uint8Array[], partial: boolean, now: number, wall: number): void {
    const opened = new Map<string, Segment>();
    let bytes = 0;
    for (const segment of segments) {
      bytes += segment.length;
      const hash = hexOf(this.#crypto.hash8(segment));
      opened.set(hash, this.#own.segments.get(hash) ?? openSegment(segment));
    }
    const fits =
      opened.size <= PRINTS.maxSegments &&
      bytes <= PRINTS.maxBytes &&
      segments.every(({ length }) => length <= PRINTS.maxSegmentBytes);
    this.#own =
      fits && !partial ? { segments: opened, partial: false } : { segments: new Map(), partial: true };
    this.#gone = false;
    const before = this.table.get(this.id)?.header;
    if (before === undefined || !sameContent(before, this.#statement(before.seq))) this.#sign(now, wall);
  }

  /** Signs the own record anew when that is due, or what it says has changed. */
  renew(now: number, wall: number): void {
    this.#wall = wall;
    if (this.#gone) return;
    const own = this.table.get(this.id)?.header;
    const stale = own === undefined || !sameContent(own, this.#statement(own.seq));
    // Addresses may come and go in a burst: one record in five seconds is enough.
    if (now - this.#signedAt >= (stale ? PRINTS.syncMs : PRINTS.refreshMs)) this.#sign(now, wall);
  }

  /** Says that this node leaves. */
  leave(now: number, wall: number): void {
    this.#gone = true;
    this.#sign(now, wall);
  }

  header(from: SyncPeer, { header, age }: AgedHeader, now: number): void {
    // Whoever has had its share of checks costs nothing more; comparing heads brings again what was honest.
    if (!from.verifies.has(1, now)) return;
    const id = idOf(header.peer, this.#crypto.hash8);
    const { seq } = header;
    notes(from, id, seq);
    if (id === this.id) {
      if (seq > this.table.lastSeq(id) && this.#checked(from, header, now)) this.#sign(now, this.#wall, seq);
      return;
    }
    const key = this.#crypto.keyOf(header.peer);
    if (!this.#wanted(from, id, key, seq, age, now)) return;
    if (this.pendings.get(id)?.header.seq === seq) return;
    if (!this.#checked(from, header, now)) return;
    const known = this.table.get(id);
    const got = new Map<string, Segment>();
    const missing = new Set<string>();
    const under = this.pendings.get(id)?.got;
    for (const hash of header.segments) {
      const here = known?.segments.get(hash) ?? under?.get(hash);
      if (here === undefined) missing.add(hash);
      else got.set(hash, here);
    }
    const bytes = sumBytes(got);
    const pending = {
      id,
      key,
      header,
      got,
      missing,
      bytes,
      signedAt: now - age,
      heardAt: now,
      movedAt: now,
      sources: [from.peer],
      asked: new Map(),
    };
    if (missing.size === 0) this.#install(pending, now, from.peer);
    else if (this.pendings.size < PRINTS.maxPending || under !== undefined) this.pendings.set(pending);
    from.movedAt = now;
  }

  renewed(from: SyncPeer, { id, seq, age, signature }: Renewed, now: number): void {
    notes(from, id, seq);
    const known = this.table.get(id);
    // Without the record before it, its meaning is unknown; comparing heads brings the whole one.
    if (known === undefined || id === this.id || !this.#wanted(from, id, known.key, seq, age, now)) return;
    const header = { ...known.header, seq, signature };
    if (!this.#signedBy(from, header, now)) return;
    const { key, segments: got, bytes } = known;
    this.#install({ id, key, header, got, bytes, signedAt: now - age, heardAt: now }, now, from.peer);
    from.movedAt = now;
  }

  piece(from: SyncPeer, { id, hash, bytes }: Piece, now: number): void {
    const pending = this.pendings.get(id);
    if (pending === undefined || !pending.missing.has(hash)) return;
    if (hexOf(this.#crypto.hash8(bytes)) !== hash) {
      this.#liar(from.peer, 'a segment does not match its hash');
      return;
    }
    const room = this.table.bytes + this.pendings.bytes + bytes.length <= PRINTS.maxTableBytes;
    if (!room) {
      this.fullAt = now;
      this.pendings.delete(id);
      return;
    }
    const segment = opened(bytes);
    if (segment === null || pending.bytes + bytes.length > PRINTS.maxBytes) {
      // Its owner signed it, but an honest node would not have passed it on.
      this.#liar(from.peer, segment === null ? 'a segment that cannot be read' : 'too large a record');
      this.table.forget(id, pending.header.seq);
      this.pendings.delete(id);
      return;
    }
    this.pendings.got(pending, hash, segment, now);
    from.movedAt = now;
    if (pending.missing.size === 0) this.#install(pending, now, pending.sources[0] ?? from.peer);
  }

  /** A head that another has: true where nothing of it is missing here. */
  holds(from: SyncPeer, id: string, seq: number, age: number, now: number): boolean {
    const known = this.table.get(id);
    if (known?.header.seq === seq && this.table.younger(id, now - age)) this.news.add(id);
    if (this.table.lastSeq(id) >= seq || age >= PRINTS.fadeMs) return true;
    if (this.pendings.get(id)?.header.seq === seq) this.pendings.source(id, from.peer);
    return false;
  }

  /** Drops whom nobody heard of for too long. */
  expire(now: number): void {
    const before = this.table.live;
    if (this.table.expire(now) && this.table.live !== before) this.membersChanged = true;
  }

  #wanted(from: SyncPeer, id: string, key: number, seq: number, age: number, now: number): boolean {
    // Who has just changed its groups is still sent what it wanted before.
    const settled = now - this.#rescopedAt > PRINTS.healMs;
    const bits = Math.max(0, Math.min(this.#scope.bits, from.bits) - 1);
    if (settled && !shares(key, this.#scope.key, bits)) {
      this.#liar(from.peer, 'a record of another group');
      return false;
    }
    if (!shares(key, this.#scope.key, this.#scope.bits) || this.holds(from, id, seq, age, now)) return false;
    if ((this.pendings.get(id)?.header.seq ?? 0) > seq) return false;
    const fits =
      this.table.get(id) !== undefined ||
      (this.table.size + this.pendings.size < PRINTS.maxMembers &&
        this.table.brought(from.peer) < PRINTS.maxOfOne);
    if (!fits) this.fullAt = now;
    return fits;
  }

  #checked(from: SyncPeer, header: RecordHeader, now: number): boolean {
    const good = this.#signedBy(from, header, now);
    if (good === false) this.#liar(from.peer, 'a bad signature');
    return good === true;
  }

  /** Null where this peer has had its share of checks. */
  #signedBy(from: SyncPeer, header: RecordHeader, now: number): boolean | null {
    if (!from.verifies.take(1, now)) return null;
    return this.#crypto.verify(header.peer, toSign(header), header.signature);
  }

  #install(
    whole: {
      readonly id: string;
      readonly key: number;
      readonly header: RecordHeader;
      readonly got: ReadonlyMap<string, Segment>;
      readonly bytes: number;
      readonly signedAt: number;
      readonly heardAt: number;
    },
    now: number,
    by: string,
  ): void {
    const { id, key, header, got: segments, bytes, signedAt } = whole;
    const before = this.table.get(id);
    const from = before?.from ?? by;
    const same = before !== undefined && sameContent(before.header, header);
    const sinceSeq = same ? before.sinceSeq : header.seq;
    this.table.put({ id, key, header, from, segments, bytes, sinceSeq, heardAt: now, signedAt });
    this.pendings.delete(id);
    this.news.add(id);
    if ((before === undefined || before.header.gone) !== header.gone) this.membersChanged = true;
  }

  #statement(seq: number): Omit<RecordHeader, 'signature'> {
    const { segments, partial } = this.#own;
    const gone = this.#gone;
    return {
      peer: this.#self.peer,
      seq,
      gone,
      label: this.#self.label(),
      addresses: this.#self
        .addresses()
        .filter((address) => address.length <= MAX_ADDRESS_BYTES)
        .slice(0, MAX_ADDRESSES),
      partial: partial && !gone,
      segments: gone ? [] : [...segments.keys()],
    };
  }

  /** `above`: a number that was seen under our name, of a past life or before a clock was set back. */
  #sign(now: number, wall: number, above = 0): void {
    this.#wall = wall;
    this.#signedAt = now;
    const statement = this.#statement(nextSeq(Math.max(above, this.table.lastSeq(this.id)), wall));
    const header = { ...statement, signature: this.#crypto.sign(toSign(statement)) };
    const got = this.#gone ? new Map<string, Segment>() : this.#own.segments;
    const times = { signedAt: now, heardAt: now };
    const own = { id: this.id, key: this.#scope.key, header, got, bytes: sumBytes(got), ...times };
    this.#install(own, now, this.#self.peer);
  }
}

export function recordBytes(entry: Entry): number {
  const { label, addresses, segments, peer } = entry.header;
  const texts = addresses.reduce((sum, address) => sum + address.length + 2, 0) + label.length + peer.length;
  return 96 + texts + 8 * segments.length;
}

function sumBytes(segments: ReadonlyMap<string, Segment>): number {
  let sum = 0;
  for (const { bytes } of segments.values()) sum += bytes.length;
  return sum;
}

function opened(bytes: Uint8Array): Segment | null {
  try {
    return openSegment(bytes);
  } catch {
    return null;
  }
}
