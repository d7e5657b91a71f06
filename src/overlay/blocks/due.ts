import { breach } from '../../core/wire/blocks.ts';

/** An answer that is due. */
export interface Due {
  readonly type: 'manifest' | 'node' | 'have' | 'block' | 'peers';
  readonly request: number;
  readonly cid: Uint8Array;
  /** Of a block or node; of `peers` the port. */
  readonly index: number;
}

/** Neighbours that were asked for together. */
type Run = { -readonly [name in keyof Due]: Due[name] } & { count: number };

/** What one asker is owed, in the order of its numbers: a cancel finds what it means without a look at the rest. */
export class DueQueue {
  readonly #runs: Run[] = [];
  #size = 0;
  /** The least number that the next request may have. */
  #next = 0;

  /** Answers that are due. */
  get size(): number {
    return this.#size;
  }

  /** `count` answers, the first with these numbers. @throws KelanaError PEER_PROTOCOL where the numbers do not rise */
  add(type: Due['type'], request: number, cid: Uint8Array, index: number, count: number): void {
    if (request < this.#next) throw breach('requests out of order');
    this.#next = request + count;
    this.#size += count;
    this.#runs.push({ type, request, cid, index, count });
  }

  take(): Due | undefined {
    const [first] = this.#runs;
    if (first === undefined) return undefined;
    this.#size -= 1;
    if (first.count === 1) return this.#runs.shift();
    const { type, request, cid, index } = first;
    first.request += 1;
    first.index += 1;
    first.count -= 1;
    return { type, request, cid, index };
  }

  /** Removes `count` numbers from `request` on; those that are not there are none. */
  cancel(request: number, count: number): void {
    const end = request + count;
    const from = this.#find(request);
    const left: Run[] = [];
    let to = from;
    for (; to < this.#runs.length; to += 1) {
      const run = this.#runs[to];
      if (run === undefined || run.request >= end) break;
      const before = Math.max(0, request - run.request);
      const after = Math.max(0, run.request + run.count - end);
      const skipped = run.count - after;
      this.#size -= skipped - before;
      if (before > 0) left.push({ ...run, count: before });
      if (after > 0)
        left.push({ ...run, request: run.request + skipped, index: run.index + skipped, count: after });
    }
    if (to > from) this.#runs.splice(from, to - from, ...left);
  }

  /** The first run that does not end before `request`. */
  #find(request: number): number {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const run = this.#runs[middle];
      if (run !== undefined && run.request + run.count <= request) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
