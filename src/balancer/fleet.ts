import type { Desired } from '../core/balance/changes.ts';
import { BALANCER_CHANGE } from '../core/config.ts';
import { asKelanaError, KelanaError, reason } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { release, type Bound } from './handles.ts';
import { NO_PAST, pastWith, type PastCounts } from './past.ts';
import type { StartOf } from './protocol.ts';
import type { Launcher } from './remote-worker.ts';
import type { LocalWorker, Worker, WorkerStats } from './worker.ts';

export interface FleetOptions {
  readonly local: LocalWorker;
  readonly launcher: Launcher;
  readonly who: () => string;
  readonly emit: Emit;
  /** ms, monotonic. */
  readonly clock: () => number;
}

/** The processes as `ls` shows them: those that serve, and the pids of replaced ones that still finish. */
export interface FleetStats {
  readonly workers: readonly WorkerStats[];
  readonly retiring: readonly number[];
  /** What those that finish do now. */
  readonly finishing: readonly WorkerStats[];
  /** What those have counted that serve no longer, those that finish included. */
  readonly past: PastCounts;
}

/** One of the processes that serve; `worker` is null while it is started again. */
interface Slot {
  worker: Worker | null;
  /** ms before the next start of a process that died. */
  waitMs: number;
  /** Ends that wait. */
  wake: () => void;
}

