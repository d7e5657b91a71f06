import { INCOMING, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Slot } from '../core/transfer/ports.ts';

interface Waiting {
  readonly signal: AbortSignal | undefined;
  readonly give: (slot: PoolSlot) => void;
  readonly fail: (why: Error) => void;
}

/** One lease of a slot: whoever gave it back cannot give it back again under its next holder. */
export class PoolSlot implements Slot {
  readonly bytes: Uint8Array;
  readonly number: number;
  #state: 'held' | 'working' | 'back' = 'held';
  readonly #back: () => void;

  constructor(number: number, bytes: Uint8Array, back: () => void) {
    this.number = number;
    this.bytes = bytes;
    this.#back = back;
  }

  /** While the thread works with it, this does nothing; it comes back by itself then. */
  release(): void {
    if (this.#state !== 'held') return;
    this.#state = 'back';
    this.#back();
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
    this.#back();
  }
}

/** The memory of all downloads of a node: shared buffers, made when first needed, given out in the order of asking. */
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
    let number = this.#free.pop();
    if (number === undefined) {
      if (this.#buffers.length >= this.#most) return null;
      const made = new SharedArrayBuffer(TRANSFER.blockBytes);
      number = this.#buffers.push(made) - 1;
      this.#made(number, made);
    }
    return this.#lease(number);
  }

  #lease(number: number): PoolSlot {
    const buffer = this.#buffers[number];
    if (buffer === undefined) throw new KelanaError('INTERNAL', { detail: `there is no slot ${number}` });
    this.#out += 1;
    return new PoolSlot(number, new Uint8Array(buffer), () => this.#back(number));
  }

  #back(number: number): void {
    this.#out -= 1;
    const [first] = this.#waiting;
    if (first === undefined) {
      this.#free.push(number);
      return;
    }
    this.#waiting.delete(first);
    first.give(this.#lease(number));
  }
}

function asError(why: unknown): Error {
  return why instanceof Error ? why : new Error(String(why));
}
