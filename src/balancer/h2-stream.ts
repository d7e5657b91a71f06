import { constants, type ServerHttp2Stream } from 'node:http2';
import { EDGE } from '../core/config.ts';
import type { Field } from '../core/http/head.ts';
import { h2Fields, h2Response, readH2Request, readH2Trailers } from '../core/http/h2.ts';
import { ResponseParser } from '../core/http/parser.ts';
import type { ResponseHead } from '../core/http/response.ts';
import type { Origin } from '../core/http/provenance.ts';
import { hostPort } from './address.ts';
import { unsent, type ClientFacts } from './connection.ts';
import { Exchange, type ExchangeClient } from './exchange.ts';
import { objectOf, say } from './h2-send.ts';
import { HTTP_LIMITS } from './limits.ts';
import { Outgoing } from './outgoing.ts';
import { badRequest, ownResponse, tooManyRequests, type OwnReply } from './reply.ts';
import { mayAsk, originOfClient, refused, type Shared } from './shared.ts';

export interface H2StreamOwner {
  /** So many bytes of a body came. */
  took(bytes: number): void;
  /** The last of its answer was written, and has not left. */
  answered(): void;
  /** It is over; `whole`: with a whole answer; `open`: before the end of the request's body. */
  gone(whole: boolean, open: boolean): void;
}

/**
 * One stream of HTTP/2 as an exchange's client. What the exchange writes is an HTTP/1.1 response; it is read here by the
 * parser that also reads backends, and sent as frames, so an exchange does not know what its client speaks.
 */
export class H2Stream implements ExchangeClient {
  readonly origin: Origin;
  readonly label: string;
  readonly facts: ClientFacts;
  readonly via = '2.0';
  readonly outgoing = new Outgoing();
  readonly #stream: ServerHttp2Stream;
  readonly #pairs: readonly string[];
  readonly #ended: boolean;
  readonly #shared: Shared;
  readonly #owner: H2StreamOwner;
  readonly #parser = new ResponseParser(HTTP_LIMITS);
  #exchange: Exchange | null = null;
  #trailers: readonly Field[] = [];
  #answerTrailers: readonly Field[] = [];
  /** Of the body, what has not been given to the stream yet; and how many bytes of it have not left. */
  #pieces: Uint8Array[] = [];
  #unsent = 0;
  #busy = false;
  /** When the last piece was given to the stream, ms; and what had left the connection when last looked at. */
  #pieceAt = 0;
  #left = 0;
  /** The exchange waits to be told that there is room. */
  #full = false;
  #closed = false;
  /** It is reset once all that was written has left. */
  #dropping = false;
  /** When it was answered without an exchange, or that answer moved, ms. */
  #answeredAt = 0;
  /** The last of a body is held until it is known whether it is the end, so that both go as one frame. */
  #held: Uint8Array | null = null;
  #whole = false;
  /** Of the answer, until it is sent. */
  #head: ResponseHead | null = null;

