import { BALANCER } from '../core/config.ts';
import {
  chunkStart,
  chunkedEnd,
  forwardInterim,
  forwardRequest,
  forwardResponse,
  forwardSwitch,
  selfDelimited,
  sendsChunked,
  switchesTo,
} from '../core/http/forward.ts';
import type { Field } from '../core/http/head.ts';
import type { Origin } from '../core/http/provenance.ts';
import type { RequestHead } from '../core/http/request.ts';
import type { ResponseHead } from '../core/http/response.ts';
import type { Backend } from './backends.ts';
import { Outgoing } from './outgoing.ts';
import { badGateway, requestStalled, timedOut, unavailable, type OwnReply } from './reply.ts';
import { Replay } from './replay.ts';
import type { Shared } from './shared.ts';
import { Tunnel, type TunnelEnd } from './tunnel.ts';
import type { Upstream, UpstreamUser } from './upstream.ts';

/** What an exchange needs of the client's connection. */
export interface ExchangeClient {
  readonly origin: Origin;
  readonly label: string;
  /** Writes; false where `clientWritable` will be called later. */
  send(outgoing: Outgoing): boolean;
  /** More of the request may be taken now. */
  pump(): void;
  /** The response is complete; `null` where the exchange was cut and the connection must be reset. */
  finished(keepAlive: boolean | null): void;
  /** Answers by itself, in place of a response. */
  answer(reply: OwnReply, keepAlive: boolean, method: string): void;
  /** Left out where the connection can carry nothing but HTTP. */
  readonly tunnel?: TunnelEnd;
}

/** The status of a request whose client left before there was one, as nginx logs it. */
const CLIENT_GONE = 499;

/**
 * One request and its response: chooses a backend, relays both ways, and retries where Replay allows.
 *
 *   connecting ──► sending ──► waiting ──► responding ──► done
 *       │  next backend  ▲         │            └ broken: the client's connection is reset, never completed
 *       └────────────────┴─────────┘ broken before a response byte, and Replay allows: again; else 502
 */
export class Exchange implements UpstreamUser {
  readonly #client: ExchangeClient;
  readonly #request: RequestHead;
  readonly #shared: Shared;
  readonly #order: readonly number[];
  readonly #replay: Replay;
  readonly #toBackend = new Outgoing();
  readonly #toClient = new Outgoing();
  readonly #startedAt: number;
  #next = 0;
  #attempts = 0;
  #backend: Backend | null = null;
  #upstream: Upstream | null = null;
  #reused = false;
  #ready = false;
  /** The backend does not take more for now; the client's body waits. */
  #blocked = false;
  #requestDone: boolean;
  #trailers: readonly Field[] = [];
  #heard = false;
  #interims = 0;
  #response: ResponseHead | null = null;
  #tunnel: Tunnel | null = null;
  #headSent = false;
  #keepAlive = false;
  #bytes = 0;
  #over = false;
  /** Last time anything moved; deadlines count from here. */
  #movedAt: number;

  constructor(client: ExchangeClient, request: RequestHead, shared: Shared) {
    this.#client = client;
    this.#request = request;
    this.#shared = shared;
    this.#replay = new Replay(request);
    this.#order = shared.method.order(shared.backends.list);
    this.#requestDone = request.framing === 'none' || (request.framing === 'length' && request.length === 0);
    this.#startedAt = this.#movedAt = shared.clock();
    shared.active += 1;
  }

  /** Body bytes can be taken from the client now. */
  get wantsBody(): boolean {
    return this.#ready && !this.#blocked && !this.#requestDone;
  }

  /** The whole request has been taken. */
  get complete(): boolean {
    return this.#requestDone;
  }

  start(): void {
    this.#attempt(this.#nextBackend());
  }

  // What the client's connection tells.

