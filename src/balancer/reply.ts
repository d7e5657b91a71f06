import { BALANCER } from '../core/config.ts';

/** Reason phrases of the answers the balancer gives by itself (RFC 9110 section 15). */
const STATUS_TEXT: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  414: 'URI Too Long',
  431: 'Request Header Fields Too Large',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};

export interface OwnReply {
  readonly status: number;
  /** What programs match on. */
  readonly code: string;
  readonly message: string;
  readonly retryAfterSeconds?: number;
}

/** A whole response that the balancer gives by itself. `head` leaves the body out, as the answer to HEAD must. */
export function ownResponse(reply: OwnReply, keepAlive: boolean, head: boolean, date: string): string {
  const body = `${JSON.stringify({ error: reply.code, message: reply.message })}\n`;
  return (
    `HTTP/1.1 ${reply.status} ${STATUS_TEXT[reply.status] ?? ''}\r\n` +
    `Date: ${date}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n` +
    (reply.retryAfterSeconds === undefined ? '' : `Retry-After: ${reply.retryAfterSeconds}\r\n`) +
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

/** Shed early: nothing was sent anywhere, and the client hears it at once. */
export function overloaded(): OwnReply {
  return busy('OVERLOADED', 'too many requests are under way; try again soon');
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
