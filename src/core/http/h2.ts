import { RequestParser, type ParserLimits } from './parser.ts';
import type { RequestHead } from './request.ts';
import type { ResponseHead } from './response.ts';
import type { Field } from './head.ts';
import { HttpRefusal, isText, isToken, type HttpProblem } from './syntax.ts';

/**
 * HTTP/2 requests and responses in the terms of HTTP/1.1 (RFC 9113 section 8), so that both are judged, relayed, retried
 * and logged by the same code. A request's fields are written as an HTTP/1.1 head and read by the strict parser.
 * Fields with bytes that none may have do not come here: node:http2 leaves them out of what it gives, and tells nobody.
 */

/** Fields that speak of a connection: malformed in HTTP/2 (section 8.2.2). */
const CONNECTION_SPECIFIC: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
const PSEUDO: ReadonlySet<string> = new Set([':method', ':scheme', ':authority', ':path']);

export type H2Request =
  | { readonly type: 'head'; readonly head: RequestHead }
  | { readonly type: 'error'; readonly problem: HttpProblem };

/**
 * @param pairs names and values in turn, as they came
 * @param ended no body follows
 * @param encode a head's text to bytes, latin1
 */
export function readH2Request(
  pairs: readonly string[],
  ended: boolean,
  scheme: 'http' | 'https',
  limits: ParserLimits,
  encode: (text: string) => Uint8Array,
): H2Request {
  try {
    const parser = new RequestParser(limits);
    parser.push(encode(asHttp1(pairs, ended, scheme)));
    const event = parser.next();
    if (event?.type === 'head') return event;
    if (event?.type === 'error') return event;
    throw new HttpRefusal(400, 'malformed request');
  } catch (thrown) {
    if (!(thrown instanceof HttpRefusal)) throw thrown;
    return { type: 'error', problem: thrown.problem };
  }
}

function asHttp1(pairs: readonly string[], ended: boolean, scheme: 'http' | 'https'): string {
  const pseudo = new Map<string, string>();
  let cookie: string | null = null;
  let host: string | null = null;
  let length = false;
  let fields = '';
  let plain = false;
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const name = pairs[at] ?? '';
    const value = pairs[at + 1] ?? '';
    // What would end a line here would be a second head for the parser.
    if (!isText(value)) throw new HttpRefusal(400, 'control byte in a header value');
    if (name.startsWith(':')) {
      if (plain || pseudo.has(name) || !PSEUDO.has(name))
        throw new HttpRefusal(400, 'misplaced, repeated or unknown pseudo-header');
      pseudo.set(name, value);
      continue;
    }
    plain = true;
    if (!isToken(name) || name !== name.toLowerCase())
      throw new HttpRefusal(400, 'header name is not a lower-case token');
    if (CONNECTION_SPECIFIC.has(name) || (name === 'te' && value.toLowerCase() !== 'trailers'))
      throw new HttpRefusal(400, 'connection-specific header in HTTP/2');
    if (name === 'cookie') cookie = cookie === null ? value : `${cookie}; ${value}`;
    else if (name === 'host') {
      if (host !== null) throw new HttpRefusal(400, 'more than one Host');
      host = value;
    } else fields += `${name}: ${value}\r\n`;
    length ||= name === 'content-length';
  }
  const method = pseudo.get(':method');
  const authority = pseudo.get(':authority');
  if (method === 'CONNECT') throw new HttpRefusal(501, 'CONNECT is not supported');
  const path = pseudo.get(':path');
  if (method === undefined || path === undefined || pseudo.get(':scheme') === undefined)
    throw new HttpRefusal(400, 'missing pseudo-header');
  if (pseudo.get(':scheme') !== scheme) throw new HttpRefusal(400, 'scheme of another kind of connection');
  // Section 8.3.1: a path in full form, or with an authority in it, would name another host.
  if (!path.startsWith('/') && path !== '*') throw new HttpRefusal(400, 'invalid request target');
  if (authority !== undefined && host !== null && authority.toLowerCase() !== host.toLowerCase())
    throw new HttpRefusal(400, 'Host is not the authority');
  const named = authority ?? host;
  if (named === null || named === '') throw new HttpRefusal(400, 'no Host');
  if (cookie !== null) fields += `cookie: ${cookie}\r\n`;
  if (!length && !ended) fields += 'transfer-encoding: chunked\r\n';
  return `${method} ${path} HTTP/1.1\r\nhost: ${named}\r\n${fields}\r\n`;
}

/** The head of a response for an HTTP/2 client: names and values in turn, `:status` first. */
export function h2Response(head: ResponseHead): string[] {
  return [':status', String(head.status), ...h2Fields(head.fields)];
}

/** Fields of a head, or trailers, for an HTTP/2 client: names and values in turn, without what may not be in either. */
export function h2Fields(fields: readonly Field[]): string[] {
  const pairs: string[] = [];
  for (const { name, value } of fields) {
    if (CONNECTION_SPECIFIC.has(name) || name === 'te' || name.startsWith(':')) continue;
    pairs.push(name, value);
  }
  return pairs;
}

/** Trailers that came with a request, or null where they hold what no trailer may (section 8.1). */
export function readH2Trailers(pairs: readonly string[]): readonly Field[] | null {
  const fields: Field[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const name = pairs[at] ?? '';
    const value = pairs[at + 1] ?? '';
    if (!isToken(name) || !isText(value) || CONNECTION_SPECIFIC.has(name)) return null;
    fields.push({ name: name.toLowerCase(), raw: name, value });
  }
  return fields;
}
