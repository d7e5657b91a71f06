import type { Field, MessageHead } from './head.ts';
import { parseFields } from './head.ts';
import { ByteQueue } from './queue.ts';
import { chunkExtension, gatherChunks, hexDigit, MAX_SIZE_DIGITS, SMALL_CHUNK } from './chunk.ts';
import type { Opening } from './opening.ts';
import type { SeenHeads } from './seen.ts';
import { HttpRefusal, latin1, type Decode, type HttpProblem } from './syntax.ts';

export interface ParserLimits {
  /** Bytes of a head, or of a trailer section: 431, or 414 where not even the start line ends. */
  readonly maxHeadBytes: number;
  /** Field lines of a head or trailer section: 431. */
  readonly maxHeaders: number;
  /** Bytes of chunk extensions in one message: 400. They are read and dropped, so a flood buys nothing. */
  readonly maxExtensionBytes: number;
  readonly decode?: Decode;
}

/** What `next` yields. `interim` is a 1xx response; `end` completes a message and carries its trailers. */
export type ParserEvent<H> =
  | { readonly type: 'head'; readonly head: H }
  | { readonly type: 'interim'; readonly head: H }
  | { readonly type: 'body'; readonly bytes: Uint8Array }
  | { readonly type: 'end'; readonly trailers: readonly Field[] }
  | { readonly type: 'error'; readonly problem: HttpProblem };

type State =
  'head' | 'length' | 'chunk-size' | 'chunk-data' | 'chunk-end' | 'trailers' | 'close' | 'end' | 'done';

const NO_TRAILERS: readonly Field[] = [];
const NOTHING = new Uint8Array(0);
export const LONG_SECTION: HttpProblem = { status: 431, why: 'header section too large' };
/** `GET / HTTP/1.0` and two line ends. */
const SHORTEST_HEAD = 18;
/** Bytes looked at first for the end of a head; nearly all end within. */
const FIRST_LOOK = 2048;
/** Longest head that is kept to be recognised, as latin1; few are longer but for their cookies. */
const MAX_SEEN = 2048;
const CR = 13;
const LF = 10;
const SP = 0x20;
const HTAB = 0x09;
/** Empty lines before a request line: section 2.2 asks for one; an endless row of them is no request. */
const MAX_EMPTY_LINES = 8;

/**
 * A strict HTTP/1.1 reader that is fed bytes and asked for events. It holds at most one incomplete head, chunk
 * line or trailer section; body bytes are handed out as slices of what was pushed, never copied.
 * How the bytes are split never changes what it says.
 */
export abstract class MessageParser<H extends MessageHead> {
  readonly #queue = new ByteQueue();
  readonly #limits: ParserLimits;
  readonly #decode: Decode;
  #state: State = 'head';
  #problem: HttpProblem | null = null;
  /** Where the search for the next LF goes on, and where the current line begins; offsets from the queue's head. */
  #scanned = 0;
  #lineStart = 0;
  #lines = 0;
  #emptyLines = 0;
  #remaining = 0;
  #extensionBytes = 0;
  #keepAlive = true;
  /** What was decoded past the last head; and the body of what `message` gave. */
  #beyond = '';
  #body = '';
  /** A head that `message` has read, for `next`. */
  #head: H | null = null;

  constructor(limits: ParserLimits) {
    this.#limits = limits;
    this.#decode = limits.decode ?? latin1;
  }

  /** Bytes pushed and not yet taken. */
  get buffered(): number {
    return this.#queue.length;
  }
  /** Between two messages, with nothing of the next one here. */
  get idle(): boolean {
    return this.#state === 'head' && this.#queue.length === 0;
  }
  /** The last message, or an error, ended what this connection may carry. */
  get finished(): boolean {
    return this.#state === 'done';
  }

