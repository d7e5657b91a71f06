import { FOLDER, TRANSFER } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import { memoryOf, type Into } from '../../core/transfer/ports.ts';
import { REFUSAL_TEXT } from '../../core/transfer/refusals.ts';
import {
  ALL,
  BlockFrameReader,
  breach,
  encodeAsk,
  FRAME,
  LAST,
  REFUSALS,
  type Ask,
  type FrameTaker,
  type Head,
} from '../../core/wire/blocks.ts';
import { decodeFetchers } from '../../core/wire/fetchers.ts';
import type { ByteChannel } from './channel.ts';
import { Questions } from './questions.ts';
import type { Request } from './request.ts';

/** Bytes of a manifest: the largest file has 1,025 nodes of about 50 KiB. */
const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;
/** Nodes of a manifest: each costs some 200 bytes beside its own, so that the bytes alone bound nothing. */
const MAX_MANIFEST_NODES = FOLDER.maxEntries + 1;
const NOTHING = new Uint8Array(0);
/** The last number of a request; long before it a channel is made anew. */
const MAX_REQUEST = 2 ** 31;

/** A request, by its number, and its end. */
export interface Asked {
  readonly number: number;
  readonly answer: Promise<unknown>;
}

export interface ClientOptions {
  readonly peer: string;
  readonly label: string;
  readonly now: () => number;
  /** Called once, when the channel has ended. */
  onEnd(): void;
}

/** Asks one provider over one channel for all downloads from it: numbers the requests and hands out the answers. */
export class BlockClient implements FrameTaker {
  readonly peer: string;
  readonly label: string;
  readonly reader: BlockFrameReader;
  readonly #options: ClientOptions;
  #channel: ByteChannel | null = null;
  /** In the order of their numbers, which is that of the answers. */
  readonly #requests: Request[] = [];
  /** Of the requests, those that were given up. */
  #cancelled = 0;
  #next = 1;
  /** Blocks asked for, not sent yet. */
  readonly #unsent = new Questions();
  /** They are sent at the end of this turn. */
  #flushing = false;
  #ended: KelanaError | null = null;
  #heardAt = 0;
  #received = 0;
  /** The request that all others wait for, and since when. */
  #first = { number: 0, since: 0, received: 0 };
  readonly #watch: NodeJS.Timeout;

  constructor(options: ClientOptions) {
    this.peer = options.peer;
    this.label = options.label;
    this.#options = options;
    this.reader = new BlockFrameReader(this);
    this.#watch = setInterval(() => this.#look(), TRANSFER.idleTimeoutMs / 4);
    this.#watch.unref();
  }

  get via(): 'lane' | 'stream' {
    return this.#channel?.via ?? 'stream';
  }

  get open(): boolean {
    return this.#ended === null && this.#channel?.open === true && this.#next < MAX_REQUEST;
  }

  get busy(): boolean {
    return this.#requests.length > 0;
  }

