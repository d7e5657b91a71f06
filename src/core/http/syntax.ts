import { parseIpv6 } from './ip.ts';

/**
 * The few grammar rules of RFC 9110 and RFC 9112 that heads, chunk lines and targets share.
 * Text here is latin1: one character is one byte, so that obs-text passes through unchanged.
 */

/** Host = uri-host [ ":" port ], RFC 9110 section 7.2, RFC 3986 section 3.2.2; an empty name is allowed there. */
const HOST = /^(?:\[[0-9A-Fa-f:.]{2,45}\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(?::[0-9]{0,5})?$/;

/** What each byte may be part of: a row of bits, since one look-up a byte is several times cheaper than a pattern. */
const TOKEN = 1;
const TEXT = 2;
const CLASSES = new Uint8Array(256);
for (let byte = 0; byte < 256; byte += 1) {
  // HTAB, SP, VCHAR and obs-text: what a field value or reason phrase may hold, so no CR, LF, NUL or other control.
  if (byte === 9 || (byte >= 0x20 && byte !== 0x7f)) CLASSES[byte] = TEXT;
}
// tchar, RFC 9110 section 5.6.2.
for (const char of "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
  CLASSES[char.charCodeAt(0)] = TEXT | TOKEN;

function isAll(text: string, wanted: number, start: number, end: number): boolean {
  for (let at = start; at < end; at += 1) {
    if (((CLASSES[text.charCodeAt(at)] ?? 0) & wanted) === 0) return false;
  }
  return true;
}

export function isTokenByte(byte: number): boolean {
  return ((CLASSES[byte] ?? 0) & TOKEN) !== 0;
}

/** Whether text[start, end) is a token, which is never empty. */
export function isToken(text: string, start = 0, end = text.length): boolean {
  return start < end && isAll(text, TOKEN, start, end);
}

export function isHost(text: string): boolean {
  if (!HOST.test(text)) return false;
  const inBrackets = text.startsWith('[');
  const end = inBrackets ? text.indexOf(']') + 1 : text.indexOf(':');
  // What only looks like an address or a port is read in as many ways as there are readers.
  if (inBrackets && parseIpv6(text.slice(1, end - 1)) === null) return false;
  return end < 0 || Number(text.slice(end + 1)) <= 65_535;
}

export function isText(text: string): boolean {
  return isAll(text, TEXT, 0, text.length);
}

/** Takes SP and HTAB, and nothing else, off both ends (OWS, RFC 9110 section 5.6.3). Linear. */
export function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return start === 0 && end === text.length ? text : text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** Bytes to text, one character each. A host may pass a faster one to the parsers. */
export type Decode = (bytes: Uint8Array, start: number, end: number) => string;

/** Arguments one call of `apply` is given; engines allow 65,536 and more. */
const APPLY = 8192;

/** Not TextDecoder: its "latin1" is windows-1252, which changes the bytes 0x80 to 0x9f. */
export const latin1: Decode = (bytes, start, end) => {
  let text = '';
  for (let at = start; at < end; at += APPLY) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + APPLY)));
  }
  return text;
};

/** Why a message is refused, with the status a server answers (a balancer answers 502 where the backend sent it). */
export interface HttpProblem {
  readonly status: 400 | 414 | 431 | 501 | 505 | 508;
  /** Short English reason, safe to send and to log: it never repeats what was received. */
  readonly why: string;
}

/**
 * Thrown inside the parsers only; they turn it into an `error` event. Not an Error: the stack of one costs more than
 * the request it refuses.
 */
export class HttpRefusal {
  readonly problem: HttpProblem;

  constructor(status: HttpProblem['status'], why: string) {
    this.problem = { status, why };
  }
}
