import { CLIENTS } from '../core/config.ts';
import { ResponseParser, type ParserLimits } from '../core/http/parser.ts';
import type { ResponseHead } from '../core/http/response.ts';

/** The bytes are not an HTTP/1.1 response to what was asked; the connection cannot be used any more. */
export class BadAnswer extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'BadAnswer';
  }
}

const LIMITS: ParserLimits = {
  maxHeadBytes: CLIENTS.maxHeadBytes,
  maxHeaders: CLIENTS.maxHeaders,
  maxExtensionBytes: CLIENTS.maxExtensionBytes,
  // Node's own is several times faster than a portable one.
  decode: (bytes, start, end) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1', start, end),
};

/**
 * What a client wants of each response on a connection: its status, who answered, how many bytes came and the first
 * of them.
 */
export class AnswerReader {
  /** 0 until the head is there. */
  status = 0;
  /** Value of `X-Kelana-Server`, or null. */
  server: string | null = null;
  /** Bytes of body so far, without chunk framing. */
  bodyBytes = 0;
  /** Whether another request may follow on this connection; known when the response is complete. */
  keepAlive = false;
  readonly #parser = new ResponseParser(LIMITS);
  readonly #keepBytes: number;
  #interims = 0;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  /** `keepBytes` of each body are kept for `body()`; the rest is counted and dropped. */
  constructor(keepBytes: number) {
    this.#keepBytes = keepBytes;
  }

  /** Makes ready for the response to the next request, where `keepAlive` allowed one. */
  start(): void {
    this.status = 0;
    this.server = null;
    this.bodyBytes = 0;
    this.keepAlive = false;
    this.#interims = 0;
    this.#kept = [];
    this.#keptBytes = 0;
  }

  /** What was kept of the body. */
  body(): Uint8Array {
    const whole = new Uint8Array(this.#keptBytes);
    let at = 0;
    for (const piece of this.#kept) {
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  }

  /**
   * Takes the next bytes; true when the response is complete. Bytes past its end close the connection to reuse.
   * @throws BadAnswer
   */
  push(bytes: Uint8Array): boolean {
    this.#parser.push(bytes);
    for (let event = this.#parser.next(); event !== undefined; event = this.#parser.next()) {
      switch (event.type) {
        case 'interim':
          this.#interim(event.head);
          break;
        case 'head':
          this.#head(event.head);
          break;
        case 'body':
          this.#take(event.bytes);
          break;
        case 'end':
          // Nothing was asked that bytes after it could answer.
          if (!this.#parser.idle) this.keepAlive = false;
          return true;
        case 'error':
          throw new BadAnswer(event.problem.why);
      }
    }
    return false;
  }

  /** The peer closed: true where that completes the response, false where it cut it off. */
  end(): boolean {
    return this.#parser.finish()?.type === 'end';
  }

  #interim(head: ResponseHead): void {
    this.#interims += 1;
    if (head.status === 101 || this.#interims > CLIENTS.maxInterim)
      throw new BadAnswer('interim responses that were not asked for');
  }

  #head(head: ResponseHead): void {
    this.status = head.status;
    this.keepAlive = head.keepAlive;
    this.server = head.fields.findLast(({ name }) => name === 'x-kelana-server')?.value ?? null;
  }

  #take(bytes: Uint8Array): void {
    this.bodyBytes += bytes.length;
    const room = this.#keepBytes - this.#keptBytes;
    if (room <= 0) return;
    // Not slice(): of a Buffer that is a view, which would change with it and hold on to the whole read.
    const piece = new Uint8Array(bytes.subarray(0, room));
    this.#kept.push(piece);
    this.#keptBytes += piece.length;
  }
}
