import type { Desired } from '../core/balance/changes.ts';
import type { Spent } from '../core/balance/rate.ts';
import { apply } from './apply.ts';
import type { Balancer, BalancerStats } from './balancer.ts';
import type { Bound } from './handles.ts';

/** What one process of the balancer tells of itself. */
export interface WorkerStats extends BalancerStats {
  readonly pid: number;
}

/** One process that accepts and relays, seen from the one that holds them together. */
export interface Worker {
  readonly pid: number;
  /** Why it ended; null where it was asked to. Never rejects. */
  readonly ended: Promise<string | null>;
  /** What it counted, as far as it has told; all of it once it ended in good order. Null where it never told. */
  readonly told: WorkerStats | null;
  /** @throws KelanaError WORKER_FAILED */
  apply(desired: Desired): Promise<void>;
  /** Reads them again; what is wrong is told as events. @throws KelanaError WORKER_FAILED */
  reloadCertificates(): Promise<void>;
  /** @throws KelanaError WORKER_FAILED */
  stats(): Promise<WorkerStats>;
  /** Accepts no more, finishes what it has within `BALANCER_CHANGE.drainMs`, and ends. Resolves when it stopped accepting. */
  drain(): Promise<void>;
  /** Ends within `BALANCER.closeMs`. */
  close(): Promise<void>;
  /** What the other processes let through of their common rate limit. */
  spend(spent: Spent): void;
  /** Called with what this one let through of it. */
  onSpent: (spent: Spent) => void;
  /** Copies of its sockets, which outlive it; a process of its own gives them, the own one lends those it has. */
  bound(): readonly Bound[];
}

/** The balancer of this very process: no message, no second process, until the first upgrade. */
export class LocalWorker implements Worker {
  readonly pid: number;
  readonly ended: Promise<string | null>;
  readonly #balancer: Balancer;
  readonly #workers: number;
  #end: (why: null) => void = () => undefined;
  onSpent: (spent: Spent) => void = () => undefined;

  /** `workers`: the processes that share the work. */
  constructor(balancer: Balancer, pid: number, workers = 1) {
    this.#balancer = balancer;
    this.#workers = workers;
    this.pid = pid;
    if (workers > 1) balancer.shareRate(workers, (spent) => this.onSpent(spent));
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  apply(desired: Desired): Promise<void> {
    apply(this.#balancer.backends, desired, this.#workers);
    return Promise.resolve();
  }

  reloadCertificates(): Promise<void> {
    this.#balancer.reloadCertificates();
    return Promise.resolve();
  }

  get told(): WorkerStats {
    return { pid: this.pid, ...this.#balancer.stats() };
  }

  stats(): Promise<WorkerStats> {
    return Promise.resolve(this.told);
  }

  drain(): Promise<void> {
    void this.#balancer.drain().then(() => this.#end(null));
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#balancer.close();
    this.#end(null);
  }

  spend(spent: Spent): void {
    this.#balancer.spend(spent);
  }

  bound(): readonly Bound[] {
    return this.#balancer.bound();
  }
}
