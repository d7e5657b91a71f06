import type { ByteQueue } from './queue.ts';
import { HttpRefusal, isTokenByte } from './syntax.ts';

/**
 * A peer that speaks another protocol is told by its first bytes: it may never send the empty line that ends a head,
 * so each start line is judged as far as it is there. What is refused, and why, depends on the bytes before and at the
 * first wrong one only, so how they are split changes nothing.
 */
export interface Opening {
  /** Judges what is new at the front of `queue`, at most `limit` bytes. @throws HttpRefusal 400 */
  check(queue: ByteQueue, limit: number): void;
  /** The next start line begins. */
  restart(): void;
}

const CR = 13;
const LF = 10;
const SP = 0x20;
const STATUS_LINE = 'HTTP/1.';
const VERSION = 'HTTP/';

/** Of a response: a status line begins with `HTTP/1.`. */
export class StatusLineOpening implements Opening {
  check(queue: ByteQueue): void {
    const known = Math.min(STATUS_LINE.length, queue.length);
    for (let at = 0; at < known; at += 1) {
      if (queue.at(at) !== STATUS_LINE.charCodeAt(at)) throw new HttpRefusal(400, 'not HTTP/1');
    }
  }

  restart(): void {
    // It always looks at the front.
  }
}

type Part = 'method' | 'target' | 'version' | 'all';

/** Of a request: METHOD SP TARGET SP `HTTP/`…, RFC 9112 section 3; an empty line may come first (section 2.2). */
export class RequestLineOpening implements Opening {
  #part: Part = 'method';
  #at = 0;
  /** Where the current part begins. */
  #from = 0;

  check(queue: ByteQueue, limit: number): void {
    if (this.#part === 'all') return;
    const end = Math.min(limit, queue.length);
    for (; this.#at < end; this.#at += 1) {
      const byte = queue.at(this.#at);
      // The end of the line, right or wrong, is judged with the whole of it.
      if (byte === CR || byte === LF) {
        this.#part = 'all';
        return;
      }
      this.#take(byte);
    }
  }

  restart(): void {
    this.#part = 'method';
    this.#at = 0;
    this.#from = 0;
  }

  #take(byte: number): void {
    if (byte === SP && this.#part !== 'version') {
      if (this.#at === this.#from)
        throw new HttpRefusal(400, 'request line is not METHOD SP TARGET SP VERSION');
      this.#part = this.#part === 'method' ? 'target' : 'version';
      this.#from = this.#at + 1;
    } else if (this.#part === 'method') {
      if (!isTokenByte(byte)) throw new HttpRefusal(400, 'method is not a token');
    } else if (this.#part === 'target') {
      if (byte < SP || byte > 0x7e) throw new HttpRefusal(400, 'invalid request target');
    } else {
      this.#version(byte, this.#at - this.#from);
    }
  }

  #version(byte: number, at: number): void {
    if (byte === SP) throw new HttpRefusal(400, 'request line is not METHOD SP TARGET SP VERSION');
    const wrong = at < VERSION.length ? byte !== VERSION.charCodeAt(at) : byte < SP || byte > 0x7e;
    if (wrong) throw new HttpRefusal(400, 'invalid HTTP version');
  }
}