  attach(channel: ByteChannel): void {
    this.#channel = channel;
    channel.start(this.reader, (error) => this.#end(error));
  }

  /** `root`: only the first node. `mostNodes`: more are a breach. */
  manifest(cid: string, root: boolean, mostNodes = MAX_MANIFEST_NODES): Asked {
    const request = this.#ask(cid, root ? 'root' : 'manifest', NOTHING, { mostNodes });
    this.#send({ type: 'manifest', request: request.number, cid: this.#unsent.bytesOf(cid) });
    return request;
  }

  /** Each node goes to `take` as it comes, valid only meanwhile; the answer is that all have come, or what it threw. */
  nodes(cid: string, take: (node: Uint8Array) => void): Asked {
    const request = this.#ask(cid, 'manifest', NOTHING, { take });
    this.#send({ type: 'manifest', request: request.number, cid: this.#unsent.bytesOf(cid) });
    return request;
  }

  /** The node with this number alone. */
  node(cid: string, number: number): Asked {
    const request = this.#ask(cid, 'root', NOTHING);
    this.#send({ type: 'node', request: request.number, cid: this.#unsent.bytesOf(cid), number });
    return request;
  }

  have(cid: string): Asked {
    const request = this.#ask(cid, 'have', NOTHING);
    this.#send({ type: 'have', request: request.number, cid: this.#unsent.bytesOf(cid) });
    return request;
  }

  /** `port`: where this node gives what it has by then; 0: nowhere. */
  peers(cid: string, port: number): Asked {
    const request = this.#ask(cid, 'peers', NOTHING);
    this.#send({ type: 'peers', request: request.number, port, cid: this.#unsent.bytesOf(cid) });
    return request;
  }

  block(cid: string, index: number, into: Into): Asked {
    const request = this.#ask(cid, 'block', into);
    this.#unsent.add(cid, index, request.number);
    this.#askSoon();
    return request;
  }

  /** All of a file of one block, whatever its size; its memory is chosen when it comes, and `coming` is called then. */
  whole(cid: string, coming: () => void): Asked {
    const into = { length: TRANSFER.blockBytes, bytes: () => NOTHING };
    const request = this.#ask(cid, 'whole', into, { coming });
    this.#unsent.add(cid, 0, request.number);
    this.#askSoon();
    return request;
  }

  /**
   * Gives requests up. Their memory is free when their promise has settled: at once, but for the one that bytes are
   * just coming for.
   */
  cancel(numbers: ReadonlySet<number>, error: KelanaError): void {
    for (const request of this.#requests) {
      if (!numbers.has(request.number) || request.cancelled) continue;
      request.cancelled = true;
      this.#cancelled += 1;
      this.#send({ type: 'cancel', request: request.number, count: 1 });
      if (!request.active) request.reject(error);
    }
  }

  abort(error: KelanaError): void {
    this.#channel?.abort(error);
    this.#end(error);
  }

  async close(): Promise<void> {
    await this.#channel?.close();
    this.#end(null);
  }

  room(head: Head): Uint8Array | null {
    const request = this.#answered(head.request);
    if (head.type !== FRAME.data) return null;
    const { wants } = request;
    if (wants !== 'block' && wants !== 'whole') throw breach('a block that nobody asked for');
    if (head.length === 0 && (head.flags & LAST) === 0) throw breach('an empty piece of a block');
    if (request.filled + head.length > request.into.length) throw breach('a block too long');
    if (request.cancelled && !request.active) return null;
    if (wants === 'whole' && !request.active) {
      request.into = new Uint8Array((head.flags & LAST) === 0 ? TRANSFER.blockBytes : head.length);
      request.coming?.();
    }
    request.active = true;
    const memory = memoryOf(request.into);
    request.into = memory;
    return memory.subarray(request.filled, request.filled + head.length);
  }

  frame(head: Head, payload: Uint8Array): void {
    const request = this.#answered(head.request);
    switch (head.type) {
      case FRAME.data:
        request.filled += head.length;
        if ((head.flags & LAST) === 0) return;
        if (request.wants === 'whole') {
          const all = memoryOf(request.into);
          // It may be kept: not with the room that a longer one would have had.
          this.#settle(request.filled === all.length ? all : all.slice(0, request.filled));
          return;
        }
        if (request.filled !== request.into.length) throw breach('a block too short');
        this.#settle(null);
        return;
      case FRAME.manifest:
        this.#node(request, head, payload);
        return;
      case FRAME.have:
        if (request.wants !== 'have') break;
        this.#settle((head.flags & ALL) === 0 ? payload.slice() : null);
        return;
      case FRAME.peers:
        if (request.wants !== 'peers') break;
        this.#settle(decodeFetchers(payload));
        return;
      case FRAME.refused:
        this.#shift();
        request.reject(this.#refused(request, REFUSALS[payload[0] ?? -1] ?? 'failed'));
        return;
      default:
    }
    throw breach('an answer of another kind than was asked for');
  }

  #node(request: Request, head: Head, payload: Uint8Array): void {
    if (request.wants !== 'manifest' && request.wants !== 'root')
      throw breach('a manifest that nobody asked for');
    const last = (head.flags & LAST) !== 0;
    if (request.wants === 'root' && !request.cancelled) {
      request.resolve(payload.slice());
      this.#enough(request, last);
    }
    if (payload.length > 0) {
      // What is of no use any more is not kept.
      if (!request.cancelled && request.take !== null) this.#give(request, request.take, payload, last);
      else if (!request.cancelled) request.nodes.push(payload.slice());
    } else if (!last) throw breach('an empty piece of a manifest');
    request.filled += payload.length;
    if (request.filled > MAX_MANIFEST_BYTES || request.nodes.length > request.mostNodes)
      throw breach('a manifest too large');
    if (last) this.#settle(request.nodes);
  }

  #give(request: Request, take: (node: Uint8Array) => void, node: Uint8Array, last: boolean): void {
    try {
      take(node);
    } catch (thrown) {
      request.reject(thrown);
      this.#enough(request, last);
    }
  }

