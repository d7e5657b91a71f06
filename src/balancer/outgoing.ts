import { Buffer } from 'node:buffer';
import { BALANCER } from '../core/config.ts';
import { bufferOf } from './limits.ts';

/** Bytes of a part that is written by itself. */
const SMALL_PART = 2_048;

/** What is written to: a socket, or what stands for one. */
export interface Target {
  write(text: string, encoding: 'latin1'): boolean;
  write(bytes: Uint8Array): boolean;
  cork(): void;
  uncork(): void;
}

/** A Writer, or what stands for one. */
export interface TextTarget {
  /** Writes a short text, as latin1. */
  write(text: string): boolean;
  /** Writes bytes that are lent until it returns. */
  lent(bytes: Uint8Array): boolean;
  /** For all else. */
  readonly usual: Target;
}

/**
 * Gathers the parts of what goes to a connection, which has one of these, so that a small message is one write and one system call.
 * Text is latin1: one byte a character. Bytes that are added are only lent until `send` returns, as those of a reused
 * read buffer are: what the system does not take at once is a copy.
 *
 * A short message is one text: that is written from the stack, where a buffer would have to be made for it.
 */
export class Outgoing {
  /** What follows the last of `#parts`. */
  #text = '';
  #parts: (string | Uint8Array)[] | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  text(text: string): void {
    this.#text += text;
    this.#size += text.length;
  }

  bytes(bytes: Uint8Array): void {
    this.#size += bytes.length;
    if (this.#parts === null && this.#size <= BALANCER.textBytes) {
      this.#text += bufferOf(bytes).toString('latin1');
      return;
    }
    this.#parts ??= [];
    if (this.#text !== '') this.#parts.push(this.#text);
    this.#text = '';
    this.#parts.push(bytes);
  }

  clear(): void {
    this.#text = '';
    this.#parts = null;
    this.#size = 0;
  }

  /** Writes all. False where the socket asks to wait for its `drain`. */
  send(writer: TextTarget): boolean {
    if (this.#size === 0) return true;
    const text = this.#text;
    const parts = this.#parts;
    const size = this.#size;
    this.clear();
    if (parts === null) return writer.write(text);
    if (text !== '') parts.push(text);
    const { usual } = writer;
    return size <= BALANCER.joinBytes ? usual.write(joined(parts, size)) : each(parts, writer);
  }
}

function joined(parts: readonly (string | Uint8Array)[], size: number): Buffer {
  const whole = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    if (typeof part === 'string') whole.write(part, at, 'latin1');
    else whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function each(parts: readonly (string | Uint8Array)[], writer: TextTarget): boolean {
  const { usual } = writer;
  let ready = true;
  let run: (string | Uint8Array)[] = [];
  let size = 0;
  usual.cork();
  for (const part of parts) {
    // What is small waits for what follows it: each write costs as much as some KiB of copying.
    if (part.length < SMALL_PART && size + part.length <= BALANCER.joinBytes) {
      run.push(part);
      size += part.length;
      continue;
    }
    if (size > 0) ready = usual.write(joined(run, size));
    const small = part.length < SMALL_PART;
    run = small ? [part] : [];
    size = small ? part.length : 0;
    if (!small) ready = typeof part === 'string' ? usual.write(part, 'latin1') : writer.lent(part);
  }
  if (size > 0) ready = usual.write(joined(run, size));
  usual.uncork();
  return ready;
}
