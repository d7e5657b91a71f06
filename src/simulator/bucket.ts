import type { SearchFrame } from '../core/search/search.ts';

/** Frames that arrive in one round, first in first out, in lists that are used again: a frame costs no object. */
export class Bucket {
  readonly to: number[] = [];
  readonly from: number[] = [];
  readonly frames: SearchFrame[] = [];
  length = 0;

  push(to: number, from: number, frame: SearchFrame): void {
    this.to[this.length] = to;
    this.from[this.length] = from;
    this.frames[this.length] = frame;
    this.length += 1;
  }

  clear(): void {
    this.length = 0;
    // A flood's list is long; what it points to must not live on.
    if (this.frames.length > 65_536) this.frames.length = 0;
  }
}
