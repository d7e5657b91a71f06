import { LIMITS } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { TrafficInfo } from '../core/ports.ts';
import { Meter } from '../core/transfer/meter.ts';
import { TurnOrder, type Turn } from '../core/transfer/turns.ts';

export interface TurnsOptions {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** The limit that holds now, in bytes a second; null: none. Asked often: it must cost next to nothing. */
  readonly limit: () => number | null;
  /** A peer's share beside that of others; 1 by default. Asked when a peer is met. */
  readonly weight?: (peer: string) => number;
}

interface Waiter {
  go(): void;
  stop(why: unknown): void;
}

/** Bandwidth of one direction: who asks for a turn before each piece keeps to the limit, and gets a fair share of it. */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #order: TurnOrder;
  readonly #meter: Meter;
  readonly #waiters = new Map<Turn, Waiter>();
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#order = new TurnOrder(options.now());
    this.#meter = new Meter(options.now());
  }

  /**
   * A turn for `peer` to move so many bytes: undefined where it may do so at once, else a promise of the moment. It
   * rejects with the signal's reason, with BUSY where `LIMITS` allow no more waits, and with TRANSFER_FAILED once this
   * was stopped.
   */
  take(peer: string, bytes: number, signal?: AbortSignal): Promise<void> | undefined {
    const { now, limit, weight } = this.#options;
    const rate = limit();
    const at = now();
    if (rate === null && this.#order.waiting === 0 && !this.#stopped) {
      if (this.#order.rate !== null) this.#order.setRate(null, at);
      this.#meter.add(bytes, at);
      return undefined;
    }
    if (this.#stopped) return Promise.reject(stopped(peer));
    if (signal?.aborted === true) return Promise.reject(reasonOf(signal));
    if (rate !== this.#order.rate) this.#pump();
    const turn = this.#order.ask(peer, bytes, at, weight?.(peer));
    if (turn === 'full') {
      const what = { id: 'giliran kirim yang menunggu', en: 'turns waiting' };
      return Promise.reject(new KelanaError('BUSY', { most: LIMITS.maxWaits, what }));
    }
    if (turn === 'now') {
      this.#meter.add(bytes, at);
      return undefined;
    }
    const wait = this.#wait(turn, signal);
    this.#arm();
    return wait;
  }

  /** Bytes to take a turn for, of `most`: little where the limit is low, so that peers follow each other closely. */
  piece(most: number): number {
    return this.#rate() === null ? most : this.#order.piece(most);
  }

  /** Whether a turn of any size would be granted at once: nobody waits, and the limit leaves room. */
  free(): boolean {
    return this.#rate() === null || this.#order.free(this.#options.now());
  }

  get limited(): boolean {
    return this.#rate() !== null;
  }

  /** How many pieces of `bytes` to ask for ahead, of `most`: no more than the limit brings in a second, and one. */
  ahead(most: number, bytes: number): number {
    return Math.min(most, 1 + Math.floor((this.#rate() ?? Infinity) / bytes));
  }

  info(): TrafficInfo {
    const now = this.#options.now();
    return {
      limit: this.#rate(),
      bytesPerSecond: this.#meter.bytesPerSecond(now),
      bytes: this.#meter.total,
      waiting: this.#order.waiting,
    };
  }

  /** Ends all waits, and every later one at once. */
  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const [turn, waiter] of this.#waiters) {
      this.#order.cancel(turn);
      waiter.stop(stopped(turn.peer));
    }
  }

  /** The limit that holds now, made known to the order. */
  #rate(): number | null {
    const rate = this.#options.limit();
    if (rate !== this.#order.rate) this.#pump();
    return rate;
  }

  #wait(turn: Turn, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#order.cancel(turn);
        waiter.stop(reasonOf(signal));
      };
      const settle = (): void => {
        signal?.removeEventListener('abort', abort);
        this.#waiters.delete(turn);
      };
      const waiter: Waiter = {
        go: () => {
          settle();
          resolve();
        },
        stop: (why) => {
          settle();
          reject(why instanceof Error ? why : new Error(String(why)));
        },
      };
      this.#waiters.set(turn, waiter);
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  /** Grants what may pass by now. */
  #pump(): void {
    const at = this.#options.now();
    this.#order.setRate(this.#options.limit(), at);
    for (const turn of this.#order.grant(at)) {
      this.#meter.add(turn.bytes, at);
      this.#waiters.get(turn)?.go();
    }
    this.#arm();
  }

  #arm(): void {
    if (this.#timer !== null || this.#stopped) return;
    const { now } = this.#options;
    const at = this.#order.nextAt(now());
    if (at === null) return;
    const ms = Math.min(LIMITS.recheckMs, Math.max(1, Math.ceil(at - now())));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#pump();
    }, ms);
  }
}

function stopped(peer: string): KelanaError {
  return new KelanaError('TRANSFER_FAILED', { name: peer, why: 'stopped' });
}

function reasonOf(signal: AbortSignal | undefined): Error {
  const why: unknown = signal?.reason;
  return why instanceof Error ? why : new Error(String(why));
}
