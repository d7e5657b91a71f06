import { Worker } from 'node:worker_threads';
import { KelanaError } from '../core/errors.ts';
import { OPENED, type CallMap, type Response, type WorkerData } from './protocol.ts';

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: KelanaError) => void;
  readonly timer: NodeJS.Timeout;
}

/** Number of the last ask of a thread that is let go; its answer is waited for by nobody else. */
const GOODBYE = -1;

/**
 * The main thread's side of one store thread. A thread that died is started again by the next call; one that does
 * not answer in time (a disk that hangs) fails its call and every further one until it answers.
 */
export class StoreThread<Calls extends CallMap<Calls>> {
  readonly #data: WorkerData;
  readonly #name: string;
  readonly #code: URL;
  readonly #timeoutMs: number;
  readonly #idleMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #opening: Promise<void> | null = null;
  #seq = OPENED;
  #late = 0;
  #closed = false;
  #idle: NodeJS.Timeout | undefined;
  /** The end of threads that were let go. */
  #leaving: Promise<unknown> = Promise.resolve();

  /**
   * `code` is the module that the thread runs (serve.ts). After `idleMs` without a call the thread ends, as it holds
   * some 9 MiB; the next call, or `open`, starts another in some 40 ms.
   */
  constructor(name: string, code: URL, data: WorkerData, timeoutMs: number, idleMs = Infinity) {
    this.#name = name;
    this.#code = code;
    this.#data = data;
    this.#timeoutMs = timeoutMs;
    this.#idleMs = idleMs;
  }

  /** @throws KelanaError DATABASE where the file cannot be opened or is not ours */
  async open(): Promise<void> {
    if (this.#closed) throw new KelanaError('MAILBOX_UNSAFE', { why: WHY_CLOSED });
    this.#opening ??= this.#start();
    await this.#opening;
  }

  /** @throws KelanaError MAILBOX_BUSY, MAILBOX_UNSAFE, DATABASE */
  async call<K extends keyof Calls & string>(op: K, ask: Calls[K]['ask']): Promise<Calls[K]['answer']> {
    return await this.#ask<Calls[K]['answer']>(op, ask);
  }

  /** Waits for what is under way, then ends the thread. */
  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#worker !== null) await this.#ask('close', null).catch(() => null);
    this.#closed = true;
    clearTimeout(this.#idle);
    await Promise.all([this.#worker?.terminate(), this.#leaving]);
  }

  async #ask<T>(op: string, ask: unknown): Promise<T> {
    await this.open();
    if (this.#late > 0) throw new KelanaError('MAILBOX_UNSAFE', { why: WHY_HANGS });
    this.#seq += 1;
    const seq = this.#seq;
    return this.#expect<T>(seq, () => this.#worker?.postMessage({ seq, op, ask }));
  }

  async #start(): Promise<void> {
    const worker = new Worker(this.#code, {
      name: this.#name,
      workerData: this.#data,
    });
    this.#worker = worker;
    this.#late = 0;
    worker.on('message', (response: Response) => {
      if (this.#worker === worker) this.#settle(response);
    });
    worker.on('error', (thrown) => this.#lost(worker, thrown));
    worker.on('exit', () => this.#lost(worker, undefined));
    try {
      await this.#expect<null>(OPENED, () => undefined);
    } catch (thrown) {
      this.#opening = null;
      this.#worker = null;
      await worker.terminate();
      throw thrown;
    }
  }

  #expect<T>(seq: number, send: () => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const timer = setTimeout(() => {
        if (!this.#waiting.delete(seq)) return;
        this.#late += 1;
        reject(new KelanaError('MAILBOX_UNSAFE', { why: WHY_HANGS }));
      }, this.#timeoutMs);
      this.#waiting.set(seq, { resolve, reject, timer });
      send();
    });
  }

  #rest(): void {
    const worker = this.#worker;
    if (worker === null || this.#waiting.size > 0 || this.#late > 0) return;
    this.#worker = null;
    this.#opening = null;
    const end = (): void => void worker.terminate();
    const late = setTimeout(end, this.#timeoutMs).unref();
    const ended = new Promise<void>((resolve) => {
      worker.once('exit', () => {
        clearTimeout(late);
        resolve();
      });
    });
    this.#leaving = Promise.all([this.#leaving, ended]);
    worker.once('message', end);
    worker.postMessage({ seq: GOODBYE, op: 'close', ask: null });
  }

  #settle(response: Response): void {
    const waiting = this.#waiting.get(response.seq);
    if (waiting === undefined) {
      this.#late = Math.max(0, this.#late - 1);
      return;
    }
    this.#waiting.delete(response.seq);
    clearTimeout(waiting.timer);
    clearTimeout(this.#idle);
    if (this.#waiting.size === 0 && this.#idleMs < Infinity)
      this.#idle = setTimeout(() => this.#rest(), this.#idleMs).unref();
    if (response.ok) waiting.resolve(response.answer as never);
    else waiting.reject(new KelanaError(response.code, response.params));
  }

  #lost(worker: Worker, thrown: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#opening = null;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new KelanaError('MAILBOX_UNSAFE', { why: WHY_DIED }, thrown));
    }
    this.#waiting.clear();
  }
}

const WHY_CLOSED = { id: 'kotak pesan sudah ditutup', en: 'the mailbox is closed' };
const WHY_HANGS = { id: 'disk tidak menjawab', en: 'the disk does not answer' };
const WHY_DIED = { id: 'thread penyimpan pesan berhenti', en: 'the thread that stores messages stopped' };
