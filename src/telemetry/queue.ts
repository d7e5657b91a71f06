import { LOG } from '../core/config.ts';
import type { KelanaEvent } from '../core/events.ts';

export interface QueueLimits {
  readonly maxQueued: number;
  readonly maxQueuedBytes: number;
  readonly maxBatch: number;
  readonly maxBatchBytes: number;
}

interface Batch {
  readonly events: readonly KelanaEvent[];
  /** Events of this batch that stand in the queue, and dropped ones that it reports. */
  readonly taken: number;
  readonly reported: number;
}

/**
 * What a sink has still to write, bounded in events and bytes. When it is full the newest is dropped and counted, and
 * the next batch begins with a `log.dropped` that says so. A batch stays queued until `done` says it was written.
 */
export class EventQueue {
  readonly #name: string;
  readonly #limits: QueueLimits;
  #events: KelanaEvent[] = [];
  #sizes: number[] = [];
  #bytes = 0;
  #dropped = 0;
  #lastDropped: KelanaEvent | null = null;

  constructor(name: string, limits: QueueLimits = LOG) {
    this.#name = name;
    this.#limits = limits;
  }

  get length(): number {
    return this.#events.length;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get dropped(): number {
    return this.#dropped;
  }
  get empty(): boolean {
    return this.#events.length === 0 && this.#dropped === 0;
  }

  push(event: KelanaEvent, size: number = sizeOf(event)): void {
    if (this.#events.length >= this.#limits.maxQueued || this.#bytes + size > this.#limits.maxQueuedBytes) {
      this.drop(1, event);
      return;
    }
    this.#events.push(event);
    this.#sizes.push(size);
    this.#bytes += size;
  }

  /** Counts events as lost; `last` gives the report its part and time. */
  drop(count: number, last: KelanaEvent): void {
    this.#dropped += count;
    this.#lastDropped = last;
  }

  batch(): Batch {
    const { maxBatch, maxBatchBytes } = this.#limits;
    let taken = 0;
    for (let bytes = 0; taken < Math.min(maxBatch, this.#events.length); taken += 1) {
      bytes += this.#sizes[taken] ?? 0;
      if (taken > 0 && bytes > maxBatchBytes) break;
    }
    const events = this.#events.slice(0, taken);
    const last = this.#lastDropped;
    if (this.#dropped === 0 || last === null) return { events, taken, reported: 0 };
    const { who, at } = last;
    const report: KelanaEvent = { type: 'log.dropped', who, sink: this.#name, count: this.#dropped, at };
    return { events: [report, ...events], taken, reported: this.#dropped };
  }

  /** The first `written` events of the batch are safe. */
  done(batch: Batch, written: number): void {
    const own = batch.events.length - batch.taken;
    if (own > 0 && written > 0) this.#dropped -= batch.reported;
    const count = Math.max(0, written - own);
    this.#events.splice(0, count);
    for (const size of this.#sizes.splice(0, count)) this.#bytes -= size;
  }
}

/** Roughly the bytes an event holds in memory: its text, at most two bytes a character, and 128 for the rest. */
export function sizeOf(event: KelanaEvent): number {
  let size = 128;
  // One for each request of a balancer, with no other text in it.
  if (event.type === 'balancer.request') {
    const { type, who, client, backend, method, target } = event;
    const text = type.length + who.length + client.length + backend.length + method.length + target.length;
    return size + 2 * text;
  }
  for (const key in event) {
    const value: unknown = event[key as keyof KelanaEvent];
    if (typeof value === 'string') size += 2 * value.length;
    else if (Array.isArray(value))
      for (const item of value) size += 16 + 2 * (typeof item === 'string' ? item.length : 0);
  }
  return size;
}
