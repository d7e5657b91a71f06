import { MESSAGES } from '../core/config.ts';
import { asKelanaError, type ErrorCode, type KelanaError } from '../core/errors.ts';
import type { InboxItem } from '../core/messages/ports.ts';
import { retryWait } from '../core/messages/schedule.ts';
import { whyOf } from '../core/messages/why.ts';
import type { Random } from '../core/random.ts';

export interface FetchingOptions {
  /**
   * Fetches an accepted offer into the downloads folder; gives the path. `onBytes`: bytes on the disk, and those of them
   * that came in this attempt.
   */
  fetch(
    item: InboxItem,
    signal: AbortSignal,
    onBytes: (bytes: number, fetched: number) => void,
  ): Promise<string>;
  /** It is done, or it never will be; `why` is the reason of a failure. Resolves once that is stored. */
  ended(item: InboxItem, outcome: { path: string } | { why: string }): Promise<void>;
  /** Something is new: progress, an end, or a reason to wait. */
  onChange(): void;
  /** ms since 1970. */
  readonly now: () => number;
  readonly random: Random;
}

export interface Fetch {
  bytes: number;
  /** Why it is not under way; null while it is. */
  waiting: string | null;
}

interface Job extends Fetch {
  readonly item: InboxItem;
  attempts: number;
  running: boolean;
  timer: NodeJS.Timeout | undefined;
}

/** A try later on may bring it: the sender is away or busy, or the disk is full. */
const LATER: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'PEER_UNREACHABLE',
  'TRANSFER_FAILED',
  'CANNOT_WRITE',
  'BUSY',
  'DOWNLOAD_BUSY',
  'TIMEOUT',
]);

/** Fetches what was accepted, a few at once, again and again until it is there or cannot be had. */
export class Fetching {
  readonly #options: FetchingOptions;
  readonly #jobs = new Map<number, Job>();
  readonly #stop = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(options: FetchingOptions) {
    this.#options = options;
  }

  /** How a fetch stands; undefined where there is none. */
  get(no: number): Readonly<Fetch> | undefined {
    return this.#jobs.get(no);
  }

  add(item: InboxItem): void {
    if (this.#jobs.has(item.no) || this.#stop.signal.aborted) return;
    this.#jobs.set(item.no, {
      item,
      bytes: 0,
      waiting: null,
      attempts: 0,
      running: false,
      timer: undefined,
    });
    this.#next();
  }

  /** The sender is there again. */
  heard(peer: string): void {
    for (const job of this.#jobs.values())
      if (job.item.peer === peer && job.timer !== undefined) this.#wake(job);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    for (const { timer } of this.#jobs.values()) clearTimeout(timer);
    await Promise.all(this.#running);
  }

  #wake(job: Job): void {
    clearTimeout(job.timer);
    job.timer = undefined;
    this.#next();
  }

  #next(): void {
    for (const job of this.#jobs.values()) {
      if (this.#running.size >= MESSAGES.fetchesAtOnce || this.#stop.signal.aborted) return;
      if (job.running || job.timer !== undefined) continue;
      job.running = true;
      const run = this.#run(job).finally(() => {
        this.#running.delete(run);
        this.#next();
      });
      this.#running.add(run);
    }
  }

  /** Never rejects. */
  async #run(job: Job): Promise<void> {
    const { signal } = this.#stop;
    job.waiting = null;
    job.bytes = 0;
    try {
      const path = await this.#options.fetch(job.item, signal, (bytes, fetched) => {
        job.bytes = bytes;
        if (fetched > 0) job.attempts = 0;
      });
      await this.#options.ended(job.item, { path });
      this.#jobs.delete(job.item.no);
    } catch (thrown) {
      if (!signal.aborted) await this.#failed(job, asKelanaError(thrown));
    }
    job.running = false;
    this.#options.onChange();
  }

  async #failed(job: Job, error: KelanaError): Promise<void> {
    const { now, random } = this.#options;
    const why = whyOf(error);
    const final = !LATER.has(error.code) || error.params['refusal'] === 'not-here';
    if (final || now() > job.item.receivedAt + MESSAGES.expireMs) {
      try {
        await this.#options.ended(job.item, { why });
        this.#jobs.delete(job.item.no);
        return;
      } catch {
        // The disk of the inbox fails: that too is tried again.
      }
    }
    // Not before: who looks while an end is being stored would hear that it goes on.
    job.waiting = why;
    job.attempts += 1;
    job.timer = setTimeout(() => this.#wake(job), retryWait(job.attempts, random));
    job.timer.unref();
  }
}
