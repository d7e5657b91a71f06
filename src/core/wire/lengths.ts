import { KelanaError } from '../errors.ts';

/** Puts the length before a frame, as an unsigned varint (protobuf "delimited" framing). */
export function delimit(frame: Uint8Array): Uint8Array {
  const head: number[] = [];
  let rest = frame.length;
  while (rest > 0x7f) {
    head.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  head.push(rest);
  const out = new Uint8Array(head.length + frame.length);
  out.set(head);
  out.set(frame, head.length);
  return out;
}

/**
 * Push parser of length-prefixed frames: bytes in any pieces, whole frames out. Holds at most one frame.
 * The frames it yields are its own copies or views of the pushed chunk; the caller must not reuse that chunk.
 */
export class FrameSplitter {
  readonly #maxBytes: () => number;
  #length = 0;
  #shift = 0;
  #partial: Uint8Array | null = null;
  #filled = 0;

  /** `maxBytes` of a frame; a function is asked at the head of each. */
  constructor(maxBytes: number | (() => number)) {
    this.#maxBytes = typeof maxBytes === 'number' ? () => maxBytes : maxBytes;
  }

  /** @throws KelanaError PEER_PROTOCOL when a length is over the limit or no varint; the splitter is then unusable */
  *push(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial === null) {
        const byte = chunk[at] ?? 0;
        at += 1;
        this.#length |= (byte & 0x7f) << this.#shift;
        this.#shift += 7;
        if ((byte & 0x80) !== 0) {
          if (this.#shift > 21) throw tooLong();
          continue;
        }
        if (this.#length > this.#maxBytes()) throw tooLong();
        if (chunk.length - at >= this.#length) {
          const frame = chunk.subarray(at, at + this.#length);
          at += this.#length;
          this.#reset();
          yield frame;
          continue;
        }
        this.#partial = new Uint8Array(this.#length);
        this.#filled = 0;
      }
      const take = Math.min(this.#partial.length - this.#filled, chunk.length - at);
      this.#partial.set(chunk.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
      if (this.#filled === this.#partial.length) {
        const frame = this.#partial;
        this.#reset();
        yield frame;
      }
    }
  }

  #reset(): void {
    this.#partial = null;
    this.#length = 0;
    this.#shift = 0;
  }
}

function tooLong(): KelanaError {
  return new KelanaError('PEER_PROTOCOL', { peer: '', why: 'a frame over the size limit' });
}
