import type { ByteQueue } from './queue.ts';

/** Hex digits of a chunk size: 2^52 and some leading zeros. */
export const MAX_SIZE_DIGITS = 16;
/** Bytes of a chunk from which it is handed on by itself, and of what smaller ones are gathered to. */
export const SMALL_CHUNK = 1024;
const GATHERED = 16 * 1024;
const CR = 13;
const LF = 10;

/** Value of a hexadecimal digit's byte, or -1. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

const NAME = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t\\x20-\\x7e\\x80-\\xff])*"';
/** *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), RFC 9112 section 7.1.1; one way to match it. */
const EXTENSION = new RegExp(`^(?:[ \\t]*;[ \\t]*${NAME}(?:[ \\t]*=[ \\t]*(?:${NAME}|${QUOTED}))?)*$`);

/** Whether the text after a chunk's size is a well-formed list of extensions. White space alone is none. */
export function chunkExtension(text: string): boolean {
  return EXTENSION.test(text);
}

/**
 * The data of a small chunk, which was just taken, and of the small ones that follow it in their plainest form: an event
 * for each would cost a hundred times what its bytes do. All else is left where it is, to be read as usual.
 */
export function gatherChunks(queue: ByteQueue, first: Uint8Array): Uint8Array {
  let gathered: Uint8Array | null = null;
  let length = first.length;
  for (;;) {
    if (queue.at(0) !== CR || queue.at(1) !== LF) break;
    let at = 2;
    let size = 0;
    for (; at < 2 + MAX_SIZE_DIGITS; at += 1) {
      const digit = hexDigit(queue.at(at));
      if (digit < 0) break;
      size = size * 16 + digit;
    }
    if (at === 2 || size === 0 || size >= SMALL_CHUNK || length + size > GATHERED) break;
    if (queue.at(at) !== CR || queue.at(at + 1) !== LF || queue.length < at + 2 + size) break;
    if (gathered === null) {
      gathered = new Uint8Array(Math.min(GATHERED, length + queue.length));
      gathered.set(first);
    }
    queue.copy(at + 2, size, gathered, length);
    length += size;
    queue.skip(at + 2 + size);
  }
  return gathered === null ? first : gathered.subarray(0, length);
}
