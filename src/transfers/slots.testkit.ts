import type { Slot } from '../core/transfer/ports.ts';

/** Memory for so many blocks, taken when it is first needed; whoever finds none waits in line. */
export class SlotPool {
  readonly #blockBytes: number;
  readonly #free: Uint8Array[] = [];
  readonly #waiting: ((bytes: Uint8Array) => void)[] = [];
  #left: number;

  constructor(count: number, blockBytes: number) {
    this.#left = count;
    this.#blockBytes = blockBytes;
  }

  /** @throws what `signal` was aborted with */
  async take(signal?: AbortSignal): Promise<Slot> {
    signal?.throwIfAborted();
    const bytes = this.#free.pop() ?? this.#fresh() ?? (await this.#wait(signal));
    let used = true;
    const release = (): void => {
      if (!used) return;
      used = false;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(bytes);
      else next(bytes);
    };
    return { bytes, release };
  }

  #fresh(): Uint8Array | null {
    if (this.#left === 0) return null;
    this.#left -= 1;
    return new Uint8Array(new SharedArrayBuffer(this.#blockBytes));
  }

  #wait(signal?: AbortSignal): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const take = (bytes: Uint8Array): void => {
        signal?.removeEventListener('abort', give);
        resolve(bytes);
      };
      const give = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', give, { once: true });
      this.#waiting.push(take);
    });
  }
}
