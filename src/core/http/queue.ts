import type { Decode } from './syntax.ts';

const EMPTY = new Uint8Array(0);

/**
 * Bytes waiting to be parsed, always contiguous. While everything pushed is consumed before the next push, nothing
 * is copied; a rest is copied once into a buffer of its own that grows by doubling, so drips cost linear time.
 * Slices handed out stay valid: a byte that was taken is never written over.
 */
export class ByteQueue {
  /** What is waiting is bytes[start, end). */
  #bytes: Uint8Array = EMPTY;
  #start = 0;
  #end = 0;
  /** The buffer is ours, so that it may be appended to and outlives the caller's. */
  #owned = false;

  get length(): number {
    return this.#end - this.#start;
  }

  /** The first `count` of these bytes. */
  push(bytes: Uint8Array, count = bytes.length): void {
    if (this.length === 0) {
      this.#bytes = bytes;
      this.#start = 0;
      this.#end = count;
      this.#owned = false;
      return;
    }
    if (!this.#owned || this.#bytes.length - this.#end < count) this.#grow(count);
    this.#bytes.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.#end);
    this.#end += count;
  }

  /** Copies what is left, so that the caller may use its buffer again. */
  own(): void {
    if (this.length === 0) this.clear();
    else if (!this.#owned) this.#grow(0);
  }

  #grow(extra: number): void {
    const rest = this.#bytes.subarray(this.#start, this.#end);
    const grown = new Uint8Array(Math.max(256, 2 * (rest.length + extra)));
    grown.set(rest);
    this.#bytes = grown;
    this.#end = rest.length;
    this.#start = 0;
    this.#owned = true;
  }

  /** The byte at an offset, or -1 past the end. */
  at(offset: number): number {
    return offset < this.length ? (this.#bytes[this.#start + offset] ?? -1) : -1;
  }

  /** Offset of the first CR or LF at or after `from`, or -1. */
  lineEnd(from: number): number {
    const bytes = this.#bytes;
    for (let at = this.#start + from; at < this.#end; at += 1) {
      const byte = bytes[at];
      if (byte === 13 || byte === 10) return at - this.#start;
    }
    return -1;
  }

  text(decode: Decode, length: number): string {
    return decode(this.#bytes, this.#start, this.#start + length);
  }

  /** At most `most` bytes off the front, without copying; undefined where there are none. */
  take(most: number): Uint8Array | undefined {
    const count = Math.min(most, this.length);
    if (count === 0) return undefined;
    const taken = this.#bytes.subarray(this.#start, this.#start + count);
    this.#start += count;
    return taken;
  }

  /** Copies bytes from an offset, all of which must be here. */
  copy(offset: number, count: number, into: Uint8Array, to: number): void {
    const from = this.#start + offset;
    // A call costs more than some bytes do.
    if (count > 32) into.set(this.#bytes.subarray(from, from + count), to);
    else for (let at = 0; at < count; at += 1) into[to + at] = this.#bytes[from + at] ?? 0;
  }

  skip(count: number): void {
    this.#start += count;
  }

  clear(): void {
    this.#bytes = EMPTY;
    this.#start = 0;
    this.#end = 0;
    this.#owned = false;
  }
}
