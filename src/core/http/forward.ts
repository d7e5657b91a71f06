import type { Field, MessageHead } from './head.ts';
import { PROVENANCE, tellHost, tellTrusted, VIA, type Origin } from './provenance.ts';
import type { RequestHead } from './request.ts';
import type { ResponseHead } from './response.ts';

/**
 * Fields that end at each hop whether Connection names them or not (RFC 9110 section 7.6.1), and those that the
 * sender of a message writes anew: Upgrade too, where the protocol is one that may be tunnelled.
 */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'proxy-authenticate',
  'proxy-authorization',
]);

/** Written anew too. Via is continued: it is how loops are seen (RFC 9110 section 7.6.3). */
const REPLACED: ReadonlySet<string> = new Set(['host', 'via', ...PROVENANCE]);

/** Fields that may not come as trailers: framing, routing, authentication, content (RFC 9110 section 6.5.1). */
const NO_TRAILER: ReadonlySet<string> = new Set([
  'host',
  'trailer',
  'expect',
  'max-forwards',
  'range',
  'cache-control',
  'pragma',
  'authorization',
  'www-authenticate',
  'set-cookie',
  'cookie',
  'age',
  'expires',
  'date',
  'location',
  'retry-after',
  'vary',
  'warning',
  'content-encoding',
  'content-type',
  'content-range',
  'idempotency-key',
]);

/** The same text in one piece: engines keep what was added together as its parts until a character is asked for. */
function joined(text: string): string {
  return text.charCodeAt(0) >= 0 ? text : '';
}

/** Names that backends trust to be this hop's word, beside those that end here. */
const OURS: ReadonlySet<string> = new Set(['content-length', 'host', 'via', 'x-real-ip']);

/** CGI, WSGI and Rack read `_` as `-`: such a field would pass for one that is taken out or written here. */
function poses(name: string): boolean {
  const read = name.replaceAll('_', '-');
  return OURS.has(read) || HOP_BY_HOP.has(read) || REPLACED.has(read);
}

/** Whether a field of this name ends at this hop: by itself, or because Connection nominates it. */
function ended({ options }: MessageHead, name: string): boolean {
  return HOP_BY_HOP.has(name) || (options.length > 0 && options.includes(name));
}

/** Whether the next hop sees who asks for the same again (draft-ietf-httpapi-idempotency-key-header). */
export function tellsKey(head: RequestHead): boolean {
  return head.fields.some(
    ({ name, value }) => name === 'idempotency-key' && value !== '' && !ended(head, name),
  );
}

/** Field lines to send on: what ends at this hop, and what Connection nominates, is taken out first. */
function passOn(head: MessageHead, drop: ReadonlySet<string> | null): string {
  let text = '';
  for (const { name, raw, value } of head.fields) {
    if (ended(head, name) || drop?.has(name) === true) continue;
    if (drop !== null && name.includes('_') && poses(name)) continue;
    text += `${raw}: ${value}\r\n`;
  }
  return text;
}

export interface RequestRoute {
  readonly origin: Origin;
  /** Host to send where the client sent none, which only HTTP/1.0 may. */
  readonly fallbackHost: string;
  /** Version of the protocol the client speaks, for Via, where it is not HTTP/1. */
  readonly version?: string | undefined;
}

/** A request's head for the next hop, as latin1, with the empty line. Only what was parsed is written, in one form. */
export function forwardRequest(head: RequestHead, { origin, fallbackHost, version }: RequestRoute): string {
  const { memo, host = fallbackHost } = head;
  if (origin.trusted) return writeRequest(head, host, version) + tellTrusted(head, host, origin);
  if (memo.text !== null && memo.key === origin.form) {
    // Where the one before came from the same client, also the whole: to add the tail costs what copying all of it does.
    if (memo.tail !== origin.tail) {
      memo.tail = origin.tail;
      memo.whole = memo.text + origin.tail;
    }
    return memo.whole;
  }
  const text = writeRequest(head, host, version) + tellHost(host, origin.form);
  if (head.host !== undefined) {
    memo.text = joined(text);
    memo.key = origin.form;
    memo.tail = '';
  }
  return text + origin.tail;
}