  body(bytes: Uint8Array): void {
    this.#movedAt = this.#shared.clock();
    this.#replay.wroteBody(bytes);
    this.#addBody(bytes);
    if (this.#toBackend.size >= BALANCER.joinBytes) this.flush();
  }

  bodyEnd(trailers: readonly Field[]): void {
    if (this.#requestDone) return;
    this.#requestDone = true;
    this.#trailers = trailers;
    this.#movedAt = this.#shared.clock();
    if (this.#request.framing === 'chunked') this.#toBackend.text(chunkedEnd(trailers));
  }

  /** Writes what was gathered for the backend. */
  flush(): void {
    if (!this.#ready || this.#toBackend.size === 0 || this.#upstream === null) return;
    this.#replay.wroteHead();
    if (!this.#upstream.send(this.#toBackend)) this.#blocked = true;
  }

  /** The rest of the request will not come, or is not valid. */
  requestBroken(reply: OwnReply): void {
    this.#fail(reply);
  }

  clientGone(): void {
    if (this.#over) return;
    this.#drop();
    this.#end(this.#response?.status ?? CLIENT_GONE);
  }

  clientWritable(): void {
    this.#movedAt = this.#shared.clock();
    if (this.#tunnel !== null) this.#tunnel.clientWritable();
    else this.#upstream?.resume();
  }

  /** After a 101 the connection carries something else than HTTP. */
  get tunnel(): Tunnel | null {
    return this.#tunnel;
  }

  /** The client sent its FIN into a tunnel. */
  clientEnded(): void {
    this.#tunnel?.clientEnded();
    this.#endTunnel();
  }

  /** Ends what has waited too long. */
  check(now: number): void {
    if (this.#over) return;
    if (this.#tunnel !== null) {
      if (this.#tunnel.stalled(now)) this.#breakTunnel();
      return;
    }
    const waited = now - this.#movedAt;
    const backend = this.#backend;
    if (!this.#ready) {
      if (waited > BALANCER.connectTimeoutMs) this.#broken('no connection in time');
    } else if (this.#response !== null) {
      if (waited > BALANCER.bodyIdleMs) this.#fail(timedOut('the response stalled'));
    } else if (!this.#requestDone) {
      if (waited <= BALANCER.bodyIdleMs) return;
      if (this.#blocked) this.#suspect(backend, timedOut('the server stopped reading the request'));
      else this.#fail(requestStalled());
    } else if (waited > BALANCER.responseTimeoutMs) {
      this.#suspect(backend, timedOut('the server did not answer in time'));
    }
  }

  // What the connection to the backend tells.

  connected(): void {
    this.#begin();
    this.#client.pump();
  }

  received(bytes: Uint8Array): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    if (this.#tunnel !== null) {
      this.#bytes += bytes.length;
      this.#tunnel.fromBackend(bytes);
      return;
    }
    this.#heard = true;
    this.#movedAt = this.#shared.clock();
    upstream.parser.push(bytes);
    while (!this.#over && this.#tunnel === null) {
      const event = upstream.parser.next();
      if (event === undefined) break;
      if (event.type === 'head') this.#respond(event.head);
      else if (event.type === 'interim') this.#interim(event.head);
      else if (event.type === 'body') this.#addResponseBody(event.bytes);
      else if (event.type === 'end') this.#complete(event.trailers);
      else this.#fail(badGateway(`the server's answer is not valid HTTP: ${event.problem.why}`));
    }
    if (!this.#over && this.#tunnel === null) this.#flushResponse();
  }

  writable(): void {
    this.#movedAt = this.#shared.clock();
    this.#blocked = false;
    if (this.#tunnel !== null) this.#tunnel.backendWritable();
    else this.#client.pump();
  }

  ended(): boolean {
    if (this.#tunnel === null) return false;
    this.#tunnel.backendEnded();
    this.#endTunnel();
    return true;
  }

  closed(reason: string | null): void {
    if (this.#over) return;
    if (this.#tunnel !== null) {
      this.#breakTunnel();
      return;
    }
    if (reason === null && this.#response?.framing === 'close') {
      const event = this.#upstream?.parser.finish();
      if (event?.type === 'end') {
        this.#complete(event.trailers);
        return;
      }
    }
    this.#broken(reason ?? 'closed');
  }

  // Choosing and retrying.

  #nextBackend(): Backend | null {
    for (; this.#next < this.#order.length; this.#next += 1) {
      const backend = this.#shared.backends.list[this.#order[this.#next] ?? -1];
      if (backend?.up !== true) continue;
      this.#next += 1;
      return backend;
    }
    return null;
  }

  #attempt(backend: Backend | null, fresh = false): void {
    if (backend === null) {
      // Once something was written it is a request that failed, not one that found no server.
      this.#fail(this.#replay.touched ? badGateway('no other server is up') : unavailable());
      return;
    }
    this.#attempts += 1;
    this.#backend = backend;
    backend.active += 1;
    backend.requests += 1;
    this.#movedAt = this.#shared.clock();
    const idle = fresh ? null : backend.pool.take(this);
    this.#reused = idle !== null;
    this.#upstream = idle ?? backend.pool.connect(this);
    if (idle !== null) this.connected();
  }

  /** The connection is there: the head goes first, then what of the body was written to one that broke. */
  #begin(): void {
    const upstream = this.#upstream;
    const backend = this.#backend;
    if (upstream === null || backend === null) return;
    this.#ready = true;
    this.#blocked = false;
    this.#movedAt = this.#shared.clock();
    upstream.parser.expect(this.#request.method);
    this.#toBackend.clear();
    const route = { origin: this.#client.origin, fallbackHost: backend.label };
    this.#toBackend.text(forwardRequest(this.#request, route));
    for (const bytes of this.#replay.body) this.#addBody(bytes);
    if (this.#requestDone && this.#request.framing === 'chunked')
      this.#toBackend.text(chunkedEnd(this.#trailers));
  }

  /** The connection broke, or was never made. */
  #broken(reason: string): void {
    const backend = this.#backend;
    if (backend === null) return;
    const connected = this.#ready;
    const stale = this.#reused;
    this.#drop();
    if (connected) this.#shared.backends.suspected(backend);
    else this.#shared.backends.failed(backend, reason);
    if (this.#heard || !this.#replay.allowed) {
      this.#fail(badGateway('the server closed the connection before a whole answer'));
      return;
    }
    // A connection that idled may have been closed by a healthy server: once more there, on a new one.
    this.#attempt(connected && stale ? backend : this.#nextBackend(), stale);
  }

  #suspect(backend: Backend | null, reply: OwnReply): void {
    if (backend !== null) this.#shared.backends.suspected(backend);
    this.#fail(reply);
  }

  // The response.

  #interim(head: ResponseHead): void {
    this.#interims += 1;
    if (head.status === 101 && switchesTo(this.#request, head)) this.#switch(head);
    // Any other 101 answers what was not asked.
    else if (head.status === 101 || this.#interims > BALANCER.maxInterim)
      this.#fail(badGateway('the server sent interim responses that were not asked for'));
    else if (this.#request.minor === 1) this.#toClient.text(forwardInterim(head));
  }

  /** Nothing that came after the request has gone to the backend before this, and nothing of HTTP comes after. */
  #switch(head: ResponseHead): void {
    const upstream = this.#upstream;
    const end = this.#client.tunnel;
    if (upstream === null || end === undefined) {
      this.#fail(badGateway('the server switched to a protocol that cannot be carried here'));
      return;
    }
    this.#response = head;
    this.#toClient.text(forwardSwitch(head));
    this.#flushResponse();
    const tunnel = new Tunnel(end, upstream, this.#shared.clock);
    this.#tunnel = tunnel;
    const early = upstream.parser.release();
    this.#bytes += early.length;
    tunnel.fromBackend(early);
    tunnel.fromClient(end.open());
  }

  #endTunnel(): void {
    if (this.#tunnel?.over !== true) return;
    this.#drop(true);
    this.#end(101);
    this.#client.finished(false);
  }

  #breakTunnel(): void {
    this.#drop(true);
    this.#end(101);
    this.#client.finished(null);
  }

  #respond(head: ResponseHead): void {
    this.#response = head;
    // A final answer before the whole request: the rest of it may never come, so the connection ends after it.
    this.#keepAlive =
      this.#request.keepAlive &&
      this.#requestDone &&
      !this.#shared.stopping &&
      selfDelimited(head, this.#request.minor);
    this.#toClient.text(
      forwardResponse(head, {
        minor: this.#request.minor,
        keepAlive: this.#keepAlive,
        date: this.#shared.date(),
      }),
    );
  }

  #addResponseBody(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    addBody(this.#toClient, bytes, this.#chunksOut);
  }

  get #chunksOut(): boolean {
    return this.#response !== null && sendsChunked(this.#response, this.#request.minor);
  }

  #flushResponse(): void {
    if (this.#toClient.size === 0) return;
    if (this.#response !== null) this.#headSent = true;
    if (!this.#client.send(this.#toClient)) this.#upstream?.pause();
  }

  #complete(trailers: readonly Field[]): void {
    const upstream = this.#upstream;
    const head = this.#response;
    if (upstream === null || head === null) return;
    if (this.#chunksOut) this.#toClient.text(chunkedEnd(trailers));
    this.#flushResponse();
    // Bytes after the answer, or an answer before the whole request, would be taken for part of the next.
    const clean = this.#requestDone && upstream.flushed && upstream.parser.idle;
    if (clean && head.keepAlive && this.#backend !== null && !this.#shared.stopping) {
      this.#upstream = null;
      // The connection may be paused for this client; an idle one must notice its close.
      upstream.resume();
      this.#backend.pool.put(upstream, this.#shared.clock());
    }
    const keepAlive = this.#keepAlive;
    this.#drop(true);
    this.#end(head.status);
    this.#client.finished(keepAlive);
  }

  // The end.

  /** Lets go of the backend. */
  #drop(succeeded = false): void {
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#ready = false;
    this.#reused = false;
    if (this.#backend === null) return;
    this.#backend.active -= 1;
    if (!succeeded) this.#backend.failures += 1;
  }

  /** Answers with an error of our own, or cuts the client off where part of the response has gone out. */
  #fail(reply: OwnReply): void {
    if (this.#over) return;
    if (this.#upstream !== null) this.#drop();
    const { who, emit } = this.#shared;
    if (reply.status === 502 || reply.status === 504)
      emit({
        type: 'error',
        who,
        code: reply.code,
        detail: `${this.#backend?.label ?? '-'}: ${reply.message}`,
      });
    if (this.#headSent) {
      this.#end(this.#response?.status ?? reply.status);
      this.#client.finished(null);
      return;
    }
    this.#toClient.clear();
    this.#end(reply.status);
    const keepAlive = this.#request.keepAlive && this.#requestDone && !this.#shared.stopping;
    this.#client.answer(reply, keepAlive && this.#request.minor === 1, this.#request.method);
  }

  #end(status: number): void {
    this.#over = true;
    const shared = this.#shared;
    shared.active -= 1;
    shared.requests += 1;
    shared.emit({
      type: 'balancer.request',
      who: shared.who,
      client: this.#client.label,
      backend: this.#backend?.label ?? '-',
      method: this.#request.method,
      target: this.#request.target,
      status,
      seconds: (shared.clock() - this.#startedAt) / 1000,
      bytes: this.#bytes,
      retries: Math.max(0, this.#attempts - 1),
    });
  }

  #addBody(bytes: Uint8Array): void {
    addBody(this.#toBackend, bytes, this.#request.framing === 'chunked');
  }
}

function addBody(outgoing: Outgoing, bytes: Uint8Array, chunked: boolean): void {
  if (chunked) outgoing.text(chunkStart(bytes.length));
  outgoing.bytes(bytes);
  if (chunked) outgoing.text('\r\n');
}
