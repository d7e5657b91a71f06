/**
 * Push parser for one HTTP/1.1 response at a time (RFC 9112), as a client that only wants the status, the answering
 * server and how many bytes came. What the RFC makes ambiguous is refused: a load test that guesses lengths counts
 * wrong. `push` takes the bytes in any pieces.
 */

export interface ResponseLimits {
  /** Bytes of a head, of all trailers, and of one chunk-size line. */
  readonly maxHeadBytes: number;
  /** Bytes of body kept for `body()`; the rest is counted and dropped. */
  readonly maxKeptBytes: number;
}

/** Interim (1xx) responses before a final one; a server that sends more is not answering. */
const MAX_INTERIM = 8;
const FIELD = /^([!#$%&'*+.^`|~\w-]+):[ \t]*([\t\x20-\x7e\x80-\uffff]*)$/;
const STATUS = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\uffff]*)?$/;
const CHUNK = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[\t\x20-\x7e\x80-\uffff]*)?$/;

/** The bytes are not an HTTP/1.1 response; the connection cannot be used any more. */
export class BadResponse extends Error {
  constructor(why: string) {
    super(why);
    this.name = 'BadResponse';
  }
}

type State = 'head' | 'length' | 'size' | 'chunk' | 'chunk-end' | 'trailers' | 'close' | 'done';

export class ResponseReader {
  status = 0;
  /** Value of `X-Kelana-Server`, or null. */
  server: string | null = null;
  /** Bytes of body so far, without chunk framing. */
  bodyBytes = 0;
  /** Whether another request may follow on this connection; known when the response is complete. */
  keepAlive = false;
  readonly #limits: ResponseLimits;
  readonly #latin1: (bytes: Uint8Array) => string;
  #state: State = 'head';
  #text = '';
  #left = 0;
  #interim = 0;
  #kept: Uint8Array[] = [];
  #keptBytes = 0;

  /** `latin1` turns bytes into a string of as many characters; a host has a native one. */
  constructor(limits: ResponseLimits, latin1: (bytes: Uint8Array) => string) {
    this.#limits = limits;
    this.#latin1 = latin1;
  }