/** All but what says where the request came from. */
function writeRequest(head: RequestHead, host: string, version = `1.${head.minor}`): string {
  // An expectation in HTTP/1.0 is ignored (RFC 9110 section 10.1.1), so it is not sent on either.
  let text = `${head.method} ${head.path} HTTP/1.1\r\nHost: ${host}\r\n${passOn(head, replacedOf(head))}`;
  if (head.forwards !== null) text += `Max-Forwards: ${Math.max(0, head.forwards - 1)}\r\n`;
  if (head.framing === 'length') text += `Content-Length: ${head.length}\r\n`;
  else if (head.framing === 'chunked') text += 'Transfer-Encoding: chunked\r\n';
  if (head.upgrade !== null) text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`;
  const seen = head.options.includes('via') ? '' : viaOf(head.fields);
  return `${text}Via: ${seen}${version} ${VIA}\r\n`;
}

const OLD_REQUEST: ReadonlySet<string> = new Set([...REPLACED, 'expect']);
const COUNTED: ReadonlySet<string> = new Set([...REPLACED, 'max-forwards']);
const OLD_COUNTED: ReadonlySet<string> = new Set([...OLD_REQUEST, 'max-forwards']);

function replacedOf({ minor, forwards }: RequestHead): ReadonlySet<string> {
  if (minor === 0) return forwards === null ? OLD_REQUEST : OLD_COUNTED;
  return forwards === null ? REPLACED : COUNTED;
}

function viaOf(fields: readonly Field[]): string {
  let text = '';
  for (const { name, value } of fields) if (name === 'via' && value !== '') text += `${value}, `;
  return text;
}

export interface ResponseRoute {
  /** Minor version of the client. */
  readonly minor: 0 | 1;
  /** Whether the client's connection stays open after this response. */
  readonly keepAlive: boolean;
  /** What is put in where the response has no Date (RFC 9110 section 6.6.1). */
  readonly date: () => string;
  /** Field lines of our own to add, each with its CRLF. */
  readonly added?: string;
}

/** A final response's head for the client, as latin1, with the empty line; `sendsChunked` says how the body goes. */
export function forwardResponse(head: ResponseHead, route: ResponseRoute): string {
  const { memo } = head;
  const key = route.minor * 2 + (route.keepAlive ? 1 : 0);
  const added = route.added ?? '';
  if (added === '' && memo.text !== null && memo.key === key) return memo.text;
  let text = `HTTP/1.1 ${head.status} ${head.reason}\r\n${passOn(head, null)}`;
  const dated = head.fields.some((field) => field.name === 'date');
  if (!dated) text += `Date: ${route.date()}\r\n`;
  if (head.framing === 'length') text += `Content-Length: ${head.length}\r\n`;
  else if (sendsChunked(head, route.minor)) text += 'Transfer-Encoding: chunked\r\n';
  // HEAD and 304 may tell the length of what they leave out; 204 may not (RFC 9110 section 8.6).
  else if (head.framing === 'none' && head.hasLength && head.status !== 204)
    text += `Content-Length: ${head.length}\r\n`;
  text += added;
  if (!route.keepAlive) text += 'Connection: close\r\n';
  else if (route.minor === 0) text += 'Connection: keep-alive\r\n';
  text += '\r\n';
  if (dated && added === '') {
    memo.text = joined(text);
    memo.key = key;
  }
  return text;
}

/** A 1xx response for the client; HTTP/1.0 clients must not be sent any (RFC 9110 section 15.2). */
export function forwardInterim(head: ResponseHead): string {
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n${passOn(head, null)}\r\n`;
}

/** The answer that ends HTTP on this connection: both sides speak `head.upgrade` after it (RFC 9110 section 7.8). */
export function forwardSwitch(head: ResponseHead): string {
  return `HTTP/1.1 101 ${head.reason}\r\n${passOn(head, null)}Connection: Upgrade\r\nUpgrade: ${head.upgrade ?? ''}\r\n\r\n`;
}

/** Whether a 101 switches to something that the request offered; protocol names are compared without case. */
export function switchesTo(request: RequestHead, answer: ResponseHead): boolean {
  if (request.upgrade === null || answer.upgrade === null) return false;
  const offered = request.upgrade.toLowerCase().split(', ');
  return offered.includes(answer.upgrade.toLowerCase());
}

/** Of a trailer. */
function endsHere(name: string): boolean {
  return HOP_BY_HOP.has(name) || REPLACED.has(name) || NO_TRAILER.has(name);
}

/** Whether a body of unknown length goes out chunked; an HTTP/1.0 reader gets it up to the close. */
export function sendsChunked(head: ResponseHead, minor: 0 | 1): boolean {
  return minor === 1 && (head.framing === 'chunked' || head.framing === 'close');
}

/** Whether the client can tell this response's end without the connection closing. */
export function selfDelimited(head: ResponseHead, minor: 0 | 1): boolean {
  return minor === 1 || head.framing === 'none' || head.framing === 'length';
}

/** The start of a chunk of `size` bytes; its data and CRLF follow. */
export function chunkStart(size: number): string {
  return `${size.toString(16)}\r\n`;
}

/**
 * The last chunk and the trailers; those that may change a message's meaning are left out, also under a name that
 * poses as one of them, and what Connection nominates (`nominated`).
 */
export function chunkedEnd(trailers: readonly Field[], nominated: readonly string[] = []): string {
  let text = '0\r\n';
  for (const { name, raw, value } of trailers) {
    if (endsHere(name) || (name.includes('_') && (poses(name) || endsHere(name.replaceAll('_', '-')))))
      continue;
    if (nominated.includes(name)) continue;
    text += `${raw}: ${value}\r\n`;
  }
  return `${text}\r\n`;
}