/**
 * The processes that serve one listening address. At first it is this process alone. `roll` starts new ones with the
 * same sockets, and lets the old ones finish; from then on this process only holds the sockets, so that what connects
 * while no process is there waits for the next one and is not refused.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #retiring = new Set<Worker>();
  #slots: readonly Slot[];
  #start: StartOf | null = null;
  /** Copies of the sockets, once this process does not accept itself. */
  #held: readonly Bound[] | null = null;
  #closing = false;
  readonly #counted = new WeakSet<Worker>();
  /** Of processes that ended. */
  #past = NO_PAST;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#slots = [{ ...NEW, worker: options.local }];
    this.#count(options.local);
  }

  /** New processes take over from those that are there. @throws KelanaError UPGRADE_FAILED; then nothing changed */
  async roll(start: StartOf): Promise<void> {
    const sockets = this.#held ?? this.#options.local.bound();
    const echo = this.#held === null;
    const started = await Promise.allSettled(
      Array.from({ length: start.workers }, () => this.#launch(start, sockets, echo)),
    );
    const fresh = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const [broken] = started.flatMap((one) => (one.status === 'rejected' ? [asKelanaError(one.reason)] : []));
    if (broken !== undefined || this.#closing) {
      await Promise.all(fresh.map((worker) => worker.close()));
      const why = broken === undefined ? reasonText(new KelanaError('INTERRUPTED')) : reasonText(broken);
      throw new KelanaError('UPGRADE_FAILED', { why }, broken);
    }
    const [first, ...others] = fresh;
    if (echo) {
      this.#held = first?.bound() ?? [];
      for (const worker of others) for (const { handle } of worker.bound()) release(handle);
    }
    const before = this.#slots;
    this.#start = start;
    this.#slots = fresh.map((worker) => this.#fill({ ...NEW }, worker));
    for (const slot of before) {
      slot.wake();
      const { worker } = slot;
      if (worker !== null) await this.#retire(worker);
    }
  }

  /** All processes do what is desired now; one that cannot is ended, and starts again with it. */
  async apply(desired: Desired): Promise<void> {
    if (this.#start !== null) this.#start = { ...this.#start, desired };
    await Promise.all(
      this.#workers().map(async (worker) => {
        try {
          await worker.apply(desired);
        } catch (thrown) {
          if (worker === this.#options.local) throw thrown;
          await worker.close();
        }
      }),
    );
  }

  /** A process that does not answer sees by itself, in a while, that the files have changed. */
  async reloadCertificates(): Promise<void> {
    await Promise.allSettled(this.#workers().map((worker) => worker.reloadCertificates()));
  }

  async stats(): Promise<FleetStats> {
    const [workers, retiring] = [this.#workers(), [...this.#retiring]];
    const all = [...workers, ...retiring];
    const told = new Map<Worker, WorkerStats>();
    await Promise.all(all.map((worker) => ask(worker, told)));
    // Who ended meanwhile has been counted with the past.
    const known = (of: readonly Worker[]): readonly WorkerStats[] =>
      of.flatMap((worker) => (this.#counted.has(worker) ? [] : (told.get(worker) ?? [])));
    const finishing = known(retiring);
    return {
      workers: known(workers),
      retiring: retiring.map(({ pid }) => pid),
      finishing,
      past: pastWith(this.#past, finishing),
    };
  }

  /** Keeps what it counted once it has ended. */
  #count(worker: Worker): void {
    void worker.ended.then(() => {
      this.#counted.add(worker);
      if (worker.told !== null) this.#past = pastWith(this.#past, [worker.told]);
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    const all = [...this.#workers(), ...this.#retiring];
    for (const { wake } of this.#slots) wake();
    await Promise.all(all.map((worker) => worker.close()));
    for (const { handle } of this.#held ?? []) release(handle);
    this.#held = [];
  }

  async #launch(start: StartOf, sockets: readonly Bound[], echo: boolean): Promise<Worker> {
    // Loaded on use: a balancer that is never upgraded does without.
    const { RemoteWorker } = await import('./remote-worker.ts');
    return await RemoteWorker.start(this.#options.launcher, start, sockets, echo);
  }

  #fill(slot: Slot, worker: Worker): Slot {
    slot.worker = worker;
    worker.onSpent = (spent) => {
      for (const other of this.#workers()) if (other !== worker) other.spend(spent);
    };
    this.#count(worker);
    const { emit, who, clock } = this.#options;
    const since = clock();
    emit({ type: 'part.started', who: who(), part: 'balancer', pid: worker.pid });
    void worker.ended.then((why) => {
      if (slot.worker !== worker || !this.#serves(slot)) return;
      slot.worker = null;
      if (clock() - since > BALANCER_CHANGE.stableMs) slot.waitMs = BALANCER_CHANGE.restartMinMs;
      void this.#again(slot, why ?? 'ended');
    });
    return slot;
  }

  #workers(): readonly Worker[] {
    return this.#slots.flatMap(({ worker }) => (worker === null ? [] : [worker]));
  }

  #serves(slot: Slot): boolean {
    return !this.#closing && this.#slots.includes(slot);
  }

  /** Starts a process in place of one that died, until one stays or the place is no longer wanted. */
  async #again(slot: Slot, why: string): Promise<void> {
    const { emit, who } = this.#options;
    let last = why;
    while (this.#serves(slot)) {
      const restartSeconds = slot.waitMs / 1000;
      emit({ type: 'part.exited', who: who(), part: 'balancer', reason: last, restartSeconds });
      await pause(slot);
      slot.waitMs = Math.min(slot.waitMs * 2, BALANCER_CHANGE.restartMaxMs);
      const start = this.#start;
      if (!this.#serves(slot) || start === null) return;
      try {
        const worker = await this.#launch(start, this.#held ?? [], false);
        if (!this.#serves(slot)) {
          await worker.close();
          return;
        }
        this.#fill(slot, worker);
        // What was changed while it started.
        const { desired } = this.#start ?? start;
        if (desired !== start.desired) await worker.apply(desired).catch(() => worker.close());
        return;
      } catch (thrown) {
        last = reason(thrown);
      }
    }
  }

  async #retire(worker: Worker): Promise<void> {
    this.#retiring.add(worker);
    void worker.ended.then(() => this.#retiring.delete(worker));
    // One that does not answer ends, as it would have been started again for that.
    await worker.drain().catch(() => worker.close());
    const [oldest] = this.#retiring;
    if (this.#retiring.size > BALANCER_CHANGE.maxRetiring) void oldest?.close();
  }
}

/** One that does not answer is taken to be as it was. */
async function ask(worker: Worker, told: Map<Worker, WorkerStats>): Promise<void> {
  const stats = await worker.stats().catch(() => worker.told);
  if (stats !== null) told.set(worker, stats);
}

/** Its words, without the point at their end. */
export function reasonText(error: KelanaError): { id: string; en: string } {
  const [id, en] = [error.describe('id').says, error.describe('en').says];
  return { id: id.replace(/\.$/, ''), en: en.replace(/\.$/, '') };
}

const NEW: Slot = { worker: null, waitMs: BALANCER_CHANGE.restartMinMs, wake: () => undefined };

function pause(slot: Slot): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, slot.waitMs);
    slot.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}
