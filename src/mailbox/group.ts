import { MAILBOX } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';

interface Entry<Item, Result> {
  readonly item: Item;
  readonly bytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (thrown: unknown) => void;
}

/**
 * Group commit: what arrives while one commit is under way shares the next, so that the cost of an fsync is spread
 * over as many messages as there are writers, and a lone writer waits for nobody.
 */
export class GroupCommit<Item, Result> {
  readonly #commit: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly #queue: Entry<Item, Result>[] = [];
  #bytes = 0;
  #running: Promise<void> | null = null;

  constructor(commit: (items: readonly Item[]) => Promise<readonly Result[]>) {
    this.#commit = commit;
  }

  /** Resolves after the item's commit. @throws KelanaError MAILBOX_BUSY when too much waits; what the commit throws */
  add(item: Item, bytes: number): Promise<Result> {
    if (this.#queue.length >= MAILBOX.maxPending || this.#bytes + bytes > MAILBOX.maxPendingBytes) {
      return Promise.reject(new KelanaError('MAILBOX_BUSY', { why: WHY_FULL }));
    }
    return new Promise<Result>((resolve, reject) => {
      this.#queue.push({ item, bytes, resolve, reject });
      this.#bytes += bytes;
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing is left to commit. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    // The rest of this turn of the event loop may bring more.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, MAILBOX.maxBatch);
      try {
        const results = await this.#commit(batch.map(({ item }) => item));
        batch.forEach(({ resolve, reject }, index) => {
          const result = results[index];
          if (result === undefined)
            reject(new KelanaError('INTERNAL', { detail: 'commit without a result' }));
          else resolve(result);
        });
      } catch (thrown) {
        for (const { reject } of batch) reject(thrown);
      }
      for (const { bytes } of batch) this.#bytes -= bytes;
    }
    this.#running = null;
  }
}

const WHY_FULL = { id: 'terlalu banyak pesan menunggu disk', en: 'too many messages wait for the disk' };
