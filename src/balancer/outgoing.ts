import type { Socket } from 'node:net';
import { BALANCER } from '../core/config.ts';
import { bufferOf } from './limits.ts';
import type { Writer } from './writer.ts';

/**
 * Gathers the parts of what goes to a socket, so that a small message is one write and one system call.
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
  send(socket: Socket, writer: Writer): boolean {
    if (this.#size === 0) return true;
    const text = this.#text;
    const parts = this.#parts;
    const size = this.#size;
    this.clear();
    if (parts === null) return writer.write(text);
    if (text !== '') parts.push(text);
    return size <= BALANCER.joinBytes ? socket.write(joined(parts, size)) : each(parts, socket);
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

function each(parts: readonly (string | Uint8Array)[], socket: Socket): boolean {
  let ready = true;
  socket.cork();
  for (const part of parts) {
    if (typeof part === 'string') ready = socket.write(part, 'latin1');
    else ready = socket.write(Buffer.from(part));
  }
  socket.uncork();
  return ready;
}