  constructor(
    stream: ServerHttp2Stream,
    pairs: readonly string[],
    ended: boolean,
    facts: ClientFacts,
    shared: Shared,
    owner: H2StreamOwner,
  ) {
    this.#stream = stream;
    this.#pairs = pairs;
    this.#ended = ended;
    this.#shared = shared;
    this.#owner = owner;
    this.facts = facts;
    this.origin = originOfClient(facts, shared);
    this.label = hostPort(facts.address, facts.port);
    // What matters follows as `close`.
    stream.on('error', () => {});
    stream.on('close', () => {
      // Its END_STREAM has gone out.
      this.#closed = this.#whole && stream.writableFinished && stream.rstCode === constants.NGHTTP2_NO_ERROR;
      if (this.#closed) this.#exchange?.clientWritable();
      this.#leave();
      owner.gone(this.#whole, !ended && !stream.readableEnded);
    });
  }

  start(): void {
    const { facts } = this;
    const shared = this.#shared;
    const method = this.#pairs[this.#pairs.indexOf(':method') + 1];
    if (method === 'HEAD') this.#parser.expect(method);
    const read = readH2Request(this.#pairs, this.#ended, facts.scheme, HTTP_LIMITS, encode);
    if (read.type === 'error') {
      this.#refuse(badRequest(read.problem.status, read.problem.why));
      return;
    }
    const { head } = read;
    this.#parser.expect(head.method);
    const wait = mayAsk(shared, this.origin, head);
    if (wait > 0) {
      this.#refuse(tooManyRequests(wait));
      return;
    }
    if (!this.#ended) this.#readBody();
    this.#exchange = new Exchange(this, head, shared);
    this.#exchange.start();
    this.pump();
  }

  #readBody(): void {
    const stream = this.#stream;
    stream.pause();
    stream.on('data', (bytes: Buffer) => {
      this.#owner.took(bytes.length);
      const exchange = this.#exchange;
      if (exchange === null) return;
      exchange.body(bytes);
      exchange.flush();
      if (this.#exchange?.wantsBody === false) stream.pause();
    });
    stream.on('trailers', (_headers: unknown, _flags: number, pairs?: readonly string[]) => {
      const trailers = readH2Trailers(pairs ?? []);
      if (trailers === null) stream.close(constants.NGHTTP2_PROTOCOL_ERROR);
      else this.#trailers = trailers;
    });
    stream.on('end', () => {
      const exchange = this.#exchange;
      // A reset also ends the readable side, ours after an early answer too: half a request must never count as a
      // whole one. `close` follows, and tells what became of the answer.
      if (exchange === null || stream.closed || stream.aborted || stream.destroyed) return;
      exchange.bodyEnd(this.#trailers);
      exchange.flush();
    });
  }

  pump(): void {
    if (this.#exchange?.deaf === true) this.#dropRest();
    if (this.#exchange?.wantsBody === true) this.#stream.resume();
    this.#exchange?.flush();
  }

  sendText(text: string): boolean {
    this.write(text);
    return this.#hasRoom();
  }

  send(): boolean {
    this.outgoing.send(this);
    return this.#hasRoom();
  }

  gone(): boolean {
    return this.#closed;
  }

  /**
   * Of its pieces each that left is told by itself; while one waits for its turn beside other streams, or for a window
   * that opens slowly, all that leaves the connection counts, for some time.
   */
  get unsent(): number {
    const { wire } = this.facts;
    const most = EDGE.h2PieceTimes * this.#shared.balance.timeouts.bodyMs;
    if (this.#shared.clock() - this.#pieceAt <= most) this.#left = wire.bytesWritten - unsent(wire);
    return this.#left;
  }

  #hasRoom(): boolean {
    this.#full = this.#unsent > EDGE.h2UnsentBytes;
    return !this.#full;
  }

  finished(keepAlive: boolean | null): void {
    const complete = this.#exchange?.complete !== false;
    this.#exchange = null;
    if (keepAlive === null) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else if (!complete) this.#dropRest();
  }

  /** The answer is whole and the request is not: the rest is not wanted (RFC 9113 section 8.1). */
  #dropRest(): void {
    const stream = this.#stream;
    // A reset takes back what is not on its way yet, and an answer without a body counts as finished before it is.
    const drop = (): void => void setImmediate(() => this.#drop());
    // Closed before, it could no longer be reset where its answer is not read.
    if (stream.writableFinished) drop();
    else stream.once('finish', drop);
  }

  #drop(): void {
    const stream = this.#stream;
    this.#dropping = unsent(this.facts.wire) > 0;
    if (this.#dropping || stream.destroyed) return;
    stream.close(constants.NGHTTP2_NO_ERROR);
    // A stream with bytes that nobody reads never closes.
    stream.resume();
  }

  answer(reply: OwnReply, keepAlive: boolean, method: string): void {
    this.#answeredAt = this.#shared.clock();
    this.write(ownResponse(reply, true, method === 'HEAD', this.#shared.date()));
    this.finished(keepAlive);
  }

  /** Bytes of its body that came and were not given on yet. */
  get waiting(): number {
    return this.#stream.readableLength;
  }

  check(now: number): void {
    if (this.#dropping) this.#drop();
    if (this.#exchange !== null) this.#exchange.check(now);
    // Reset, and kept by what it would still have to write or to be read.
    else if (this.#stream.closed) this.#stream.destroy();
    else {
      const before = this.#left;
      if (this.unsent !== before) this.#answeredAt = now;
      if (now - this.#answeredAt > this.#shared.balance.timeouts.bodyMs)
        this.#stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  // What Outgoing writes to: an HTTP/1.1 response.

  lent(bytes: Uint8Array): boolean {
    return this.write(Buffer.from(bytes));
  }

  get usual(): this {
    return this;
  }

  write(bytes: string | Uint8Array): boolean {
    this.#parser.push(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
    for (let event = this.#parser.next(); event !== undefined; event = this.#parser.next()) {
      if (this.#stream.destroyed || this.#stream.closed) break;
      switch (event.type) {
        case 'interim':
          this.#interim(event.head);
          break;
        case 'head':
          this.#head = event.head;
          break;
        case 'body':
          this.#release();
          this.#held = event.bytes;
          break;
        case 'end':
          this.#end(event.trailers);
          return true;
        case 'error':
          this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR);
          return false;
      }
    }
    this.#release();
    return true;
  }

  cork(): void {}
  uncork(): void {}

  /**
   * Sends the head. Where not all of the body is here, its end is held back until `wantTrailers`: node:http2 ends a
   * stream before it resets it, and a client without a length to compare would take a part for the whole.
   */
  #respond(all: boolean): void {
    const head = this.#head;
    if (head === null) return;
    this.#head = null;
    const waitForTrailers = !all || this.#answerTrailers.length > 0;
    if (waitForTrailers)
      this.#stream.on('wantTrailers', () => {
        const trailers = objectOf(h2Fields(this.#answerTrailers));
        if (this.#whole) this.#say((stream) => stream.sendTrailers(trailers));
      });
    const endStream = all && this.#held === null && !waitForTrailers;
    const fields = h2Response(head);
    this.#say((stream) => stream.respond(fields, { endStream, waitForTrailers }));
    if (endStream) this.#owner.answered();
  }

  #interim(head: ResponseHead): void {
    const fields = objectOf(h2Response(head));
    this.#say((stream) => stream.additionalHeaders(fields));
  }

  #say(send: (stream: ServerHttp2Stream) => void): void {
    const why = say(this.#stream, send);
    if (why === null) return;
    const { who, emit } = this.#shared;
    emit({ type: 'error', who, code: 'BAD_GATEWAY', detail: `${this.label}: ${why}` });
  }

  #release(): void {
    this.#respond(false);
    this.#queue();
    this.#next();
  }

  #queue(): void {
    const bytes = this.#held;
    this.#held = null;
    if (bytes === null) return;
    this.#pieces.push(bytes);
    this.#unsent += bytes.length;
  }

  /** Gives the stream the next piece: short ones, one by one, since it only says that all of a piece has left. */
  #next(): void {
    const stream = this.#stream;
    if (this.#busy || stream.destroyed || stream.writableEnded) return;
    const [first] = this.#pieces;
    if (first === undefined) {
      if (this.#whole) {
        stream.end();
        this.#owner.answered();
      }
      return;
    }
    const piece = first.subarray(0, EDGE.h2PieceBytes);
    if (piece.length < first.length) this.#pieces[0] = first.subarray(piece.length);
    else this.#pieces.shift();
    this.#busy = true;
    this.#pieceAt = this.#shared.clock();
    const wrote = (): void => this.#wrote(piece.length);
    if (!this.#whole || this.#pieces.length > 0) stream.write(piece, wrote);
    else {
      stream.end(piece, wrote);
      this.#owner.answered();
    }
  }

  #wrote(bytes: number): void {
    this.#busy = false;
    this.#unsent -= bytes;
    this.#exchange?.moved();
    this.#next();
    if (!this.#full || this.#busy) return;
    this.#full = false;
    this.#exchange?.clientWritable();
  }

  #end(trailers: readonly Field[]): void {
    this.#whole = true;
    this.#answerTrailers = trailers;
    this.#respond(true);
    this.#queue();
    this.#next();
  }

  #refuse(reply: OwnReply): void {
    refused(this.#shared, this.label, reply);
    this.answer(reply, true, '-');
    if (!this.#ended) this.#dropRest();
  }

  #leave(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    exchange?.clientGone();
  }
}

function encode(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
