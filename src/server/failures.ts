import type { FastifyReply, FastifyRequest } from 'fastify';
import { SERVER } from '../core/config.ts';
import { asKelanaError, KelanaError, type ErrorCode, type ErrorParams } from '../core/errors.ts';
import type { Lang } from '../core/lang.ts';
import type { App } from './app.ts';

/** HTTP status of each error a request can end with (RFC 9110 section 15); 500 for any other. */
const STATUS: Partial<Record<ErrorCode, number>> = {
  BAD_NAME: 400,
  BAD_REQUEST: 400,
  UPLOAD_CUT: 400,
  CROSS_SITE: 403,
  NO_ROUTE: 404,
  FILE_ABSENT: 404,
  NOT_ALLOWED: 405,
  FILE_EXISTS: 409,
  PRECONDITION: 412,
  TOO_LARGE: 413,
  BAD_TYPE: 415,
  BAD_RANGE: 416,
  KEY_REUSED: 422,
  PEER_UNREACHABLE: 502,
  PEER_PROTOCOL: 502,
  BAD_BLOCK: 502,
  TRANSFER_FAILED: 502,
  FILE_INCOMPLETE: 503,
  SOURCE_CHANGED: 503,
  MAILBOX_BUSY: 503,
  MAILBOX_UNSAFE: 503,
  DATABASE: 503,
  CANNOT_READ: 503,
  OVERLOADED: 503,
  TIMEOUT: 504,
  CANNOT_WRITE: 507,
};

/** An error with more to say to a program: further fields of the JSON, further headers. */
export class Refusal extends KelanaError {
  readonly extra: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ErrorCode,
    params: ErrorParams,
    extra: Readonly<Record<string, unknown>> = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(code, params);
    this.extra = extra;
    this.headers = headers;
  }
}

/** `Accept-Language` (RFC 9110 section 12.5.4) to the better of our two languages; `fallback` where neither is named. */
export function preferredLang(header: string | undefined, fallback: Lang): Lang {
  let best = fallback;
  let highest = 0;
  for (const part of (header ?? '').slice(0, 200).split(',')) {
    const [range = '', ...parameters] = part.trim().toLowerCase().split(';');
    const q = Number(parameters.map((one) => /^\s*q=([\d.]+)\s*$/.exec(one)?.[1]).find(Boolean) ?? 1);
    const two = range.trim().split('-')[0];
    const lang = two === 'in' ? 'id' : two;
    if ((lang === 'id' || lang === 'en') && q > highest) [best, highest] = [lang, q];
  }
  return best;
}

export function langOf(app: Pick<App, 'lang'>, request: FastifyRequest): Lang {
  return preferredLang(request.headers['accept-language'], app.lang);
}

/** Answers a request with an error in JSON: `{error, message, fix, …}`. */
export function sendFailure(app: App, request: FastifyRequest, reply: FastifyReply, thrown: unknown): void {
  const error = forClient(thrown);
  const status = STATUS[error.code] ?? 500;
  if (status >= 500 || error.code === 'UPLOAD_CUT') {
    const cause = error.code === 'INTERNAL' ? asKelanaError(thrown) : error;
    const { code, message: detail, params } = cause;
    app.emit({ type: 'error', who: app.who(), code, detail, params });
  }
  app.metrics.refused(error.code);
  const { says, fix } = error.describe(langOf(app, request));
  const refusal = error instanceof Refusal ? error : null;
  if (status === 503) void reply.header('retry-after', '1');
  void reply
    .code(status)
    .headers({ ...refusal?.headers, 'cache-control': 'no-store' })
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ error: error.code, message: says, fix, ...refusal?.extra }) + '\n');
}

/** Anything thrown, by us or by fastify, as an error that tells a client nothing about this machine. */
export function forClient(thrown: unknown): KelanaError {
  if (thrown instanceof KelanaError) {
    const { path } = thrown.params;
    if (typeof path !== 'string' || thrown.code === 'NO_ROUTE' || thrown.code === 'NOT_ALLOWED')
      return thrown;
    return new KelanaError(
      thrown.code,
      { ...thrown.params, path: path.slice(path.lastIndexOf('/') + 1) },
      thrown,
    );
  }
  const { code, statusCode, message } = thrown as { code?: unknown; statusCode?: unknown; message?: unknown };
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    const what = { id: 'Isi permintaan', en: "The request's body" };
    return new KelanaError('TOO_LARGE', { what, limit: SERVER.maxBodyBytes }, thrown);
  }
  if (statusCode === 415) {
    return new KelanaError('BAD_TYPE', { why: { id: 'tidak dikenal', en: 'it is not known' } }, thrown);
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new KelanaError('BAD_REQUEST', { why: String(message) }, thrown);
  }
  const detail = { id: 'lihat log server', en: "see the server's log" };
  return new KelanaError('INTERNAL', { detail }, thrown);
}
