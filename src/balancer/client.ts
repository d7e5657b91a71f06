import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { BALANCER } from '../core/config.ts';
import { RequestParser } from '../core/http/parser.ts';
import type { RequestHead } from '../core/http/request.ts';
import type { Origin } from '../core/http/provenance.ts';
import type { HttpProblem } from '../core/http/syntax.ts';
import { hostPort } from './address.ts';
import { resetWire, unsent, type ClientFacts, type Connection } from './connection.ts';
import { Exchange, type ExchangeClient } from './exchange.ts';
import { HTTP_LIMITS, SEEN_REQUESTS } from './limits.ts';
import { lingerUntil } from './linger.ts';
import { Outgoing } from './outgoing.ts';
import { reading } from './reading.ts';
import { badRequest, ownResponse, requestStalled, tooManyRequests, type OwnReply } from './reply.ts';
import { mayAsk, originOfClient, refused, type Shared } from './shared.ts';
import type { TunnelEnd } from './tunnel.ts';
import { Writer } from './writer.ts';

/**
 * One client's connection: reads requests one after another, and gives each to an exchange. The next request is
 * not read before the last is answered, so at most one read of the socket waits in memory.
 */
export class ClientConnection implements ExchangeClient, Connection {
  readonly origin: Origin;
  readonly label: string;
  readonly facts: ClientFacts;
  readonly outgoing = new Outgoing();
  readonly #socket: Socket;
  readonly #writer: Writer;
  readonly #shared: Shared;
  readonly #parser = new RequestParser(HTTP_LIMITS, SEEN_REQUESTS);
  #exchange: Exchange | null = null;
  #pumping = false;
  #paused = false;
  /** The client sent its FIN: it may still read (RFC 9112 section 9.6). */
  #halfClosed = false;
  /** The balancer stops: what runs is the last. */
  #stopped = false;
  /**
   * No further request is taken; what still comes is read and dropped until this time, 0 while open. `Infinity` while
   * something that was written has not left: the time begins once it has.
   */
  #closeAt = 0;
  /** Our side has ended then; 0: not yet. */
  #lingeringSince = 0;
  /** The client does not read what we answered by ourselves: no request is taken meanwhile. */
  #full = false;
  /** When the last request was over, or what was written last moved. */
  #idleSince: number;
  /** What was unsent when last looked at, without an exchange. */
  #unsent = 0;
  /** When the first byte of a head that is not complete came; 0 where there is none. */
  #headSince = 0;

