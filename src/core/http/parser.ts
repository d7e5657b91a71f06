import { LONG_SECTION, MessageParser, type ParserLimits } from './message.ts';
import { RequestLineOpening, StatusLineOpening } from './opening.ts';
import { parseRequestHead, type RequestHead } from './request.ts';
import { parseResponseHead, type ResponseHead } from './response.ts';
import type { SeenHeads } from './seen.ts';
import type { HttpProblem } from './syntax.ts';

export type { ParserEvent, ParserLimits } from './message.ts';

const LONG_REQUEST_LINE: HttpProblem = { status: 414, why: 'request line too long' };

export class RequestParser extends MessageParser<RequestHead> {
  protected override readonly seen: SeenHeads<RequestHead> | undefined;
  protected override readonly opening = new RequestLineOpening();
  protected override readonly longLine = LONG_REQUEST_LINE;

  constructor(limits: ParserLimits, seen?: SeenHeads<RequestHead>) {
    super(limits);
    this.seen = seen;
  }

  protected override readHead(text: string): RequestHead {
    return parseRequestHead(text);
  }
  protected override isInterim(): boolean {
    return false;
  }
}

export class ResponseParser extends MessageParser<ResponseHead> {
  protected override readonly opening = new StatusLineOpening();
  protected override readonly longLine = LONG_SECTION;
  readonly #heads: SeenHeads<ResponseHead> | undefined;
  #method = 'GET';

  constructor(limits: ParserLimits, seen?: SeenHeads<ResponseHead>) {
    super(limits);
    this.#heads = seen;
  }

  /** An answer to HEAD means something else than the same bytes to another method. */
  protected override get seen(): SeenHeads<ResponseHead> | undefined {
    return this.#method === 'HEAD' ? undefined : this.#heads;
  }

  /** Names the method of the request whose response comes next: HEAD has no body. */
  expect(method: string): void {
    this.#method = method;
  }

  protected override readHead(text: string): ResponseHead {
    return parseResponseHead(text, this.#method);
  }
  protected override isInterim(head: ResponseHead): boolean {
    return head.status < 200;
  }
}
