import { formatIp, parseIpv4, parseIpv6 } from './ip.ts';
import type { RequestHead } from './request.ts';
import { isHost, isText } from './syntax.ts';

/** Which fields tell a backend where a request came from: X-Forwarded-*, Forwarded (RFC 7239), both or none. */
export const FORWARDED_FORMS = ['x-forwarded', 'forwarded', 'both', 'none'] as const;
export type ForwardedForm = (typeof FORWARDED_FORMS)[number];

/** Fields that say where a request came from. A client can write anything there. */
export const PROVENANCE: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-forwarded-port',
  'x-real-ip',
]);

/** The name this hop goes by in Via; no host name, which would tell strangers about the inside. */
export const VIA = 'kelana';

/** One client's connection, as backends are told of it. Made once a connection, since it is the same for each request. */
export interface Origin {
  readonly form: ForwardedForm;
  /** A proxy of one's own is in front: what it says stands, and this hop is added to it. */
  readonly trusted: boolean;
  readonly client: string;
  readonly scheme: 'http' | 'https';
  /** The end of each request's head, the empty line included, where nothing that came in is kept. */
  readonly tail: string;
}

/**
 * @param client IP address of the client, without brackets
 */
export function originOf(
  client: string,
  scheme: 'http' | 'https',
  form: ForwardedForm = 'x-forwarded',
  trusted = false,
): Origin {
  const address = isText(client) ? client : 'unknown';
  let tail = '';
  if (form === 'forwarded' || form === 'both') tail += `for=${nodeOf(address)};proto=${scheme}\r\n`;
  if (form === 'x-forwarded' || form === 'both')
    tail += `X-Forwarded-For: ${address}\r\nX-Forwarded-Proto: ${scheme}\r\n`;
  return { form, trusted, client: address, scheme, tail: `${tail}\r\n` };
}

/** What of it depends on the request; `origin.tail` follows at once and ends the line begun here. */
export function tellHost(host: string, form: ForwardedForm): string {
  let text = '';
  if (form === 'x-forwarded' || form === 'both') text += `X-Forwarded-Host: ${host}\r\n`;
  if (form === 'forwarded' || form === 'both') text += `Forwarded: host="${host}";`;
  return text;
}

/**
 * The fields, with the empty line, where a trusted proxy is in front: its lists go on with this hop at their end, and
 * what it says of host and scheme stands where it is one well-formed value.
 */
export function tellTrusted(head: RequestHead, host: string, origin: Origin): string {
  const { form, client, scheme } = origin;
  let text = '';
  const kept = (name: string): string => valuesOf(head, name);
  if (form === 'x-forwarded' || form === 'both') {
    const [before, proto, hostBefore] = [
      kept('x-forwarded-for'),
      kept('x-forwarded-proto'),
      kept('x-forwarded-host'),
    ];
    text += `X-Forwarded-For: ${before === '' ? '' : `${before}, `}${client}\r\n`;
    text += `X-Forwarded-Proto: ${/^https?$/.test(proto) ? proto : scheme}\r\n`;
    text += `X-Forwarded-Host: ${hostBefore !== '' && isHost(hostBefore) ? hostBefore : host}\r\n`;
  } else {
    for (const name of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host'])
      if (kept(name) !== '') text += `${name}: ${kept(name)}\r\n`;
  }
  const chain = kept('forwarded');
  const own = `for=${nodeOf(client)};host="${host}";proto=${scheme}`;
  if (form === 'forwarded' || form === 'both')
    text += `Forwarded: ${chain === '' ? '' : `${chain}, `}${own}\r\n`;
  else if (chain !== '') text += `Forwarded: ${chain}\r\n`;
  for (const name of ['x-forwarded-port', 'x-real-ip'])
    if (kept(name) !== '') text += `${name}: ${kept(name)}\r\n`;
  return `${text}\r\n`;
}

/**
 * Whose request it is, for limits and for sharing out by source: where a trusted proxy is in front, the last address that
 * it and those before it tell of and that is no trusted proxy itself. What stands before that one a client may have made up.
 */
export function clientOf(
  head: RequestHead,
  { form, trusted, client }: Origin,
  trusts: (address: string) => boolean,
): string {
  if (!trusted) return client;
  const told =
    form === 'forwarded'
      ? nodesOf(valuesOf(head, 'forwarded'))
      : valuesOf(head, 'x-forwarded-for').split(',');
  let known = client;
  for (const text of told.reverse()) {
    const address = addressOf(text.trim());
    if (address === null) break;
    known = address;
    if (!trusts(address)) break;
  }
  return known;
}

/** The `for` of each element of a Forwarded field (RFC 7239 section 4); one without it is a text that is no address. */
function nodesOf(value: string): string[] {
  return value.split(',').map((element) => /(?:^|;)\s*for="?([^";]*)"?/i.exec(element)?.[1] ?? '');
}

/** An IP address as `formatIp` writes it, of a text that may have a port; null where it is none. */
function addressOf(text: string): string | null {
  const [, inBrackets] = /^\[([^\]]*)\](?::\d*)?$/.exec(text) ?? [];
  const v4 = parseIpv4(text.replace(/:\d*$/, ''));
  const bytes = inBrackets === undefined ? (v4 ?? parseIpv6(text)) : parseIpv6(inBrackets);
  return bytes === null ? null : formatIp(bytes);
}

function valuesOf(head: RequestHead, wanted: string): string {
  // What Connection nominates ended here, from whomever it came.
  if (head.options.includes(wanted)) return '';
  let text = '';
  for (const { name, value } of head.fields)
    if (name === wanted && value !== '') text += text === '' ? value : `, ${value}`;
  return text;
}

/** A node of RFC 7239 section 6: IPv6 in brackets, and so in quotes. */
function nodeOf(client: string): string {
  return /^[0-9.]+$|^unknown$/.test(client) ? client : `"[${client}]"`;
}