  constructor(accepted: Socket, facts: ClientFacts, shared: Shared, gone: () => void) {
    const socket = reading(accepted, (bytes, count) => this.#received(bytes, count));
    this.#socket = socket;
    this.#writer = new Writer(socket, () => this.#writable());
    this.#shared = shared;
    this.#idleSince = shared.clock();
    this.facts = facts;
    this.origin = originOfClient(facts, shared);
    this.label = hostPort(facts.address, facts.port);
    socket.on('drain', () => this.#writable());
    socket.on('end', () => this.#ended());
    // What matters follows as `close`; a reset by the client is no fault of ours.
    socket.on('error', () => {});
    socket.on('close', () => {
      const exchange = this.#exchange;
      this.#exchange = null;
      exchange?.clientGone();
      gone();
    });
  }

  /** The first `count` bytes, lent until it returns. */
  #received(bytes: Uint8Array, count: number): void {
    if (this.#closeAt !== 0) {
      this.#linger();
      return;
    }
    if (this.#exchange?.deaf === true) return;
    const tunnel = this.#exchange?.tunnel;
    if (tunnel !== null && tunnel !== undefined) {
      tunnel.fromClient(bytes.subarray(0, count));
      return;
    }
    this.#parser.push(bytes, count);
    this.pump();
    this.#parser.keep();
  }

  get tunnel(): TunnelEnd {
    const socket = this.#socket;
    return {
      open: () => {
        this.#resume();
        return this.#parser.release();
      },
      write: (bytes) => this.#writer.usual.write(Buffer.from(bytes)),
      end: () => void socket.end(),
      pause: () => this.#pause(),
      resume: () => this.#resume(),
    };
  }

  pump(): void {
    if (this.#pumping || this.#closeAt !== 0) return;
    this.#pumping = true;
    while (this.#closeAt === 0 && (this.#exchange === null ? !this.#full : this.#exchange.wantsBody)) {
      const head = this.#exchange === null ? this.#parser.message(0) : undefined;
      if (head !== undefined) {
        this.#begin(head);
        continue;
      }
      const event = this.#parser.next();
      if (event === undefined) break;
      switch (event.type) {
        case 'head':
          this.#begin(event.head);
          break;
        case 'body':
          this.#exchange?.body(event.bytes);
          break;
        case 'end':
          this.#exchange?.bodyEnd(event.trailers);
          break;
        case 'error':
          this.#refuse(event.problem);
          break;
        case 'interim':
          break;
      }
    }
    this.#exchange?.flush();
    this.#pumping = false;
    if (this.#closeAt === 0) this.#settle();
  }

  #begin(head: RequestHead): void {
    this.#headSince = 0;
    if (this.#tooMany(head)) return;
    this.#exchange = new Exchange(this, head, this.#shared);
    this.#exchange.start();
  }

  sendText(text: string): boolean {
    return this.#writer.write(text);
  }

  send(): boolean {
    return this.outgoing.send(this.#writer);
  }

  gone(full: boolean): boolean {
    return full ? this.#writer.settled() : this.#writer.taken();
  }

  get unsent(): number {
    return this.#socket.writableLength + unsent(this.#wire);
  }

  get #wire(): Socket {
    return this.facts.scheme === 'https' ? this.facts.wire : this.#socket;
  }

  finished(keepAlive: boolean | null): void {
    const movedAt = this.#exchange?.movedAt;
    this.#exchange = null;
    if (keepAlive === null) this.#reset();
    else if (!keepAlive || this.#stopped) this.#close();
    else {
      this.#idleSince = movedAt ?? this.#shared.clock();
      // Nearly always nothing waits.
      if (!this.#parser.idle || this.#halfClosed || this.#paused) this.pump();
    }
  }

  answer(reply: OwnReply, keepAlive: boolean, method: string): void {
    const stays = keepAlive && !this.#shared.stopping;
    const text = ownResponse(reply, stays, method === 'HEAD', this.#shared.date());
    if (!this.#writer.usual.write(text, 'latin1')) {
      this.#full = true;
      this.#unsent = this.unsent;
    }
    this.finished(stays);
  }

  /** Ends what has waited too long. */
  check(now: number): void {
    if (this.#exchange !== null) this.#exchange.check(now);
    else if (!this.#writer.flushed) this.#look(now);
    else if (this.#unsent !== 0) {
      this.#unsent = 0;
      this.#idleSince = now;
    } else if (this.#closeAt !== 0) {
      this.#end();
      if (now > this.#closeAt) this.#socket.destroy();
    } else if (this.#headSince !== 0) {
      if (now - this.#headSince > this.#shared.balance.timeouts.headMs) this.#turnAway(requestStalled());
    } else if (now - this.#idleSince > this.#shared.balance.timeouts.idleMs) this.#socket.destroy();
  }

  /** The balancer stops: an idle connection ends now, a busy one after its response. */
  stop(): void {
    this.#stopped = true;
    if (this.#exchange !== null || this.#closeAt !== 0) return;
    if (this.#writer.flushed) this.#socket.destroy();
    else this.#close();
  }

  /** What has not left is cut, and must look so. */
  destroy(): void {
    if (this.#exchange === null && this.#writer.flushed) this.#socket.destroy();
    else this.#reset();
  }

  /** Something that was written has left. */
  #writable(): void {
    if (this.#exchange !== null) this.#exchange.clientWritable();
    else if (this.#closeAt !== 0) this.#end();
    else if (this.#full && this.#writer.settled()) {
      this.#full = false;
      this.pump();
    }
  }

  /** Nothing runs, and something that was written has not left. */
  #look(now: number): void {
    const { unsent: left } = this;
    if (left !== this.#unsent) this.#idleSince = now;
    this.#unsent = left;
    if (now - this.#idleSince > this.#shared.balance.timeouts.bodyMs) this.#reset();
  }

  #pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** After each pump: what waits, and for what. */
  #settle(): void {
    const waiting = this.#parser.buffered > 0;
    if (this.#exchange === null) {
      if (!waiting || this.#full) this.#headSince = 0;
      else if (this.#headSince === 0) this.#headSince = this.#shared.clock();
      if (this.#halfClosed) this.#close();
    }
    // Reading goes on while a response is awaited, so that the client's leaving is noticed; but not past one read.
    const exchange = this.#exchange;
    const stays = exchange === null ? this.#full : !exchange.wantsBody && !exchange.deaf;
    // Before the end of a short body its client's leaving would not be seen, and so nobody would be let out of the queue.
    const short = exchange?.queued === true && this.#parser.buffered <= BALANCER.joinBytes;
    if (waiting && stays && !short) this.#pause();
    else this.#resume();
  }

  #ended(): void {
    this.#halfClosed = true;
    if (this.#closeAt !== 0) return;
    const exchange = this.#exchange;
    if (exchange === null) this.#close();
    else if (exchange.tunnel !== null) exchange.clientEnded();
    else if (exchange.queued || (!exchange.complete && !exchange.deaf)) {
      // Half a request will never be whole: nothing of it may count. And nearly all who end their side while their
      // request has not begun have given up: carried out, it would take room from those who have not.
      this.#exchange = null;
      exchange.clientGone();
      this.#reset();
    }
  }

  /** The bytes are no valid request, or no longer one. */
  #refuse(problem: HttpProblem): void {
    const reply = badRequest(problem.status, problem.why);
    if (this.#exchange === null) this.#turnAway(reply);
    else this.#exchange.requestBroken(reply);
  }

  /** Answers what never became a request. */
  #turnAway(reply: OwnReply): void {
    refused(this.#shared, this.label, reply);
    this.answer(reply, false, '-');
  }

  /** Answers by itself where the client's address asks too often. */
  #tooMany(head: RequestHead): boolean {
    const wait = mayAsk(this.#shared, this.origin, head);
    if (wait === 0) return false;
    const reply = tooManyRequests(wait);
    refused(this.#shared, this.label, reply);
    // A body that nobody takes ends the connection.
    const keepAlive = head.keepAlive && head.framing === 'none' && head.minor === 1;
    this.answer(reply, keepAlive, head.method);
    return true;
  }

  /** Ends our side, and reads on for a while so that the answer is not lost to a reset (RFC 9112 section 9.6). */
  #close(): void {
    this.#closeAt = Number.POSITIVE_INFINITY;
    this.#idleSince = this.#shared.clock();
    this.#end();
    if (this.#closeAt === Number.POSITIVE_INFINITY) this.#unsent = this.unsent;
    this.#resume();
  }

  /** The FIN goes last: a socket that is shutting down can no longer be reset where what is before it does not leave. */
  #end(): void {
    if (this.#closeAt !== Number.POSITIVE_INFINITY || !this.#writer.settled()) return;
    this.#lingeringSince = this.#shared.clock();
    this.#closeAt = lingerUntil(this.#lingeringSince, this.#lingeringSince);
    this.#socket.end();
  }

  /** It still sends, and has not read the answer yet. */
  #linger(): void {
    if (this.#lingeringSince === 0) return;
    this.#closeAt = lingerUntil(this.#lingeringSince, this.#shared.clock());
  }

  /** Ends a response that cannot be completed. */
  #reset(): void {
    this.#closeAt = this.#shared.clock() + BALANCER.lingerMs;
    resetWire(this.#socket, this.#wire);
  }
}
