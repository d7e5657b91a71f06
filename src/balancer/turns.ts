import { RetryBudget } from '../core/balance/budget.ts';
import type { BalanceOptions } from '../core/balance/options.ts';
import { WaitQueue } from '../core/balance/wait-queue.ts';
import type { Backend } from './backend.ts';
import type { Backends } from './backends.ts';
import { overloaded, queueFull, waitedInVain, type OwnReply } from './reply.ts';
import type { Turn } from './turn.ts';

export interface TurnsOptions {
  /** Requests in flight, the one that asks included. */
  readonly active: () => number;
  /** ms, monotonic. */
  readonly clock: () => number;
  /** Connections to backends that there is room for, idle ones included. */
  readonly maxOpen: number;
}

/** What all requests share on their way to a backend: the queue, the budget of retries, the bound on all of them. */
export class Turns {
  readonly backends: Backends;
  readonly budget: RetryBudget;
  readonly #queue: WaitQueue<Turn>;
  readonly #maxActive: number;
  readonly #active: () => number;
  readonly #clock: () => number;
  readonly #maxOpen: number;
  #serving = false;
  /** Requests answered 503 because there was too much to do. */
  shed = 0;

  constructor(backends: Backends, balance: BalanceOptions, { active, clock, maxOpen }: TurnsOptions) {
    this.backends = backends;
    this.budget = new RetryBudget(balance.retry, clock());
    this.#queue = new WaitQueue(balance.queue);
    this.#maxActive = balance.maxActive;
    this.#active = active;
    this.#clock = clock;
    this.#maxOpen = maxOpen;
    backends.onRoom = () => this.#serve();
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** Counts a request; the answer where there are too many already. */
  overloaded(): OwnReply | null {
    this.budget.request();
    if (this.#active() <= this.#maxActive) return null;
    this.shed += 1;
    return overloaded();
  }

  /** Another connection to a backend is about to be made for a request: idle ones make way where there is no more room. */
  opening(): void {
    if (this.#maxOpen !== Infinity) this.backends.keepIdle(this.#maxOpen - this.#active());
  }

  /** Who waits goes first, but for room that all who wait have no use for, since it failed them. */
  choose(turn: Turn, now: number): Backend | undefined {
    if (this.#queue.size > 0) {
      if (this.#serving) return undefined;
      this.#serve();
    }
    return this.backends.choose(turn.request, turn.client, turn.tried, now);
  }

  /** Some backend that the request has not tried is in service, so that waiting for room makes sense. */
  hasHope(tried: readonly Backend[]): boolean {
    return this.backends.list.some((backend) => backend.usable && !tried.includes(backend));
  }

  /** Nobody is in service: still, one may be back already. */
  lastResort(tried: readonly Backend[]): Backend | undefined {
    return this.backends.lastResort(tried);
  }

  /** Null where it waits now, else the answer. */
  wait(turn: Turn, now: number): OwnReply | null {
    if (this.#queue.push(turn, now)) return null;
    this.shed += 1;
    return queueFull();
  }

  leave(turn: Turn): void {
    this.#queue.delete(turn);
  }

  sweep(now: number): void {
    this.budget.tick(now);
    this.#serve();
    for (let turn = this.#queue.expired(now); turn !== undefined; turn = this.#queue.expired(now)) {
      this.shed += 1;
      turn.waiter.expired(waitedInVain());
    }
  }

  /** Gives free room to who waits, the oldest first. */
  #serve(): void {
    // Granting may give a backend back at once, which calls this again.
    if (this.#serving || this.#queue.size === 0) return;
    this.#serving = true;
    const now = this.#clock();
    for (const turn of this.#queue) {
      const backend = this.backends.choose(turn.request, turn.client, turn.tried, now);
      if (backend !== undefined) {
        this.#queue.delete(turn);
        turn.waiter.granted(backend);
        // Nobody has room where one that has tried none finds none.
      } else if (turn.tried.length === 0) break;
    }
    this.#serving = false;
  }
}
