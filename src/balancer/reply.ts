import { BALANCER } from '../core/config.ts';
import type { RequestHead } from '../core/http/request.ts';

/** Reason phrases of the answers the balancer gives by itself (RFC 9110 section 15). */
const STATUS_TEXT: Readonly<Record<number, string>> = {
  200: 'OK',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  408: 'Request Timeout',
  414: 'URI Too Long',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
  508: 'Loop Detected',
};

export interface OwnReply {
  readonly status: number;
  /** What programs match on. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterSeconds?: number;
  readonly location?: string;
  /** In place of the error as JSON. */
  readonly content?: { readonly type: string; readonly text: string };
}

/** Those whose `message` is one of many fixed texts, each of which says something else. */
const EXPLAINED: ReadonlySet<string> = new Set(['BAD_REQUEST', 'BAD_GATEWAY', 'GATEWAY_TIMEOUT']);

/** What it is counted by: its code, and for some a fixed text after a space. Nothing of it comes from a client. */
export function causeOf({ code, message }: OwnReply): string {
  return EXPLAINED.has(code) ? `${code} ${message}` : code;
}

/** A whole response that the balancer gives by itself. `head` leaves the body out, as the answer to HEAD must. */
export function ownResponse(reply: OwnReply, keepAlive: boolean, head: boolean, date: string): string {
  const { type, text: body } = reply.content ?? {
    type: 'application/json',
    text: `${JSON.stringify({ error: reply.code, message: reply.message })}\n`,
  };
  return (
    `HTTP/1.1 ${reply.status} ${STATUS_TEXT[reply.status] ?? ''}\r\n` +
    `Date: ${date}\r\n` +
    (body === '' ? '' : `Content-Type: ${type}\r\n`) +
    `Content-Length: ${body.length}\r\n` +
    (reply.retryAfterSeconds === undefined ? '' : `Retry-After: ${reply.retryAfterSeconds}\r\n`) +
    (reply.location === undefined ? '' : `Location: ${reply.location}\r\n`) +
    (keepAlive ? '\r\n' : 'Connection: close\r\n\r\n') +
    (head ? '' : body)
  );
}

export function badGateway(message: string): OwnReply {
  return { status: 502, code: 'BAD_GATEWAY', message };
}

export function timedOut(message: string): OwnReply {
  return { status: 504, code: 'GATEWAY_TIMEOUT', message };
}

/** Nothing was sent anywhere, so the client may repeat any request. */
export function unavailable(): OwnReply {
  return {
    status: 503,
    code: 'NO_SERVER',
    message: 'no server is up; try again soon',
    retryAfterSeconds: BALANCER.retryAfterSeconds,
  };
}

/**
 * The same address over HTTPS. 308 keeps the method and the body (RFC 9110 section 15.4.9). Host and path were read by
 * the strict parser, so neither can hold the end of a line.
 */
export function redirectTo(host: string | undefined, path: string, port: number): OwnReply {
  const name = (host ?? '').replace(/:[0-9]*$/, '');
  if (name === '') return badRequest(400, 'no Host');
  const location = `https://${name}${port === 443 ? '' : `:${port}`}${path === '*' ? '/' : path}`;
  return { status: 308, code: 'USE_HTTPS', message: 'this address is served over HTTPS', location };
}

/**
 * The answer of the last hop (RFC 9110 section 7.6.2): to OPTIONS that it is there, to TRACE the request as it came
 * (section 9.3.8), but of its fields only those that are known to hold no secret.
 */
export function lastHop({ method, target, minor, fields }: RequestHead): OwnReply {
  const lines = fields.filter(({ name }) => ECHOED.has(name)).map(({ raw, value }) => `${raw}: ${value}\r\n`);
  const text = method === 'TRACE' ? `${method} ${target} HTTP/1.${minor}\r\n${lines.join('')}\r\n` : '';
  return { status: 200, code: 'LAST_HOP', message: '', content: { type: 'message/http', text } };
}

/** What tells of the way and of the message. Secrets come under any name, so all others are left out. */
const ECHOED: ReadonlySet<string> = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'connection',
  'content-length',
  'content-type',
  'date',
  'expect',
  'host',
  'max-forwards',
  'pragma',
  'te',
  'upgrade',
  'user-agent',
  'via',
]);

/** @param wait ms until the client may ask again */
export function tooManyRequests(wait: number): OwnReply {
  return {
    status: 429,
    code: 'TOO_MANY_REQUESTS',
    message: 'too many requests from this address',
    retryAfterSeconds: Math.max(1, Math.ceil(wait / 1000)),
  };
}

/** Shed early: nothing was sent anywhere, and the client hears it at once. */
export function overloaded(): OwnReply {
  return busy('OVERLOADED', 'too many requests are under way; try again soon');
}

/** No connection could be made for want of descriptors or memory here: no server is to blame. */
export function exhausted(): OwnReply {
  return busy('EXHAUSTED', 'the balancer cannot open another connection; try again soon');
}

export function queueFull(): OwnReply {
  return busy('QUEUE_FULL', 'every server is busy and too many requests wait already; try again soon');
}

export function waitedInVain(): OwnReply {
  return busy('QUEUE_TIMEOUT', 'no server had room in time; try again soon');
}

function busy(code: string, message: string): OwnReply {
  return { status: 503, code, message, retryAfterSeconds: BALANCER.retryAfterSeconds };
}

export function requestStalled(): OwnReply {
  return { status: 408, code: 'REQUEST_TIMEOUT', message: 'the request did not arrive in time' };
}

export function badRequest(status: number, message: string): OwnReply {
  return { status, code: 'BAD_REQUEST', message };
}