  /** It has its answer; what may come after that is of no use. */
  #enough(request: Request, last: boolean): void {
    request.cancelled = true;
    this.#cancelled += 1;
    if (!last) this.#send({ type: 'cancel', request: request.number, count: 1 });
  }

  /** The request that an answer is for; those before it that were given up will get none. */
  #answered(number: number): Request {
    for (;;) {
      const [first] = this.#requests;
      if (first?.number === number) return first;
      if (first === undefined || !first.cancelled || first.number > number)
        throw breach('an answer that nobody asked for');
      this.#shift();
      // Its memory was waited for; no more bytes come into it now.
      first.reject(this.#gone('cancelled'));
    }
  }

  #settle(answer: unknown): void {
    const request = this.#shift();
    if (request?.cancelled === true) request.reject(this.#gone('cancelled'));
    else request?.resolve(answer);
  }

  /** The first request has its answer, or gets none. */
  #shift(): Request | undefined {
    const request = this.#requests.shift();
    if (request?.cancelled === true) this.#cancelled -= 1;
    this.#askSoon();
    return request;
  }

  #ask(
    cid: string,
    wants: Request['wants'],
    into: Into,
    { mostNodes = 0, take = null, coming }: Partial<Pick<Request, 'mostNodes' | 'take' | 'coming'>> = {},
  ): Asked {
    if (this.#ended !== null) throw this.#ended;
    if (this.#requests.length >= TRANSFER.maxAsked) throw this.#gone('too many requests at once');
    const number = this.#next;
    this.#next += 1;
    if (this.#requests.length === 0) this.#heardAt = this.#options.now();
    const answer = new Promise<unknown>((resolve, reject) => {
      this.#requests.push({
        number,
        cid,
        wants,
        into,
        filled: 0,
        active: false,
        nodes: [],
        mostNodes,
        take,
        coming,
        cancelled: false,
        resolve,
        reject,
      });
    });
    return { number, answer };
  }

  /** Each write costs both sides a turn: a question waits while enough others are on their way. */
  get #due(): boolean {
    const waiting = this.#unsent.size;
    const asked = this.#requests.length - this.#cancelled - waiting;
    return waiting > 0 && (asked < TRANSFER.asksAhead || waiting * TRANSFER.asksTogether >= asked);
  }

  #askSoon(): void {
    if (this.#flushing || !this.#due) return;
    this.#flushing = true;
    queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    this.#write(this.#unsent.take());
  }

  #send(ask: Ask): void {
    if (this.#unsent.size > 0) this.#flush();
    this.#write(encodeAsk(ask));
  }

  #write(bytes: Uint8Array): void {
    // Of a channel that has ended it says so itself.
    if (bytes.length > 0 && this.#ended === null) this.#channel?.write(bytes).catch(() => undefined);
  }

  #look(): void {
    const now = this.#options.now();
    if (this.#requests.length === 0 || this.reader.received !== this.#received) this.#heardAt = now;
    this.#received = this.reader.received;
    if (now - this.#heardAt >= TRANSFER.idleTimeoutMs)
      this.abort(this.#gone(`no data for ${TRANSFER.idleTimeoutMs / 1000} s`));
    else if (this.#drips(now)) this.abort(this.#gone('too slow'));
  }

  /** What is no block comes byte by byte. How fast blocks have to be is for the downloads to say. */
  #drips(now: number): boolean {
    const [first] = this.#requests;
    if (first === undefined || first.wants === 'block') return false;
    const { received } = this.reader;
    if (first.number !== this.#first.number) this.#first = { number: first.number, since: now, received };
    const due = ((received - this.#first.received) / TRANSFER.leastAnswerBytesPerSecond) * 1000;
    return now - this.#first.since >= TRANSFER.idleTimeoutMs + due;
  }

  #end(error: Error | null): void {
    if (this.#ended !== null) return;
    this.#ended =
      error instanceof KelanaError
        ? new KelanaError(error.code, { ...error.params, peer: this.label }, error)
        : this.#gone(error?.message ?? 'EOF');
    clearInterval(this.#watch);
    // Before their memory goes back: a stream whose other side says that it has ended may bring more.
    this.reader.end();
    this.#channel?.abort(this.#ended);
    for (const request of this.#requests.splice(0)) request.reject(this.#ended);
    this.#options.onEnd();
  }

  #refused(request: Request, refusal: (typeof REFUSALS)[number]): KelanaError {
    if (refusal === 'changed') return new KelanaError('SOURCE_CHANGED', { name: request.cid });
    const { id, en } = REFUSAL_TEXT[refusal];
    const why = { id: `${this.label}: ${id}`, en: `${this.label}: ${en}` };
    return new KelanaError('TRANSFER_FAILED', { name: request.cid, why, refusal });
  }

  #gone(why: string): KelanaError {
    return new KelanaError('TRANSFER_FAILED', { name: this.label, why });
  }
}
