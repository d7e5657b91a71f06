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
import type { KelanaEvent } from '../core/events.ts';
import type { Field } from '../core/http/head.ts';
import { clientOf, type Origin } from '../core/http/provenance.ts';
import type { RequestHead } from '../core/http/request.ts';
import type { ResponseHead } from '../core/http/response.ts';
import type { Outcome } from '../core/balance/breaker.ts';
import type { Backend } from './backend.ts';
import type { ClientFacts } from './connection.ts';
import type { Outgoing } from './outgoing.ts';
import { badGateway, causeOf, lastHop, requestStalled, timedOut, type OwnReply } from './reply.ts';
import { Replay } from './replay.ts';
import type { Shared } from './shared.ts';
import { Tunnel, type TunnelEnd } from './tunnel.ts';
import { Turn, type Next, type Waiter } from './turn.ts';
import type { Upstream, UpstreamUser } from './upstream.ts';

/** What an exchange needs of the client's connection. */
export interface ExchangeClient {
  readonly origin: Origin;
  readonly label: string;
  readonly facts: ClientFacts;
  /** What it speaks, for Via, where that is not HTTP/1. */
  readonly via?: string;
  /** Empty where no exchange runs. */
  readonly outgoing: Outgoing;
  /** Writes a short text, where nothing is gathered. */
  sendText(text: string): boolean;
  /** Writes what was gathered in `outgoing`; false where `clientWritable` will be called later. */
  send(): boolean;
  /**
   * Whether all that was written has left, as far as a connection can tell without a cost for each answer; where not,
   * `clientWritable` will be called. `full`: the last `send` said false, so it must be known.
   */
  gone(full: boolean): boolean;
  /** Bytes written that have not left: while it changes, the client reads. 0 where `moved` tells so. */
  readonly unsent: number;
  /** More of the request may be taken now. */
  pump(): void;
  /** The response is complete; `null` where the exchange was cut and the connection must be reset. */
  finished(keepAlive: boolean | null): void;
  /** Answers by itself, in place of a response; `keepAlive`: for all that the request says. */
  answer(reply: OwnReply, keepAlive: boolean, method: string): void;
  /** Left out where the connection can carry nothing but HTTP. */
  readonly tunnel?: TunnelEnd;
}

/** The status of a request whose client left before there was one, as nginx logs it. */
const CLIENT_GONE = 499;
const NO_TRAILERS: readonly Field[] = [];
const UNREAD = 'the client stopped reading the response';

/**
 * One request and its response: chooses a backend, relays both ways, and retries where Replay allows.
 *
 *   connecting ──► sending ──► waiting ──► responding ──► leaving ──► done
 *       │  next backend  ▲         │            └────────────┴ broken: the client's connection is reset, never completed
 *       └────────────────┴─────────┘ broken before a response byte, and Replay allows: again; else 502
 *
 * One file, though a long one: every method may end the exchange from any state, and what each state allows is read
 * at one place. Choosing (turn.ts), repeating (replay.ts) and tunnels (tunnel.ts) are apart.
 */
export class Exchange implements UpstreamUser, Waiter {
  readonly #client: ExchangeClient;
  readonly #request: RequestHead;
  readonly #shared: Shared;
  readonly #turn: Turn;
  /** Once there is something to repeat. */
  #replay: Replay | null = null;
  /** Something was written to a backend. */
  #touched = false;
  readonly #startedAt: number;
  #upstream: Upstream | null = null;
  #ready = false;
  /** The backend does not take more for now; the client's body waits. */
  #blocked = false;
  #requestDone: boolean;
  #trailers = NO_TRAILERS;
  #heard = false;
  #interims = 0;
  #response: ResponseHead | null = null;
  #tunnel: Tunnel | null = null;
  #headSent = false;
  /** The client does not take more for now; the backend's answer waits. */
  #unread = false;
  /** The answer is whole and the backend is let go; a part of it has not left yet. */
  #leaving = false;
  /** When the answer was whole, ms; what the client takes to read it after that says nothing of the backend. */
  #wholeAt = 0;
  /** What was unsent when last looked at. */
  #unsent = 0;
  #keepAlive = false;
  #bytes = 0;
  #over = false;
  /** Last time anything moved; deadlines count from here. */
  #movedAt: number;

