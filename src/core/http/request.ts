import { noMemo, parseFields, persists, readFraming, type Field, type MessageHead } from './head.ts';
import { VIA } from './provenance.ts';
import { HttpRefusal, isHost, isToken, trimOws } from './syntax.ts';

export interface RequestHead extends MessageHead {
  readonly method: string;
  /** The request-target as it was received. */
  readonly target: string;
  /** Origin-form or `*`: what is sent on. */
  readonly path: string;
  /** Host to send on: the target's authority where it has one (RFC 9112 section 3.2.2), else the Host field. */
  readonly host: string | undefined;
  /** The client waits for 100 (Continue) before it sends the body (RFC 9110 section 10.1.1). */
  readonly expectsContinue: boolean;
  /** Max-Forwards of TRACE and OPTIONS (RFC 9110 section 7.6.2): at 0 this hop is the last one. Null where there is none. */
  readonly forwards: number | null;
}

/**
 * Printable ASCII; after `?` also `\`. Browsers send `|`, `{`, `[`, `^` raw, so these pass although RFC 3986 wants
 * them encoded; `"`, `<`, `>`, `#`, a path's `\` and all bytes from 0x80 are encoded by every client and refused.
 */
const ORIGIN_FORM = /^\/[!$-;=?-[\]-~]*$/;
const ORIGIN_FORM_QUERY = /^\/[!$-;=@-[\]-~]*\?[!$-;=?-~]*$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/i;

/**
 * @param text a whole head as latin1: start line and field lines, each with its CRLF, without the empty line
 * @throws HttpRefusal 400, 501 or 505, RFC 9112 sections 3 to 6
 */
export function parseRequestHead(text: string): RequestHead {
  const lineEnd = text.indexOf('\r\n');
  const line = text.slice(0, lineEnd);
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  // Exactly one SP between the three parts (section 3); the lenient splitting it allows is not done.
  if (first < 0 || second < 0 || line.includes(' ', second + 1))
    throw new HttpRefusal(400, 'request line is not METHOD SP TARGET SP VERSION');
  const method = line.slice(0, first);
  if (!isToken(method)) throw new HttpRefusal(400, 'method is not a token');
  const minor = parseVersion(line.slice(second + 1));
  const target = line.slice(first + 1, second);
  const { path, authority } = parseTarget(method, target);
  const fields = parseFields(text, lineEnd + 2);
  const { host, hosts, length, chunked, options, upgrade, expect, via } = readFraming(fields, minor);
  if (hosts > 1) throw new HttpRefusal(400, 'more than one Host');
  if (host === undefined ? minor === 1 : !isHost(host))
    throw new HttpRefusal(400, host === undefined ? 'no Host' : 'invalid Host');
  if (via !== undefined && passes(via) > MOST_PASSES)
    throw new HttpRefusal(508, 'balancers lead to each other in a ring');
  return {
    method,
    target,
    path,
    host: authority ?? host,
    minor,
    fields,
    // A request without either field has no body (section 6.3, rule 7): it never runs to the close.
    framing: chunked ? 'chunked' : length === undefined ? 'none' : 'length',
    length: length ?? 0,
    keepAlive: persists(minor, options),
    options,
    expectsContinue: minor === 1 && expect !== undefined && expect.toLowerCase() === '100-continue',
    forwards: method === 'OPTIONS' || method === 'TRACE' ? maxForwards(fields) : null,
    upgrade: minor === 1 && !chunked && (length ?? 0) === 0 ? tunnelled(upgrade) : null,
    memo: noMemo(),
  };
}

/** How often a request came through one of kelana's balancers, by its Via (RFC 9110 section 7.6.3). */
function passes(via: string): number {
  return via.split(',').filter((hop) => trimOws(hop).split(' ')[1] === VIA).length;
}

/** More than stand one before the other on purpose; in a ring, so often is a request sent for nothing. */
const MOST_PASSES = 8;

/** With other methods it may be ignored. @throws HttpRefusal 400 */
function maxForwards(fields: readonly Field[]): number | null {
  const [field, ...more] = fields.filter(({ name }) => name === 'max-forwards');
  if (field === undefined) return null;
  if (more.length > 0 || !/^[0-9]+$/.test(field.value)) throw new HttpRefusal(400, 'invalid Max-Forwards');
  return Math.min(Number(field.value), MOST_FORWARDS);
}

/** A count beyond it is no count, and an update may lower it to what the sender supports. */
const MOST_FORWARDS = 999;

/**
 * The protocols that may be offered to a backend (RFC 9110 section 7.8). Another HTTP is not among them: this hop would
 * take its requests for opaque bytes, and a backend would take them past every check made here.
 */
function tunnelled(upgrade: string | null): string | null {
  if (upgrade === null) return null;
  const protocols = upgrade.split(',').map(trimOws);
  const wanted = protocols.filter((protocol) => PROTOCOL.test(protocol) && !ANOTHER_HTTP.test(protocol));
  return wanted.length === protocols.length ? wanted.join(', ') : null;
}

/** protocol-name [ "/" protocol-version ], both tokens. */
const PROTOCOL = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:\/[!#$%&'*+\-.^_`|~0-9A-Za-z]+)?$/;
const ANOTHER_HTTP = /^(?:h2c?|h3|http|tls)(?:$|[/\d-])/i;

/** Section 2.3. @throws HttpRefusal 400 for what is no version, 505 for another major version */
export function parseVersion(text: string): 0 | 1 {
  if (text === 'HTTP/1.1') return 1;
  if (text === 'HTTP/1.0') return 0;
  const match = /^HTTP\/([0-9])\.[0-9]$/.exec(text);
  if (match === null) throw new HttpRefusal(400, 'invalid HTTP version');
  if (match[1] !== '1') throw new HttpRefusal(505, 'HTTP version not supported');
  return 1;
}

/** Section 3.2. A gateway is no tunnel, so authority-form and CONNECT end here. */
function parseTarget(method: string, target: string): { path: string; authority?: string } {
  if (method === 'CONNECT') throw new HttpRefusal(501, 'CONNECT is not supported');
  if (isPath(target)) return { path: target };
  if (target === '*') {
    if (method !== 'OPTIONS') throw new HttpRefusal(400, 'asterisk target with a method other than OPTIONS');
    return { path: target };
  }
  const absolute = ABSOLUTE_FORM.exec(target);
  if (absolute === null) throw new HttpRefusal(400, 'invalid request target');
  const authority = absolute[1] ?? '';
  const rest = absolute[2] ?? '';
  // Userinfo (RFC 9110 section 4.2.4) fails isHost as well.
  if (authority === '' || authority.startsWith(':') || !isHost(authority))
    throw new HttpRefusal(400, 'invalid authority in the request target');
  // Section 3.2.4: OPTIONS on an authority alone is the asterisk-form.
  const path = rest === '' && method === 'OPTIONS' ? '*' : rest.startsWith('/') ? rest : `/${rest}`;
  if (path !== '*' && !isPath(path)) throw new HttpRefusal(400, 'invalid request target');
  return { path, authority };
}

function isPath(target: string): boolean {
  return ORIGIN_FORM.test(target) || ORIGIN_FORM_QUERY.test(target);
}
