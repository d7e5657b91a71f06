import type { Socket } from 'node:net';
import { RequestParser } from '../core/http/parser.ts';
import { hostPort } from './address.ts';
import { resetWire, type ClientFacts, type Connection } from './connection.ts';
import { HTTP_LIMITS } from './limits.ts';
import { lingerUntil } from './linger.ts';
import {
  badRequest,
  ownResponse,
  redirectTo,
  requestStalled,
  tooManyRequests,
  type OwnReply,
} from './reply.ts';
import { mayAsk, originOfClient, refused, type Shared } from './shared.ts';

/** A connection to the plain port beside HTTPS: each request is told the same address there. One request each. */
export class RedirectConnection implements Connection {
  readonly #socket: Socket;
  readonly #facts: ClientFacts;
  readonly #shared: Shared;
  readonly #since: number;
  /** Once it was answered: until then the answer has to leave, and after that what still comes is read and dropped. */
  #closeAt = 0;
  /** When our side was ended, or 0. */
  #endedAt = 0;

  /** `port`: of HTTPS, as clients reach it. */
  constructor(socket: Socket, facts: ClientFacts, shared: Shared, port: number, gone: () => void) {
    this.#socket = socket;
    this.#facts = facts;
    this.#shared = shared;
    this.#since = shared.clock();
    const parser = new RequestParser(HTTP_LIMITS);
    socket.on('data', (bytes: Buffer) => {
      if (this.#endedAt !== 0) this.#closeAt = lingerUntil(this.#endedAt, shared.clock());
      if (this.#closeAt !== 0) return;
      parser.push(bytes);
      const event = parser.next();
      if (event?.type === 'error') this.#answer(badRequest(event.problem.status, event.problem.why), '-');
      else if (event?.type === 'head') {
        const { head } = event;
        const wait = mayAsk(shared, originOfClient(facts, shared), head);
        this.#answer(wait > 0 ? tooManyRequests(wait) : redirectTo(head.host, head.path, port), head.method);
      }
    });
    socket.on('end', () => {
      if (this.#closeAt === 0) this.#close();
    });
    socket.on('error', () => {});
    socket.on('close', gone);
    socket.resume();
  }

  check(now: number): void {
    if (this.#closeAt !== 0) {
      if (now <= this.#closeAt) return;
      // A FIN would say that all has left.
      if (this.#socket.writableEnded) this.#socket.destroy();
      else resetWire(this.#socket, this.#socket);
    } else if (now - this.#since > this.#shared.balance.timeouts.headMs) this.#answer(requestStalled(), '-');
  }

  stop(): void {
    if (this.#closeAt === 0) this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #answer(reply: OwnReply, method: string): void {
    refused(this.#shared, hostPort(this.#facts.address, this.#facts.port), reply);
    this.#closeAt = this.#shared.clock() + this.#shared.balance.timeouts.bodyMs;
    const text = ownResponse(reply, false, method === 'HEAD', this.#shared.date());
    this.#socket.write(text, 'latin1', () => this.#close());
  }

  /** Reads on for a while, so that the answer is not lost to a reset (RFC 9112 section 9.6). */
  #close(): void {
    if (this.#socket.destroyed) return;
    this.#endedAt = this.#shared.clock();
    this.#closeAt = lingerUntil(this.#endedAt, this.#endedAt);
    this.#socket.end();
  }
}