  constructor(client: ExchangeClient, request: RequestHead, shared: Shared) {
    this.#client = client;
    this.#request = request;
    this.#shared = shared;
    this.#turn = new Turn(
      shared.turns,
      request,
      clientOf(request, client.origin, shared.forwarding.trusts),
      this,
    );
    this.#requestDone = request.framing === 'none' || (request.framing === 'length' && request.length === 0);
    this.#startedAt = this.#movedAt = shared.clock();
    shared.active += 1;
  }

  /** Body bytes can be taken from the client now. */
  get wantsBody(): boolean {
    return this.#ready && !this.#blocked && !this.#requestDone;
  }

  get movedAt(): number {
    return this.#movedAt;
  }

  /** The whole request has been taken. */
  get complete(): boolean {
    return this.#requestDone;
  }

  /** It waits for room. */
  get queued(): boolean {
    return this.#turn.waiting;
  }

  /** The answer is whole before the request: what still comes of that is read and dropped. */
  get deaf(): boolean {
    return this.#leaving && !this.#requestDone;
  }

  start(): void {
    this.#follow(this.#request.forwards === 0 ? lastHop(this.#request) : this.#turn.begin(this.#startedAt));
  }

  // What the client's connection tells.

  body(bytes: Uint8Array): void {
    if (this.#leaving) return;
    this.#movedAt = this.#shared.clock();
    this.#replay ??= new Replay(this.#request);
    this.#replay.wroteBody(bytes);
    const outgoing = this.#upstream?.outgoing;
    if (outgoing === undefined) return;
    this.#addBody(outgoing, bytes);
    if (outgoing.size >= BALANCER.joinBytes) this.flush();
  }

  bodyEnd(trailers: readonly Field[]): void {
    if (this.#requestDone || this.#leaving) return;
    this.#requestDone = true;
    this.#trailers = trailers;
    this.#movedAt = this.#shared.clock();
    if (this.#request.framing === 'chunked') this.#upstream?.outgoing.text(this.#requestEnd());
    if (this.#ready) this.#turn.sent(this.#movedAt);
  }

  #requestEnd(): string {
    return chunkedEnd(this.#trailers, this.#request.options);
  }

  /** Writes what was gathered for the backend. */
  flush(): void {
    const upstream = this.#upstream;
    if (!this.#ready || upstream === null || upstream.outgoing.size === 0) return;
    this.#touched = true;
    if (!upstream.send()) this.#blocked = true;
  }

  /** The rest of the request will not come, or is not valid. */
  requestBroken(reply: OwnReply): void {
    this.#fail(reply);
  }

  clientGone(): void {
    if (this.#over) return;
    this.#drop('left');
    this.#end(this.#response?.status ?? CLIENT_GONE, this.#shared.clock(), this.#headSent);
  }

  /** A part of what was written has left. */
  moved(): void {
    this.#movedAt = this.#shared.clock();
  }

  clientWritable(): void {
    this.#movedAt = this.#shared.clock();
    if (this.#leaving) {
      if (this.#client.gone(true)) this.#left();
      return;
    }
    this.#unread = false;
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
    if (this.#unread || this.#leaving) this.#look(now);
    const waited = now - this.#movedAt;
    if (this.#leaving) {
      if (waited > this.#shared.balance.timeouts.bodyMs) this.#fail(timedOut(UNREAD), 'left');
    } else if (!this.#ready) {
      // Who waits for room has its time from the queue.
      if (this.#upstream !== null && waited > this.#shared.balance.timeouts.connectMs)
        this.#broken('no connection in time');
    } else if (this.#response !== null) {
      if (waited > this.#shared.balance.timeouts.bodyMs)
        // A client that does not read must not speak against the server.
        this.#fail(timedOut(this.#unread ? UNREAD : 'the response stalled'), this.#unread ? 'left' : 'bad');
    } else if (!this.#requestDone) {
      if (waited <= this.#shared.balance.timeouts.bodyMs) return;
      if (this.#blocked) this.#suspect(timedOut('the server stopped reading the request'));
      else this.#fail(requestStalled());
    } else if (waited > this.#shared.balance.timeouts.responseMs) {
      this.#suspect(timedOut('the server did not answer in time'));
    }
  }

  /** A client that reads slowly is not one that stands still. */
  #look(now: number): void {
    const { unsent } = this.#client;
    if (unsent !== this.#unsent) this.#movedAt = now;
    this.#unsent = unsent;
  }

  // What the connection to the backend tells.

  connected(): void {
    this.#movedAt = this.#shared.clock();
    this.#begin();
    this.#client.pump();
  }

  received(bytes: Uint8Array, count: number): void {
    const upstream = this.#upstream;
    if (upstream === null) return;
    if (this.#tunnel !== null) {
      this.#bytes += count;
      this.#tunnel.fromBackend(bytes.subarray(0, count));
      return;
    }
    this.#heard = true;
    upstream.parser.push(bytes, count);
    if (this.#response === null) {
      const head = upstream.parser.message(BALANCER.textBytes);
      if (head !== undefined) {
        this.#whole(head, upstream);
        return;
      }
    }
    // A head has one time for all of it: a line now and then does not make it longer.
    if (this.#response !== null || !this.#requestDone) this.#movedAt = this.#shared.clock();
    // Only while it is ours: after the end of an answer it is not, and what follows answers nothing that was asked.
    while (upstream === this.#upstream && this.#tunnel === null) {
      const event = upstream.parser.next();
      if (event === undefined) break;
      if (event.type === 'head') this.#client.outgoing.text(this.#respond(event.head));
      else if (event.type === 'interim') this.#interim(event.head);
      else if (event.type === 'body') this.#addResponseBody(event.bytes);
      else if (event.type === 'end') this.#complete(event.trailers);
      else this.#fail(badGateway(`the server's answer is not valid HTTP: ${event.problem.why}`));
    }
    if (upstream === this.#upstream && this.#tunnel === null) this.#flushResponse();
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

  // Choosing and retrying (turn.ts).

  granted(backend: Backend): void {
    this.#movedAt = this.#shared.clock();
    this.#attempt(backend);
  }

  expired(reply: OwnReply): void {
    this.#fail(reply);
  }

  #follow(next: Next, fresh = false): void {
    if (next === null) return;
    if ('status' in next) this.#fail(next);
    else this.#attempt(next, fresh);
  }

  /** `#movedAt` is now. */
  #attempt(backend: Backend, fresh = false): void {
    this.#turn.take(backend, this.#movedAt);
    const idle = fresh ? null : backend.pool.take(this);
    this.#turn.reused = idle !== null;
    this.#upstream = idle ?? backend.pool.connect(this, this.#client.facts);
    if (idle === null) return;
    this.#begin();
    this.#client.pump();
  }

  /** The connection is there: the head goes first, then what of the body was written to one that broke. */
  #begin(): void {
    const upstream = this.#upstream;
    const { backend } = this.#turn;
    if (upstream === null || backend === null) return;
    this.#ready = true;
    this.#blocked = false;
    upstream.parser.expect(this.#request.method);
    const { outgoing } = upstream;
    outgoing.clear();
    const { origin, via } = this.#client;
    const route = { origin, fallbackHost: backend.label, version: via };
    const head = forwardRequest(this.#request, route);
    if (this.#request.framing === 'none') {
      this.#touched = true;
      this.#turn.sent(this.#movedAt);
      if (!upstream.sendText(head)) this.#blocked = true;
      return;
    }
    outgoing.text(head);
    if (this.#replay !== null) for (const bytes of this.#replay.body) this.#addBody(outgoing, bytes);
    if (this.#requestDone && this.#request.framing === 'chunked') outgoing.text(this.#requestEnd());
    if (this.#requestDone) this.#turn.sent(this.#movedAt);
  }

  /** The connection broke, or was never made. */
  #broken(reason: string): void {
    const turn = this.#turn;
    const connected = this.#ready;
    this.#cut();
    const touched = this.#touched;
    const again = !this.#heard && (this.#replay ?? new Replay(this.#request)).allowed(touched);
    const { backend } = turn;
    this.#movedAt = this.#shared.clock();
    const next = turn.broke(reason, connected, again, touched, this.#movedAt);
    // A connection that idled may have been closed by a healthy server: once more there, on a new one.
    this.#follow(next, next === backend);
  }

  #suspect(reply: OwnReply): void {
    if (this.#turn.backend !== null) this.#shared.backends.suspected(this.#turn.backend);
    this.#fail(reply);
  }

  // The response.

  #interim(head: ResponseHead): void {
    this.#interims += 1;
    this.#movedAt = this.#shared.clock();
    if (head.status === 101 && switchesTo(this.#request, head)) this.#switch(head);
    // Any other 101 answers what was not asked.
    else if (head.status === 101 || this.#interims > BALANCER.maxInterim)
      this.#fail(badGateway('the server sent interim responses that were not asked for'));
    else if (this.#request.minor === 1) this.#client.outgoing.text(forwardInterim(head));
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
    this.#turn.answered(head.status, this.#movedAt);
    this.#client.outgoing.text(forwardSwitch(head));
    this.#flushResponse();
    const tunnel = new Tunnel(end, upstream, this.#shared.balance.timeouts.tunnelMs, this.#shared.clock);
    this.#tunnel = tunnel;
    const early = upstream.parser.release();
    this.#bytes += early.length;
    tunnel.fromBackend(early);
    tunnel.fromClient(end.open());
  }

  #endTunnel(): void {
    if (this.#tunnel?.over !== true) return;
    this.#drop('good');
    this.#end(101);
    this.#client.finished(false);
  }

  #breakTunnel(): void {
    this.#drop('good');
    this.#end(101, this.#shared.clock(), true);
    this.#client.finished(null);
  }

  /** A response that is all there: one text, and one write. */
  #whole(head: ResponseHead, upstream: Upstream): void {
    const text = this.#respond(head);
    const body = upstream.parser.takeBody();
    this.#bytes += body.length;
    const { outgoing } = this.#client;
    // An interim response may have come before it.
    if (outgoing.size > 0) outgoing.text(text + body);
    else {
      this.#headSent = true;
      this.#unread = !this.#client.sendText(text + body);
    }
    this.#complete(NO_TRAILERS);
  }

  /** The head for the client. */
  #respond(head: ResponseHead): string {
    this.#movedAt = this.#shared.clock();
    this.#response = head;
    this.#turn.answered(head.status, this.#movedAt);
    // A final answer before the whole request: the rest of it may never come, so the connection ends after it.
    this.#keepAlive =
      this.#request.keepAlive &&
      this.#requestDone &&
      !this.#shared.stopping &&
      selfDelimited(head, this.#request.minor);
    return forwardResponse(head, {
      minor: this.#request.minor,
      keepAlive: this.#keepAlive,
      date: this.#shared.date,
      added: this.#turn.cookieOver(this.#client.origin.scheme),
    });
  }

  #addResponseBody(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    addBody(this.#client.outgoing, bytes, this.#chunksOut());
  }

  #chunksOut(): boolean {
    return this.#response !== null && sendsChunked(this.#response, this.#request.minor);
  }

  #flushResponse(): void {
    if (this.#client.outgoing.size === 0) return;
    if (this.#response !== null) this.#headSent = true;
    if (this.#client.send()) return;
    this.#unread = true;
    this.#unsent = this.#client.unsent;
    this.#upstream?.pause();
  }

  #complete(trailers: readonly Field[]): void {
    const upstream = this.#upstream;
    const head = this.#response;
    if (upstream === null || head === null) return;
    if (this.#chunksOut()) this.#client.outgoing.text(chunkedEnd(trailers, head.options));
    this.#flushResponse();
    // Bytes after the answer, or an answer before the whole request, would be taken for part of the next.
    const clean = this.#requestDone && upstream.flushed && upstream.parser.idle;
    const { backend } = this.#turn;
    if (clean && head.keepAlive && backend !== null && !this.#shared.stopping) {
      this.#upstream = null;
      // The connection may be paused for this client; an idle one must notice its close.
      upstream.resume();
      backend.pool.put(upstream, this.#movedAt);
    }
    this.#drop('good', this.#movedAt);
    this.#wholeAt = this.#movedAt;
    if (this.#client.gone(this.#unread)) {
      this.#left();
      return;
    }
    this.#leaving = true;
    this.#unsent = this.#client.unsent;
    // What comes of a request that is not whole must not stand in the way of the client's reading.
    if (!this.#requestDone) this.#client.pump();
  }

  /** All of the answer has left. */
  #left(): void {
    this.#end(this.#response?.status ?? 0, this.#movedAt);
    this.#client.finished(this.#keepAlive);
  }

  // The end.

  /** Lets go of the connection. */
  #cut(): void {
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#ready = false;
  }

  /** Lets go of the backend, or of the place in the queue. */
  #drop(outcome: Outcome, now = this.#shared.clock()): void {
    this.#cut();
    this.#turn.release(outcome, now);
  }

  /** Answers with an error of our own, or cuts the client off where part of the response has gone out. */
  #fail(
    reply: OwnReply,
    outcome: Outcome = reply.status === 502 || reply.status === 504 ? 'bad' : 'left',
  ): void {
    if (this.#over) return;
    this.#drop(outcome);
    const { who, emit } = this.#shared;
    if (reply.status >= 400) this.#shared.own.because(causeOf(reply));
    if (reply.status === 502 || reply.status === 504)
      emit({
        type: 'error',
        who,
        code: reply.code,
        detail: `${this.#turn.backend?.label ?? '-'}: ${reply.message}`,
      });
    if (this.#headSent) {
      this.#end(this.#response?.status ?? reply.status, this.#shared.clock(), true);
      this.#client.finished(null);
      return;
    }
    this.#client.outgoing.clear();
    this.#response = null;
    this.#end(reply.status);
    const keepAlive = this.#request.keepAlive && this.#requestDone;
    this.#client.answer(reply, keepAlive && this.#request.minor === 1, this.#request.method);
  }

  /** `cut`: what the client got is not whole. */
  #end(status: number, now = this.#shared.clock(), cut = false): void {
    this.#over = true;
    const shared = this.#shared;
    shared.active -= 1;
    shared.requests += 1;
    const { backend, attempts } = this.#turn;
    const retries = attempts > 1 ? attempts - 1 : 0;
    // A tunnel lasts as long as its users like: what counts is how soon it was there.
    const ms = (this.#tunnel?.openedAt ?? (this.#wholeAt === 0 ? now : this.#wholeAt)) - this.#startedAt;
    const tally = this.#response === null || backend === null ? shared.own : backend.tally;
    tally.ended(status, ms, this.#bytes, retries);
    if (!shared.access.logs(status, cut)) return;
    const told: KelanaEvent = {
      type: 'balancer.request',
      who: shared.who,
      client: this.#client.label,
      backend: backend?.label ?? '-',
      method: this.#request.method,
      target: this.#request.target,
      status,
      // Whole µs: a line shows no more, and each digit is written and stored.
      seconds: Math.round((now - this.#startedAt) * 1000) / 1e6,
      bytes: this.#bytes,
      retries,
      at: shared.time(now),
    };
    shared.emit(cut ? { ...told, cut } : told);
  }

  #addBody(outgoing: Outgoing, bytes: Uint8Array): void {
    addBody(outgoing, bytes, this.#request.framing === 'chunked');
  }
}

function addBody(outgoing: Outgoing, bytes: Uint8Array, chunked: boolean): void {
  if (chunked) outgoing.text(chunkStart(bytes.length));
  outgoing.bytes(bytes);
  if (chunked) outgoing.text('\r\n');
}
