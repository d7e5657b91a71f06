/** Buffers of one size that are used again; made when they are first needed, `most` of them. */
export class Buffers {
  readonly #most: number;
  readonly #bytes: number;
  readonly #free: Uint8Array[] = [];
  #made = 0;

  constructor(most: number, bytes: number) {
    this.#most = most;
    this.#bytes = bytes;
  }

  /** Undefined where all are out. */
  take(): Uint8Array | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#made === this.#most) return free;
    this.#made += 1;
    return new Uint8Array(this.#bytes);
  }

  /** How many are out. */
  get out(): number {
    return this.#made - this.#free.length;
  }

  give(buffer: Uint8Array): void {
    this.#free.push(buffer);
  }
}
