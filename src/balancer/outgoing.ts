import type { Socket } from 'node:net';
import { BALANCER } from '../core/config.ts';

/**
 * Gathers the parts of what goes to a socket, so that a small message is one write and one system call.
 * Text is latin1: one byte a character.
 */
export class Outgoing {
  readonly #parts: (string | Uint8Array)[] = [];
  readonly #copies: boolean;
  #size = 0;

  /** `copies`: the bytes added are only lent until `send` returns, as those of a reused read buffer are. */
  constructor(copies: boolean) {
    this.#copies = copies;
  }

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
    const [first] = this.#parts;
    if (first === undefined) return true;
    let ready: boolean;
    if (this.#parts.length === 1 && typeof first === 'string') ready = socket.write(first, 'latin1');
    else if (this.#size <= BALANCER.joinBytes) ready = socket.write(this.#joined());
    else ready = this.#each(socket);
    this.clear();
    return ready;
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
      else ready = socket.write(this.#copies ? Buffer.from(part) : part);
    }
    socket.uncork();
    return ready;
  }
}