  /** Gives the first `count` of these bytes to read. They must stay unchanged until `next` says undefined, and body slices until they are used. */
  push(bytes: Uint8Array, count = bytes.length): void {
    if (this.#state !== 'done') this.#queue.push(bytes, count);
  }

  /** The next event, or undefined where more bytes are needed. After an error only that error. */
  next(): ParserEvent<H> | undefined {
    if (this.#head !== null) {
      const head = this.#head;
      this.#head = null;
      return { type: this.isInterim(head) ? 'interim' : 'head', head };
    }
    if (this.#problem !== null) return { type: 'error', problem: this.#problem };
    if (this.#state === 'head' && this.#queue.length === 0) return undefined;
    try {
      const event = this.#step();
      if (event === undefined) this.#queue.own();
      return event;
    } catch (thrown) {
      if (!(thrown instanceof HttpRefusal)) throw thrown;
      return this.#fail(thrown.problem);
    }
  }

  /**
   * The head of a message that came as a whole, as short ones do, with at most `most` bytes of body, which `takeBody`
   * gives. Where this says undefined, `next` must be asked at once; where it gave a head, the message is over.
   */
  message(most: number): H | undefined {
    if (this.#state !== 'head' || this.#queue.length === 0) return undefined;
    const head = this.#wholeHead();
    if (head === undefined) return undefined;
    const beyond = this.#beyond;
    this.#beyond = '';
    this.#emptyLines = 0;
    if (!this.isInterim(head)) {
      const state = this.#enter(head);
      const left = this.#remaining;
      if (state === 'end') {
        this.#finished();
        return head;
      }
      if (state === 'length' && left <= most && left <= beyond.length) {
        this.#body = left === beyond.length ? beyond : beyond.slice(0, left);
        this.#queue.skip(left);
        this.#finished();
        return head;
      }
    }
    this.#head = head;
    return undefined;
  }

  /** The body of the message that `message` gave, as latin1; empty where it has none, and the second time. */
  takeBody(): string {
    const body = this.#body;
    this.#body = '';
    return body;
  }

  /** The peer closed its side: ends a body that runs to the close, refuses a cut message, else says undefined. */
  finish(): ParserEvent<H> | undefined {
    if (this.#state === 'close') {
      this.#state = 'done';
      return { type: 'end', trailers: NO_TRAILERS };
    }
    if (this.#state === 'done' || this.idle) return undefined;
    return this.#fail({ status: 400, why: 'connection closed in the middle of a message' });
  }

  /**
   * Gives up what was pushed and not read: the connection goes on as something else than HTTP, and nothing more is
   * read here.
   */
  release(): Uint8Array {
    const rest = this.#queue.take(Number.POSITIVE_INFINITY) ?? NOTHING;
    this.#queue.clear();
    this.#state = 'done';
    return rest;
  }

  /** Copies what waits, so that the caller may use its buffer again though `next` was not asked to the end. */
  keep(): void {
    this.#queue.own();
  }

  protected abstract readHead(text: string): H;
  /** Heads that were read lately and mean what they meant then; undefined where the next one must be read. */
  protected abstract readonly seen: SeenHeads<H> | undefined;
  protected abstract isInterim(head: H): boolean;
  /** Judges a start line before it is all there. */
  protected abstract readonly opening: Opening;
  /** The answer to a start line that is too long. */
  protected abstract readonly longLine: HttpProblem;

  #fail(problem: HttpProblem): ParserEvent<H> {
    this.#problem = problem;
    this.#state = 'done';
    this.#queue.clear();
    return { type: 'error', problem };
  }

  #step(): ParserEvent<H> | undefined {
    for (;;) {
      switch (this.#state) {
        case 'head': {
          const head = this.#wholeHead() ?? this.#headByLines();
          if (head === undefined) return undefined;
          if (head === null) continue;
          this.#beyond = '';
          this.#emptyLines = 0;
          if (this.isInterim(head)) return { type: 'interim', head };
          this.#enter(head);
          return { type: 'head', head };
        }
        case 'length':
        case 'chunk-data': {
          const bytes = this.#queue.take(this.#remaining);
          if (bytes === undefined) return undefined;
          this.#remaining -= bytes.length;
          if (this.#remaining > 0) return { type: 'body', bytes };
          const chunked = this.#state === 'chunk-data';
          this.#state = chunked ? 'chunk-end' : 'end';
          const small = chunked && bytes.length < SMALL_CHUNK;
          return { type: 'body', bytes: small ? gatherChunks(this.#queue, bytes) : bytes };
        }
        case 'close': {
          const bytes = this.#queue.take(Number.POSITIVE_INFINITY);
          return bytes === undefined ? undefined : { type: 'body', bytes };
        }
        case 'chunk-size':
          if (!this.#chunkSize()) return undefined;
          continue;
        case 'chunk-end':
          if (this.#queue.length > 0 && this.#queue.at(0) !== CR)
            throw new HttpRefusal(400, 'chunk data not followed by CRLF');
          if (this.#queue.length < 2) return undefined;
          if (this.#queue.at(1) !== LF) throw new HttpRefusal(400, 'chunk data not followed by CRLF');
          this.#queue.skip(2);
          this.#state = 'chunk-size';
          continue;
        case 'trailers': {
          const text = this.#section();
          if (text === undefined) return undefined;
          return this.#end(text === '' ? NO_TRAILERS : parseFields(text, 0));
        }
        case 'end':
          return this.#end(NO_TRAILERS);
        case 'done':
          return undefined;
      }
    }
  }

  /**
   * The head where all of it is here and it is a valid one. What is not goes the long way, which says exactly why, and
   * which accepts the same: every stray CR or LF, and every folded line, fails in readHead too.
   */
  #wholeHead(): H | undefined {
    const queue = this.#queue;
    if (this.#scanned !== 0 || queue.length < SHORTEST_HEAD) return undefined;
    const { maxHeadBytes, maxHeaders } = this.#limits;
    let some = queue.text(this.#decode, Math.min(queue.length, FIRST_LOOK));
    let end = some.indexOf('\r\n\r\n');
    if (end < 0 && queue.length > FIRST_LOOK) {
      some = queue.text(this.#decode, Math.min(queue.length, maxHeadBytes));
      end = some.indexOf('\r\n\r\n');
    }
    const length = end + 4;
    if (end < 0 || length > maxHeadBytes) return undefined;
    const whole = length === some.length;
    let head = this.seen?.get(whole ? some : some.slice(0, length));
    if (head === undefined) {
      // Decoded anew where more follows: a part of a longer text would keep all of that alive.
      const text = whole ? some : queue.text(this.#decode, length);
      head = this.#readWhole(text);
      if (head === undefined || head.fields.length > maxHeaders) return undefined;
      if (length <= MAX_SEEN) this.seen?.put(text, head);
    }
    queue.skip(length);
    if (!whole) this.#beyond = some.slice(length);
    return head;
  }

  #readWhole(text: string): H | undefined {
    try {
      return this.readHead(text.slice(0, -2));
    } catch (thrown) {
      if (thrown instanceof HttpRefusal) return undefined;
      throw thrown;
    }
  }

  /** The head line by line, as its bytes come; null for an empty line before it, undefined where more is needed. */
  #headByLines(): H | null | undefined {
    if (this.#lines === 0) this.opening.check(this.#queue, this.#limits.maxHeadBytes);
    const text = this.#section();
    if (text === undefined) return undefined;
    if (text !== '') return this.readHead(text);
    this.#emptyLines += 1;
    if (this.#emptyLines > MAX_EMPTY_LINES) throw new HttpRefusal(400, 'too many empty lines');
    return null;
  }

  #enter({ framing, length, keepAlive }: H): State {
    this.#keepAlive = keepAlive;
    this.#extensionBytes = 0;
    this.#remaining = length;
    if (framing === 'chunked') this.#state = 'chunk-size';
    else if (framing === 'close') this.#state = 'close';
    else this.#state = framing === 'length' && length > 0 ? 'length' : 'end';
    return this.#state;
  }

  #end(trailers: readonly Field[]): ParserEvent<H> {
    this.#finished();
    return { type: 'end', trailers };
  }

  #finished(): void {
    this.#state = this.#keepAlive ? 'head' : 'done';
    // Also where it is only empty: a connection at rest holds on to no buffer.
    if (!this.#keepAlive || this.#queue.length === 0) this.#queue.clear();
  }

  /**
   * Lines up to the empty one, which is taken off; undefined until it is there. `''` is an empty section: the end
   * of a body without trailers, or an empty line before a request line.
   */
  #section(): string | undefined {
    const { maxHeadBytes, maxHeaders } = this.#limits;
    const queue = this.#queue;
    for (;;) {
      // obs-fold (section 5.2), and white space before the first field (section 2.2): two readings, so neither.
      const first = queue.at(this.#lineStart);
      if ((this.#lines > 0 || this.#state === 'trailers') && (first === SP || first === HTAB))
        throw new HttpRefusal(400, 'folded or indented header line');
      const end = queue.lineEnd(this.#scanned);
      if ((end < 0 ? queue.length : end + 2) > maxHeadBytes) {
        const { status, why } = this.#state === 'head' && this.#lines === 0 ? this.longLine : LONG_SECTION;
        throw new HttpRefusal(status, why);
      }
      if (!this.#endsLine(end)) return undefined;
      this.#scanned = end + 2;
      if (end === this.#lineStart) break;
      this.#lineStart = end + 2;
      this.#lines += 1;
      if (this.#lines > maxHeaders + (this.#state === 'head' ? 1 : 0))
        throw new HttpRefusal(431, 'too many header lines');
    }
    const text = queue.text(this.#decode, this.#lineStart);
    queue.skip(this.#scanned);
    this.#restartScan();
    return text;
  }

  /**
   * Whether the line end found at `end` is all there. RFC 9112 section 2.2 lets a recipient accept a bare LF and
   * replace a bare CR; what others may read differently is refused.
   */
  #endsLine(end: number): boolean {
    const queue = this.#queue;
    const next = end < 0 ? -1 : queue.at(end + 1);
    if (end >= 0 && (queue.at(end) !== CR || (next >= 0 && next !== LF)))
      throw new HttpRefusal(400, 'line not ended by CRLF');
    if (next >= 0) return true;
    this.#scanned = end < 0 ? queue.length : end;
    return false;
  }

  #restartScan(): void {
    this.#scanned = 0;
    this.#lineStart = 0;
    this.#lines = 0;
    this.opening.restart();
  }

  /** chunk-size [ chunk-ext ] CRLF, RFC 9112 section 7.1. False where the line is not all there. */
  #chunkSize(): boolean {
    const queue = this.#queue;
    const end = queue.lineEnd(this.#scanned);
    const length = end < 0 ? queue.length : end;
    let size = 0;
    let digits = 0;
    for (; digits < length; digits += 1) {
      const digit = hexDigit(queue.at(digits));
      if (digit < 0) break;
      if (digits === MAX_SIZE_DIGITS) throw new HttpRefusal(400, 'chunk size too large');
      size = size * 16 + digit;
    }
    if (digits === 0 && queue.length > 0)
      throw new HttpRefusal(400, 'chunk size is not a hexadecimal number');
    if (!Number.isSafeInteger(size)) throw new HttpRefusal(400, 'chunk size too large');
    if (this.#extensionBytes + length - digits > this.#limits.maxExtensionBytes)
      throw new HttpRefusal(400, 'chunk extensions too large');
    if (!this.#endsLine(end)) return false;
    if (length > digits) {
      this.#extensionBytes += length - digits;
      if (!chunkExtension(queue.text(this.#decode, length).slice(digits)))
        throw new HttpRefusal(400, 'malformed chunk extension');
    }
    queue.skip(length + 2);
    this.#restartScan();
    this.#remaining = size;
    this.#state = size === 0 ? 'trailers' : 'chunk-data';
    return true;
  }
}
