import type { Socket } from 'node:net';
import { BALANCER } from '../core/config.ts';
import { bufferOf } from './limits.ts';

/**
 * Gathers the parts of what goes to a socket, so that a small message is one write and one system call.
 * Text is latin1: one byte a character. Bytes that are added are only lent until `send` returns, as those of a reused
 * read buffer are: what the system does not take at once is a copy.
 */
export class Outgoing {
  readonly #parts: (string | Uint8Array)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  text(text: string): void {
    this.#parts.push(text);
    this.#size += text.length;
  }

  bytes(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
  }

  clear(): void {
    this.#parts.length = 0;
    this.#size = 0;
  }

  /** Writes all. False where the socket asks to wait for its `drain`. */
  send(socket: Socket): boolean {
    if (this.#size === 0) return true;
    let ready: boolean;
    if (this.#size <= BALANCER.textBytes) ready = socket.write(this.#asText(), 'latin1');
    else if (this.#size <= BALANCER.joinBytes) ready = socket.write(this.#joined());
    else ready = this.#each(socket);
    this.clear();
    return ready;
  }

  /** A short message as text: it is written from the stack, where a buffer would have to be made for it. */
  #asText(): string {
    let text = '';
    for (const part of this.#parts)
      text += typeof part === 'string' ? part : bufferOf(part).toString('latin1');
    return text;
  }

  #joined(): Buffer {
    const joined = Buffer.allocUnsafe(this.#size);
    let at = 0;
    for (const part of this.#parts) {
      if (typeof part === 'string') joined.write(part, at, 'latin1');
      else joined.set(part, at);
      at += part.length;
    }
    return joined;
  }

  #each(socket: Socket): boolean {
    let ready = true;
    socket.cork();
    for (const part of this.#parts) {
      if (typeof part === 'string') ready = socket.write(part, 'latin1');
      else ready = socket.write(Buffer.from(part));
    }
    socket.uncork();
    return ready;
  }
}
