import { Worker } from 'node:worker_threads';
import { LIBRARY } from '../core/config.ts';
import { cidFrom, type Hashed, type NotHashed } from './hash.ts';
import { hashNow, type HashAnswer, type HashSignals } from './hash-now.ts';
import type { HashJob } from './hash-worker.ts';

interface Waiting {
  readonly path: string;
  readonly size: number;
  readonly resolve: (hashed: Hashed | NotHashed) => void;
  readonly reject: (why: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly signals: HashSignals;
  job: readonly Waiting[];
  /** KiB that were counted before its present job. */
  counted: number;
  idle: NodeJS.Timeout | undefined;
}

/**
 * Hashes files in threads, many small ones to a message. Threads start when there is work and end when there is none;
 * one that dies fails its files and is replaced.
 */
export class Hasher {
  /** Bytes of the files that were hashed. */
  #done = 0;
  readonly #most: number;
  readonly #threads = new Set<Thread>();
  /** Those that cannot wait, and those that can. */
  readonly #soon: Waiting[] = [];
  readonly #later: Waiting[] = [];
  readonly #room: (() => void)[] = [];
  #closed = false;
  #trifles = { since: 0, count: 0 };
  readonly #buffer = new Uint8Array(LIBRARY.hashBytes);

  constructor(threads: number = LIBRARY.hashThreads) {
    this.#most = threads;
  }

  /** Files that wait or are being hashed. */
  get busy(): number {
    let count = this.#soon.length + this.#later.length;
    for (const { job } of this.#threads) count += job.length;
    return count;
  }

  /** Bytes hashed since the start, those of files under way too (to a block). */
  get bytes(): number {
    let bytes = this.#done;
    for (const thread of this.#threads)
      if (thread.job.length > 0)
        bytes += Math.min(
          Math.max(0, Atomics.load(thread.signals, 1) - thread.counted) * 1024,
          sizeOf(thread.job),
        );
    return bytes;
  }

  /** Resolves when fewer files wait (of those that cannot, where `first`) than `LIBRARY.hashQueue`, or after `close`. */
  async room(first: boolean): Promise<void> {
    const queue = first ? this.#soon : this.#later;
    while (!this.#closed && queue.length >= LIBRARY.hashQueue)
      await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  /**
   * Hashes a file of about this size; `first` puts it before those that wait, `here` allows to do it in this very
   * thread. After `close` all are `changing`. Rejects with what the file system threw.
   */
  hash(path: string, size: number, { first = false, here = false } = {}): Promise<Hashed | NotHashed> {
    return new Promise((resolve, reject) => {
      const waiting = { path, size, resolve, reject };
      if (this.#closed) return resolve('changing');
      if (here && this.#isTrifle(size, first)) return this.#hashHere(waiting);
      (first ? this.#soon : this.#later).push(waiting);
      this.#give();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { resolve } of [...this.#soon.splice(0), ...this.#later.splice(0)]) resolve('changing');
    this.#letIn();
    await Promise.all(Array.from(this.#threads, (thread) => this.#end(thread)));
  }

  /** A few small files a second are hashed before a thread has even started, or while all are at large ones. */
  #isTrifle(size: number, first: boolean): boolean {
    if ((this.#threads.size > 0 && !first) || size > LIBRARY.hashBytes) return false;
    const now = performance.now();
    if (now - this.#trifles.since > 1_000) this.#trifles = { since: now, count: 0 };
    this.#trifles.count += 1;
    return this.#trifles.count <= LIBRARY.hashHere;
  }

  #hashHere(waiting: Waiting): void {
    const began = performance.now();
    const answer = hashNow(waiting.path, new Int32Array(new SharedArrayBuffer(8)), this.#buffer);
    // A slow disk is no place for trifles.
    if (performance.now() - began > LIBRARY.slowReadMs) this.#trifles.count = LIBRARY.hashHere;
    this.#answer(waiting, answer);
  }

  #give(): void {
    while (!this.#closed && this.#soon.length + this.#later.length > 0) {
      const free = [...this.#threads].find(({ job }) => job.length === 0) ?? this.#start();
      if (free === null) break;
      clearTimeout(free.idle);
      free.job = this.#batch();
      free.counted = Atomics.load(free.signals, 1);
      const job: HashJob = free.job.map(({ path }) => path);
      free.worker.ref();
      free.worker.postMessage(job);
    }
    this.#letIn();
  }

  #batch(): readonly Waiting[] {
    const queue = this.#soon.length > 0 ? this.#soon : this.#later;
    let bytes = 0;
    let count = 0;
    for (const { size } of queue) {
      if (count === LIBRARY.hashBatch || (count > 0 && bytes + size > LIBRARY.hashBatchBytes)) break;
      bytes += size;
      count += 1;
    }
    return queue.splice(0, count);
  }

  /** Wakes who waits for room; each looks again. */
  #letIn(): void {
    for (const go of this.#room.splice(0)) go();
  }

  #start(): Thread | null {
    // What cannot wait has a thread beside those that may be at a large file for minutes.
    if (this.#threads.size >= this.#most + (this.#soon.length > 0 ? 1 : 0)) return null;
    const signals: HashSignals = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(new URL('./hash-worker.ts', import.meta.url), {
      workerData: signals,
      // Those of a process that was started with `--eval` would not do for a file.
      execArgv: [],
      // A hasher keeps nothing: small heaps keep the process small.
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 },
    });
    const thread: Thread = { worker, signals, job: [], counted: 0, idle: undefined };
    this.#threads.add(thread);
    worker.on('message', (answers: readonly HashAnswer[]) => this.#take(thread, answers));
    worker.on('error', (why) => this.#lost(thread, why instanceof Error ? why : new Error(String(why))));
    worker.on('exit', () => this.#lost(thread, new Error('the hashing thread ended')));
    return thread;
  }

  #take(thread: Thread, answers: readonly HashAnswer[]): void {
    const { job } = thread;
    thread.job = [];
    for (const [at, waiting] of job.entries()) this.#answer(waiting, answers[at] ?? 'changing');
    this.#give();
    if (thread.job.length > 0 || this.#closed) return;
    // Neither an idle thread nor the timer that ends it keeps a process alive.
    thread.worker.unref();
    thread.idle = setTimeout(() => void this.#end(thread), LIBRARY.hashIdleMs).unref();
  }

  #answer({ resolve, reject }: Waiting, answer: HashAnswer): void {
    if (typeof answer === 'string') resolve(answer);
    else if ('failed' in answer) reject(Object.assign(new Error(answer.message), { code: answer.failed }));
    else {
      this.#done += answer.size;
      resolve({ ...answer, cid: cidFrom(answer.digests, answer.size) });
    }
  }

  #lost(thread: Thread, why: Error): void {
    if (!this.#threads.delete(thread)) return;
    clearTimeout(thread.idle);
    for (const { reject, resolve } of thread.job)
      if (this.#closed) resolve('changing');
      else reject(why);
    thread.job = [];
    this.#give();
  }

  async #end(thread: Thread): Promise<void> {
    clearTimeout(thread.idle);
    Atomics.store(thread.signals, 0, 1);
    await thread.worker.terminate();
    this.#lost(thread, new Error('the hashing thread was ended'));
  }
}

function sizeOf(job: readonly Waiting[]): number {
  return job.reduce((sum, { size }) => sum + size, 0);
}