  /** Makes ready for the next response. */
  start(): void {
    this.status = 0;
    this.server = null;
    this.bodyBytes = 0;
    this.keepAlive = false;
    this.#state = 'head';
    this.#text = '';
    this.#interim = 0;
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
   * @throws BadResponse
   */
  push(chunk: Uint8Array): boolean {
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'done') {
        this.keepAlive = false;
        return true;
      }
      at = this.#step(chunk, at);
    }
    return this.#state === 'done';
  }

  /** The peer closed: true where that completes the response, false where it cut it off. */
  end(): boolean {
    if (this.#state === 'close') this.#state = 'done';
    return this.#state === 'done';
  }

  #step(chunk: Uint8Array, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(chunk, at);
      case 'length':
      case 'chunk': {
        const end = Math.min(chunk.length, at + this.#left);
        this.#take(chunk, at, end);
        this.#left -= end - at;
        if (this.#left === 0) this.#state = this.#state === 'length' ? 'done' : 'chunk-end';
        return end;
      }
      case 'close':
        this.#take(chunk, at, chunk.length);
        return chunk.length;
      default:
        return this.#readLine(chunk, at);
    }
  }

  #take(chunk: Uint8Array, from: number, to: number): void {
    this.bodyBytes += to - from;
    const room = this.#limits.maxKeptBytes - this.#keptBytes;
    if (room <= 0 || to === from) return;
    // A copy: the host may reuse its read buffer.
    const piece = chunk.slice(from, Math.min(to, from + room));
    this.#kept.push(piece);
    this.#keptBytes += piece.length;
  }

  #readHead(chunk: Uint8Array, at: number): number {
    const before = this.#text.length;
    const room = this.#limits.maxHeadBytes - before;
    this.#text += this.#latin1(chunk.subarray(at, at + room));
    const end = this.#text.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (end < 0) {
      if (this.#text.length >= this.#limits.maxHeadBytes) throw new BadResponse('head too long');
      // Fail on the first bytes rather than wait for a head that cannot come.
      if (!'HTTP/1.'.startsWith(this.#text.slice(0, 7))) throw new BadResponse('not HTTP/1');
      return chunk.length;
    }
    const head = this.#text.slice(0, end);
    this.#text = '';
    this.#parseHead(head);
    return at + (end + 4 - before);
  }

  #parseHead(head: string): void {
    const [first = '', ...lines] = head.split('\r\n');
    const status = STATUS.exec(first);
    if (status === null) throw new BadResponse('bad status line');
    this.status = Number(status[2]);
    let length: number | null = null;
    let chunked = false;
    let connection = '';
    for (const line of lines) {
      const field = FIELD.exec(line);
      if (field === null) throw new BadResponse('bad header line');
      const value = (field[2] ?? '').trimEnd();
      switch ((field[1] ?? '').toLowerCase()) {
        case 'content-length':
          if (length !== null || !/^\d{1,15}$/.test(value)) throw new BadResponse('bad Content-Length');
          length = Number(value);
          break;
        case 'transfer-encoding':
          if (chunked || value.toLowerCase() !== 'chunked') throw new BadResponse('bad Transfer-Encoding');
          chunked = true;
          break;
        case 'connection':
          connection += `,${value.toLowerCase()}`;
          break;
        case 'x-kelana-server':
          this.server = value;
          break;
        default:
      }
    }
    const old = status[1] === '0';
    if (chunked && (length !== null || old)) throw new BadResponse('ambiguous length');
    if (this.status < 200) {
      this.#interim += 1;
      if (this.status === 101 || this.#interim > MAX_INTERIM) throw new BadResponse('unasked 1xx');
      return;
    }
    const options = connection.split(',').map((option) => option.trim());
    this.keepAlive = old ? options.includes('keep-alive') : !options.includes('close');
    this.#frame(length, chunked);
  }

  #frame(length: number | null, chunked: boolean): void {
    const empty = this.status === 204 || this.status === 304 || length === 0;
    if (empty) this.#state = 'done';
    else if (chunked) this.#state = 'size';
    else if (length !== null) {
      this.#state = 'length';
      this.#left = length;
    } else {
      this.#state = 'close';
      this.keepAlive = false;
    }
  }

  /** Chunk-size lines, the line end after a chunk, and trailers. */
  #readLine(chunk: Uint8Array, at: number): number {
    const feed = chunk.indexOf(10, at);
    const stop = feed < 0 ? chunk.length : feed + 1;
    if (this.#text.length + stop - at > this.#limits.maxHeadBytes)
      throw new BadResponse('chunk line too long');
    this.#text += this.#latin1(chunk.subarray(at, stop));
    if (feed < 0) return stop;
    if (!this.#text.endsWith('\r\n')) throw new BadResponse('bare line feed');
    const line = this.#text.slice(0, -2);
    this.#text = '';
    if (this.#state === 'chunk-end') {
      if (line !== '') throw new BadResponse('chunk longer than its size');
      this.#state = 'size';
    } else if (this.#state === 'trailers') {
      this.#trailer(line);
    } else {
      const size = CHUNK.exec(line);
      if (size === null) throw new BadResponse('bad chunk size');
      this.#left = Number.parseInt(size[1] ?? '', 16);
      this.#state = this.#left === 0 ? 'trailers' : 'chunk';
      if (this.#state === 'trailers') this.#left = this.#limits.maxHeadBytes;
    }
    return stop;
  }

  #trailer(line: string): void {
    if (line === '') {
      this.#state = 'done';
      return;
    }
    this.#left -= line.length;
    if (!FIELD.test(line) || this.#left < 0) throw new BadResponse('bad trailers');
  }
}
