import { close, unlink } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { INCOMING } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Slot } from '../core/transfer/ports.ts';
import { THREAD_STOPPED } from './files.ts';
import { PoolSlot, SlotPool } from './slots.ts';
import type { Begun } from './begin-now.ts';
import type {
  Answer,
  Ask,
  BeginFile,
  CheckAsk,
  SharedFile,
  SmallFiles,
  WriterData,
} from './writer-protocol.ts';

export interface WriterOptions {
  /** Slots of 1 MiB. */
  readonly slots?: number;
  /** ms without work after which the thread ends. */
  readonly idleMs?: number;
  /** ms for one piece of work. */
  readonly diskTimeoutMs?: number;
}

/** What the thread could not do: the errno is the `code`, as of node's own errors. */
export class DiskError extends Error {
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

interface Job {
  readonly slot: PoolSlot | null;
  /** An answer beside an error is one too. */
  readonly partly: boolean;
  /** null: nobody waits any more, the thread hung. */
  waiter: { resolve: (answer: Answer) => void; reject: (why: unknown) => void } | null;
  /** What becomes of an answer that nobody waits for. */
  readonly late: ((answer: Answer) => void) | undefined;
}

type Unnumbered<T> = T extends { seq: number } ? Omit<T, 'seq'> : never;

/**
 * The memory that downloads of a node fill, and the one thread that hashes and writes it. The thread starts with the
 * first slot, starts again after it died, and keeps no process alive. One thread is enough: it is the socket that
 * takes the other core (decision 020).
 */
export class Writer {
  readonly #pool: SlotPool;
  readonly #idleMs: number;
  readonly #diskTimeoutMs: number;
  readonly #files = new Map<number, SharedFile>();
  /** In the order in which the thread does them. */
  readonly #jobs = new Map<number, Job>();
  /** Waits for all jobs up to a number, in the order of the numbers. */
  #barriers: { seq: number; resolve: () => void }[] = [];
  #worker: Worker | null = null;
  #seq = 0;
  #nextFile = 0;
  /** When the thread began the first job, in ms. */
  #since = 0;
  #hangs = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: WriterOptions = {}) {
    this.#idleMs = options.idleMs ?? INCOMING.idleMs;
    this.#diskTimeoutMs = options.diskTimeoutMs ?? INCOMING.diskTimeoutMs;
    this.#pool = new SlotPool(options.slots, (slot, bytes) =>
      this.#worker?.postMessage({ op: 'slot', slot, bytes } satisfies Ask),
    );
  }

  /** The thread is there. */
  get running(): boolean {
    return this.#worker !== null;
  }

  /** At once where one is free. @throws the signal's reason; KelanaError TRANSFER_FAILED once the writer is closed */
  slot(signal?: AbortSignal): Slot | Promise<Slot> {
    if (this.#closed) return Promise.reject(closed());
    if (this.#hangs) return Promise.reject(hangs());
    this.#running();
    return this.#pool.take(signal);
  }

  /** Starts the thread, which takes some 40 ms, before there is anything for it to do. */
  warm(): void {
    if (!this.#closed) this.#running();
  }

  /** Makes a file known to the thread; gives its number. */
  open(file: SharedFile): number {
    if (this.#closed) throw closed();
    const number = this.#nextFile;
    this.#nextFile += 1;
    this.#files.set(number, file);
    // A worker that is started by this is told of all files anyway.
    if (this.#worker === null) this.#running();
    else this.#worker.postMessage({ op: 'open', file: number, ...file } satisfies Ask);
    return number;
  }

  /**
   * Has the thread make the part of a new download, and make it known to itself; gives its number. Null where that is
   * not plain (`beginNow`), or the thread died over it.
   * @throws KelanaError TRANSFER_FAILED once the writer is closed; DiskError ETIMEDOUT where the disk hangs
   */
  async begin(ask: BeginFile): Promise<{ readonly file: number; readonly begun: Begun } | null> {
    const file = this.#nextFile;
    this.#nextFile += 1;
    const late = ({ value }: Answer): void => {
      if (isBegun(value)) this.#takeBack(file, value, ask);
    };
    const { value } = await this.#ask({ op: 'begin', file, ...ask }, null, { late }).catch(
      (thrown: unknown): Pick<Answer, 'value'> => {
        if (thrown instanceof DiskError && thrown.code !== 'ETIMEDOUT') return { value: null };
        throw thrown;
      },
    );
    if (!isBegun(value)) return null;
    this.#files.set(file, { ...ask.shared, fd: value.fd, bitsFd: value.bitsFd });
    return { file, begun: value };
  }

  /**
   * Forgets a file after all that was asked before. Only then may its descriptor be closed: the number may at once
   * be that of another file. @throws where the disk hangs; the descriptor then has to stay open
   */
  async forget(file: number): Promise<void> {
    await this.#passed(this.#seq);
    if (!this.#files.delete(file)) return;
    this.#worker?.postMessage({ op: 'close', file } satisfies Ask);
    this.#since = performance.now();
  }

  /** Hashes a slot and writes it where it is block `index` of `file`. The slot comes back by itself. */
  async block(file: number, index: number, slot: Slot): Promise<boolean> {
    const own = this.#own(slot);
    const { value } = await this.#ask({ op: 'block', file, index, slot: own.number }, own);
    return value === 1;
  }

  async check(file: number, ask: CheckAsk): Promise<number> {
    const { value } = await this.#ask({ op: 'check', file, ...ask }, null);
    return Number(value);
  }

  async reserve(file: number, first: number, count: number): Promise<void> {
    await this.#ask({ op: 'reserve', file, first, count }, null);
  }

  /** Writes small files out of a slot; gives a STATE for each, beside the error that kept it from the rest. */
  async put(files: SmallFiles, slot: Slot): Promise<{ states: Uint8Array; error: unknown }> {
    const own = this.#own(slot);
    const answer = await this.#ask({ op: 'put', slot: own.number, ...files }, own, { partly: true });
    return { states: answer.value as Uint8Array, error: errorOf(answer) };
  }

  /** Which of these files are on the disk as they must be; a STATE for each. */
  async look(files: SmallFiles): Promise<Uint8Array> {
    const { value } = await this.#ask({ op: 'look', ...files }, null);
    return value as Uint8Array;
  }

  async sync(root: string, paths: readonly string[]): Promise<void> {
    await this.#ask({ op: 'sync', root, paths }, null);
  }

  /** Waits for what is under way, at most as long as a disk may take, then ends the thread. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#pool.fail(closed());
    await this.#passed(this.#seq).catch(() => undefined);
    clearInterval(this.#timer);
    const worker = this.#worker;
    this.#worker = null;
    if (worker === null) return;
    const ended = worker.terminate();
    // A thread that hangs in a call of the system ends only with that call: nobody waits for it. But where all is
    // well, nothing else may keep the process alive until it has ended.
    if (this.#hangs) worker.unref();
    else {
      worker.ref();
      await ended;
    }
  }

  /** The disk answered after all, but nobody waits any more. */
  #takeBack(file: number, { folder, fd, bitsFd }: Begun, { begin: { part, bitmap } }: BeginFile): void {
    this.#worker?.postMessage({ op: 'close', file } satisfies Ask);
    for (const one of [fd, bitsFd]) if (one !== null) close(one, ignore);
    for (const name of [part, bitmap?.name]) if (name !== undefined) unlink(join(folder, name), ignore);
  }

  #own(slot: Slot): PoolSlot {
    if (!(slot instanceof PoolSlot))
      throw new KelanaError('INTERNAL', { detail: 'not a slot of this writer' });
    return slot;
  }

  #ask(
    ask: Unnumbered<Extract<Ask, { seq: number }>>,
    slot: PoolSlot | null,
    { partly = false, late }: { partly?: boolean; late?: (answer: Answer) => void } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      slot?.toThread();
      if (this.#closed || this.#hangs) {
        slot?.fromThread();
        throw this.#closed ? closed() : hangs();
      }
      const worker = this.#running();
      this.#seq += 1;
      const seq = this.#seq;
      if (this.#jobs.size === 0) {
        this.#since = performance.now();
        worker.ref();
      }
      this.#jobs.set(seq, { slot, partly, waiter: { resolve, reject }, late });
      worker.postMessage({ ...ask, seq });
    });
  }

  #running(): Worker {
    if (this.#worker !== null) return this.#worker;
    const worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
      name: 'writer',
      execArgv: [],
      // Files that it opens for downloads are closed by whoever has them, and outlive it.
      trackUnmanagedFds: false,
      workerData: { tailBytes: INCOMING.tailBytes } satisfies WriterData,
    });
    this.#worker = worker;
    worker.on('message', (answer: Answer) => this.#settle(answer));
    worker.on('error', (thrown) => this.#lost(worker, thrown));
    worker.on('exit', () => this.#lost(worker, undefined));
    // Only now: a listener for messages would keep the process alive again.
    worker.unref();
    for (const [slot, bytes] of this.#pool.buffers.entries())
      worker.postMessage({ op: 'slot', slot, bytes } satisfies Ask);
    for (const [file, shared] of this.#files)
      worker.postMessage({ op: 'open', file, ...shared } satisfies Ask);
    this.#since = performance.now();
    this.#timer ??= setInterval(
      () => this.#tick(),
      Math.min(1_000, this.#diskTimeoutMs, this.#idleMs),
    ).unref();
    return worker;
  }

  #settle(answer: Answer): void {
    const job = this.#jobs.get(answer.seq);
    if (job === undefined) return;
    this.#jobs.delete(answer.seq);
    this.#since = performance.now();
    job.slot?.fromThread();
    const error = job.partly ? null : errorOf(answer);
    if (job.waiter === null) job.late?.(answer);
    else if (error === null) job.waiter.resolve(answer);
    else job.waiter.reject(error);
    this.#advance();
  }

  /** After jobs have ended. */
  #advance(): void {
    const [oldest = Infinity] = this.#jobs.keys();
    if (oldest === Infinity) {
      this.#hangs = false;
      this.#worker?.unref();
    }
    while ((this.#barriers[0]?.seq ?? Infinity) < oldest) this.#barriers.shift()?.resolve();
  }

  /** Waits for all jobs up to `seq`. @throws DiskError where the thread hangs */
  async #passed(seq: number): Promise<void> {
    const [oldest = Infinity] = this.#jobs.keys();
    if (seq < oldest) return;
    if (!this.#hangs) await new Promise<void>((resolve) => this.#barriers.push({ seq, resolve }));
    if (this.#hangs) throw hangs();
  }

  #tick(): void {
    const quiet = performance.now() - this.#since;
    if (this.#jobs.size > 0) {
      if (quiet > this.#diskTimeoutMs && !this.#hangs) this.#giveUp();
    } else if (quiet > this.#idleMs && this.#files.size === 0 && this.#pool.out === 0) {
      const worker = this.#worker;
      this.#worker = null;
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#pool.drop();
      void worker?.terminate();
    }
  }

  /** Slots and descriptors stay with the thread until it comes back: it may still use them. */
  #giveUp(): void {
    this.#hangs = true;
    for (const job of this.#jobs.values()) {
      job.waiter?.reject(hangs());
      job.waiter = null;
    }
    this.#pool.fail(hangs());
    for (const { resolve } of this.#barriers.splice(0)) resolve();
  }

  #lost(worker: Worker, thrown: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    const jobs = [...this.#jobs.values()];
    this.#jobs.clear();
    for (const job of jobs) {
      job.slot?.fromThread();
      job.waiter?.reject(new DiskError('', THREAD_STOPPED, thrown));
    }
    this.#advance();
  }
}

const ignore = (): void => undefined;

function isBegun(value: Answer['value']): value is Begun {
  return typeof value === 'object' && value !== null && 'fd' in value;
}

function errorOf({ error }: Answer): Error | null {
  return error === undefined ? null : new DiskError(error.code, error.message);
}

function hangs(): DiskError {
  return new DiskError('ETIMEDOUT', 'the disk does not answer');
}

function closed(): KelanaError {
  const why = { id: 'penulisnya sudah ditutup', en: 'the writer is closed' };
  return new KelanaError('TRANSFER_FAILED', { name: '…', why });
}
