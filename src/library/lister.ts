import { Worker } from 'node:worker_threads';
import { LIBRARY } from '../core/config.ts';
import { listNow, type Chunk } from './list-now.ts';
import type { ListAsk } from './list-worker.ts';

/**
 * Lists folders: the first few in the node's own thread, for most shared folders are small; what goes on, or may hang
 * for long (a network drive), in a thread that ends with the lister. One `list` at a time.
 */
export class Lister {
  readonly #here: boolean;
  #listed = 0;
  #worker: Worker | undefined;
  #answer: ((chunk: Chunk | null | Error) => void) | undefined;
  #closed = false;

  /** `here` allows the node's own thread. */
  constructor(here: boolean) {
    this.#here = here;
  }

  /** Names that begin with `prefix` are left out. @throws Error where the thread ends */
  async *list(folders: readonly string[], prefix: string): AsyncGenerator<Chunk> {
    if (this.#here && this.#listed < LIBRARY.listHere) {
      for (const chunk of listNow(folders, (name) => name.startsWith(prefix))) {
        this.#listed += chunk.entries.length;
        yield chunk;
        await new Promise((resolve) => setImmediate(resolve));
      }
      return;
    }
    let next = this.#ask({ folders, prefix });
    for (let chunk = await next; chunk !== null; chunk = await next) {
      // The thread reads on while this chunk is used.
      next = this.#ask('more');
      next.catch(() => undefined);
      yield chunk;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#worker?.terminate();
    this.#answer?.(new Error('the listing was ended'));
  }

  #ask(what: ListAsk): Promise<Chunk | null> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return resolve(null);
      this.#answer = (answer) => {
        this.#answer = undefined;
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      };
      this.#worker ??= this.#start();
      this.#worker.postMessage(what);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./list-worker.ts', import.meta.url), {
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 64 },
    });
    const lost = (why: unknown): void => {
      this.#answer?.(why instanceof Error ? why : new Error('the listing thread ended'));
    };
    worker.on('message', (chunk: Chunk | null) => this.#answer?.(chunk));
    worker.on('error', lost);
    worker.on('exit', lost);
    return worker;
  }
}
