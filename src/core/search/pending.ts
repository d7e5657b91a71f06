import { PRINTS } from '../config.ts';
import type { RecordHeader, Want } from '../wire/sync.ts';
import type { Segment } from './segment.ts';

/** A record whose header is checked and whose segments are on their way. */
export interface Pending {
  readonly id: string;
  readonly key: number;
  readonly header: RecordHeader;
  readonly signedAt: number;
  readonly heardAt: number;
  /** ms: when the last of it came. */
  movedAt: number;
  readonly got: Map<string, Segment>;
  /** Peers that said they have it; the next to be asked first. */
  readonly sources: string[];
  readonly missing: Set<string>;
  /** Segments asked for, of whom and when (ms). */
  readonly asked: Map<string, { readonly of: string; readonly at: number }>;
  bytes: number;
}

/** Peers remembered that have one record: enough for one to answer. */
const MAX_SOURCES = 8;

/** Bounded set of records under way, one of each owner. */
export class Pendings {
  readonly #all = new Map<string, Pending>();
  bytes = 0;
  /** Whether there may be something new to ask for, beside what comes with time. */
  dirty = false;

  get size(): number {
    return this.#all.size;
  }

  get(id: string): Pending | undefined {
    return this.#all.get(id);
  }

  set(pending: Pending): void {
    this.delete(pending.id);
    this.#all.set(pending.id, pending);
    this.dirty = true;
    this.bytes += pending.bytes;
  }

  delete(id: string): void {
    this.bytes -= this.#all.get(id)?.bytes ?? 0;
    this.#all.delete(id);
  }

  got(pending: Pending, hash: string, segment: Segment, now: number): void {
    pending.movedAt = now;
    this.dirty = true;
    pending.missing.delete(hash);
    pending.asked.delete(hash);
    pending.got.set(hash, segment);
    pending.bytes += segment.bytes.length;
    this.bytes += segment.bytes.length;
  }

  source(id: string, peer: string): void {
    const sources = this.#all.get(id)?.sources;
    if (sources !== undefined && !sources.includes(peer) && sources.length < MAX_SOURCES) {
      sources.push(peer);
      this.dirty = true;
    }
  }

  /** A peer is no more: ask others at once. */
  lost(peer: string): void {
    this.dirty = true;
    for (const { sources, asked } of this.#all.values()) {
      const at = sources.indexOf(peer);
      if (at >= 0) sources.splice(at, 1);
      for (const [hash, { of }] of asked) if (of === peer) asked.delete(hash);
    }
  }

  /** What to ask of whom now; gives up what nobody brought in time. */
  wants(now: number): Map<string, Want[]> {
    this.dirty = false;
    const busy = new Map<string, number>();
    for (const pending of this.#all.values()) {
      if (now - pending.movedAt >= PRINTS.pendingMs) {
        this.delete(pending.id);
        continue;
      }
      for (const [hash, { of, at }] of pending.asked) {
        if (now - at < PRINTS.wantTimeoutMs) busy.set(of, (busy.get(of) ?? 0) + 1);
        else {
          pending.asked.delete(hash);
          if (pending.sources[0] === of) pending.sources.push(...pending.sources.splice(0, 1));
        }
      }
    }
    const wants = new Map<string, Want[]>();
    for (const { id, missing, asked, sources } of this.#all.values()) {
      const of = sources.find((peer) => (busy.get(peer) ?? 0) < PRINTS.wantsAtOnce);
      if (of === undefined) continue;
      const room = PRINTS.wantsAtOnce - (busy.get(of) ?? 0);
      const segments = [...missing].filter((hash) => !asked.has(hash)).slice(0, room);
      if (segments.length === 0) continue;
      for (const hash of segments) asked.set(hash, { of, at: now });
      busy.set(of, (busy.get(of) ?? 0) + segments.length);
      const list = wants.get(of) ?? [];
      list.push({ id, segments });
      wants.set(of, list);
    }
    return wants;
  }
}
