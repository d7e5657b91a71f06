import { INCOMING, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Slot } from '../core/transfer/ports.ts';

interface Waiting {
  readonly signal: AbortSignal | undefined;
  readonly give: (slot: PoolSlot) => void;
  readonly fail: (why: Error) => void;
}

interface Buffered {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** One lease of a slot: whoever gave it back cannot give it back again under its next holder. */
export class PoolSlot implements Slot {
  #buffer: Buffered | null = null;
  #state: 'held' | 'working' | 'back' = 'held';
  readonly #choose: () => Buffered;
  readonly #back: (number: number | undefined) => void;

  constructor(choose: () => Buffered, back: (number: number | undefined) => void) {
    this.#choose = choose;
    this.#back = back;
  }

  get bytes(): Uint8Array {
    return this.#chosen().bytes;
  }

  get number(): number {
    return this.#chosen().number;
  }

  /** @throws KelanaError INTERNAL where it was given back before it was looked at */
  #chosen(): Buffered {
    if (this.#buffer !== null) return this.#buffer;
    if (this.#state === 'back')
      throw new KelanaError('INTERNAL', { detail: 'a slot was used that had been given back' });
    return (this.#buffer = this.#choose());
  }

  /** While the thread works with it, this does nothing; it comes back by itself then. */
  release(): void {
    if (this.#state !== 'held') return;
    this.#state = 'back';
    this.#back(this.#buffer?.number);
  }

  /** @throws KelanaError INTERNAL where it is no longer the caller's */
  toThread(): void {
    if (this.#state !== 'held')
      throw new KelanaError('INTERNAL', { detail: 'a slot was written that had been given back' });
    this.#state = 'working';
  }

  fromThread(): void {
    if (this.#state !== 'working') return;
    this.#state = 'back';
    this.#back(this.#buffer?.number);
  }
}

/**
 * The memory of all downloads of a node: slots, given out in the order of asking, and shared buffers, each made when there
 * is none that was used before. There are never more of these than slots are out.
 */
export class SlotPool {
  readonly #most: number;
  #buffers: SharedArrayBuffer[] = [];
  #free: number[] = [];
  readonly #waiting = new Set<Waiting>();
  /** Those that are listened to: each block of a download waits with the same one. */
  readonly #signals = new WeakSet<AbortSignal>();
  readonly #made: (slot: number, bytes: SharedArrayBuffer) => void;
  #out = 0;

  constructor(most: number = INCOMING.slots, made: (slot: number, bytes: SharedArrayBuffer) => void) {
    this.#most = most;
    this.#made = made;
  }

  /** Slots that someone holds. */
  get out(): number {
    return this.#out;
  }

  get buffers(): readonly SharedArrayBuffer[] {
    return this.#buffers;
  }

  /** At once where one is free. @throws the signal's reason; KelanaError TRANSFER_FAILED of `fail` */
  take(signal?: AbortSignal): PoolSlot | Promise<PoolSlot> {
    if (signal?.aborted === true) return Promise.reject(asError(signal.reason));
    const slot = this.#next();
    if (slot !== null) return slot;
    if (signal !== undefined && !this.#signals.has(signal)) {
      this.#signals.add(signal);
      signal.addEventListener('abort', () => this.#end(signal.reason, signal), { once: true });
    }
    return new Promise((give, fail) => {
      this.#waiting.add({ signal, give, fail });
    });
  }

  /** Ends all waits. */
  fail(why: unknown): void {
    this.#end(why, null);
  }

  #end(why: unknown, signal: AbortSignal | null): void {
    for (const waiting of this.#waiting) {
      if (signal !== null && waiting.signal !== signal) continue;
      this.#waiting.delete(waiting);
      waiting.fail(asError(why));
    }
  }

  /** Gives the memory back to the system; only while nobody holds a slot. */
  drop(): void {
    this.#buffers = [];
    this.#free = [];
  }

  #next(): PoolSlot | null {
    return this.#out < this.#most ? this.#lease() : null;
  }

  #lease(): PoolSlot {
    this.#out += 1;
    return new PoolSlot(
      () => this.#choose(),
      (number) => this.#back(number),
    );
  }

  /** The one that was used last, as a core may still have it in its cache. */
  #choose(): Buffered {
    const number = this.#free.pop() ?? this.#buffers.length;
    let buffer = this.#buffers[number];
    if (buffer === undefined) {
      buffer = new SharedArrayBuffer(TRANSFER.blockBytes);
      this.#buffers.push(buffer);
      this.#made(number, buffer);
    }
    return { number, bytes: new Uint8Array(buffer) };
  }

  #back(number: number | undefined): void {
    this.#out -= 1;
    if (number !== undefined) this.#free.push(number);
    const [first] = this.#waiting;
    if (first === undefined) return;
    this.#waiting.delete(first);
    first.give(this.#lease());
  }
}

function asError(why: unknown): Error {
  return why instanceof Error ? why : new Error(String(why));
}
