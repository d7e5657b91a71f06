import { RequestParser, ResponseParser, type ParserEvent, type ParserLimits } from './parser.ts';
import type { RequestHead } from './request.ts';
import type { ResponseHead } from './response.ts';
import { SeenHeads } from './seen.ts';

/** What the tests of the parsers share. Nothing outside tests imports this. */
export const LIMITS: ParserLimits = { maxHeadBytes: 8192, maxHeaders: 100, maxExtensionBytes: 1024 };

/** Small, so that heads meet in it and the same one is found again: both must change nothing. */
const SEEN_REQUESTS = new SeenHeads<RequestHead>(4);
const SEEN_RESPONSES = new SeenHeads<ResponseHead>(4);

export interface Read<H> {
  readonly messages: { head: H; interim: H[]; body: string; trailers: string[] }[];
  /** Status and reason of the refusal, or null. */
  readonly refusal: string | null;
  /** Nothing is half read. */
  readonly clean: boolean;
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

export function textOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

/** Cuts at the given offsets. */
export function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const edges = [0, ...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...edges, bytes.length].slice(1).map((end, index) => bytes.subarray(edges[index] ?? 0, end));
}

export function everyByte(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
}

export function readRequests(parts: readonly Uint8Array[], limits = LIMITS): Read<RequestHead> {
  return readAll(new RequestParser(limits, SEEN_REQUESTS), parts, false);
}

export function readResponses(
  parts: readonly Uint8Array[],
  methods: readonly string[] = [],
  closed = false,
  limits = LIMITS,
): Read<ResponseHead> {
  const parser = new ResponseParser(limits, SEEN_RESPONSES);
  let at = 0;
  parser.expect(methods[0] ?? 'GET');
  return readAll(parser, parts, closed, () => {
    at += 1;
    parser.expect(methods[at] ?? 'GET');
  });
}

interface Parser<H> {
  push(bytes: Uint8Array): void;
  next(): ParserEvent<H> | undefined;
  message(most: number): H | undefined;
  takeBody(): string;
  finish(): ParserEvent<H> | undefined;
  readonly idle: boolean;
  readonly finished: boolean;
}

/** Bytes of the longest body that is read with its head: among those of the tests are longer and shorter ones. */
const WHOLE = 16;

/** The pushed buffer is overwritten after each part, as a socket's reused buffer is. */
function readAll<H>(
  parser: Parser<H>,
  parts: readonly Uint8Array[],
  closed: boolean,
  ended = () => {},
): Read<H> {
  const messages: Read<H>['messages'] = [];
  let interim: H[] = [];
  let open: Read<H>['messages'][number] | null = null;
  let refusal: string | null = null;
  const take = (event: ParserEvent<H>): void => {
    if (event.type === 'interim') interim.push(event.head);
    if (event.type === 'head') {
      open = { head: event.head, interim, body: '', trailers: [] };
      interim = [];
    }
    if (event.type === 'body' && open !== null) open.body += textOf(event.bytes);
    if (event.type === 'end' && open !== null) {
      open.trailers = event.trailers.map((field) => `${field.raw}: ${field.value}`);
      messages.push(open);
      open = null;
      ended();
    }
    if (event.type === 'error') refusal = `${event.problem.status} ${event.problem.why}`;
  };
  for (const part of parts) {
    const reused = part.slice();
    parser.push(reused);
    for (;;) {
      const head = open === null && refusal === null ? parser.message(WHOLE) : undefined;
      if (head !== undefined) {
        messages.push({ head, interim, body: parser.takeBody(), trailers: [] });
        interim = [];
        ended();
        continue;
      }
      const event = parser.next();
      if (event === undefined) break;
      take(event);
      if (event.type === 'error') break;
    }
    reused.fill(0x0a);
  }
  if (closed && refusal === null) {
    const event = parser.finish();
    if (event !== undefined) take(event);
  }
  return { messages, refusal, clean: parser.idle || parser.finished };
}
