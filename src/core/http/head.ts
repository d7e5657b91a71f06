import { HttpRefusal, isText, isToken, trimOws } from './syntax.ts';

/** One field line. `name` is lower case for comparing; `raw` is the spelling to send on. */
export interface Field {
  readonly name: string;
  readonly raw: string;
  readonly value: string;
}

/** How the end of a body is known (RFC 9112 section 6.3). */
export type Framing = 'none' | 'length' | 'chunked' | 'close';

/** What both kinds of head share. */
export interface MessageHead {
  /** Minor version: 0 or 1. A later 1.x is treated as 1.1 (RFC 9110 section 2.5). */
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
  readonly framing: Framing;
  /** Body bytes where `framing` is `length`; what Content-Length says of a response without body; else 0. */
  readonly length: number;
  /** Whether the connection may carry another message after this one (RFC 9112 section 9.3). */
  readonly keepAlive: boolean;
  /** Lower-case options of Connection: names of fields that end here (RFC 9110 section 7.6.1). */
  readonly options: readonly string[];
  /** The protocols of Upgrade, as they were written, where Connection has that option too; else null. */
  readonly upgrade: string | null;
  /** Kept for forward.ts, which writes heads that come again and again the same way each time. */
  readonly memo: HeadMemo;
}

export interface HeadMemo {
  text: string | null;
  /** What else `text` depends on. */
  key: unknown;
  /** What came after `text` last, never empty, and both together. */
  tail: string;
  whole: string;
}

export function noMemo(): HeadMemo {
  return { text: null, key: null, tail: '', whole: '' };
}

/**
 * Field lines between a start line and the empty line. `text` ends with the last line's CRLF, and holds no other CR
 * or LF than in line ends, nor a folded line: the parser has refused those.
 * @throws HttpRefusal 400, RFC 9112 sections 5 and 5.1
 */
export function parseFields(text: string, from: number): Field[] {
  const fields: Field[] = [];
  let at = from;
  while (at < text.length) {
    const end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    if (colon < 0 || colon > end) throw new HttpRefusal(400, 'header line without a colon');
    if (!isToken(text, at, colon)) {
      const spaced = /^[^ \t]+[ \t]+$/.test(text.slice(at, colon));
      throw new HttpRefusal(400, spaced ? 'white space before the colon' : 'header name is not a token');
    }
    const raw = text.slice(at, colon);
    const value = trimOws(text.slice(colon + 1, end));
    if (!isText(value)) throw new HttpRefusal(400, 'control byte in a header value');
    fields.push({ name: raw.toLowerCase(), raw, value });
    at = end + 2;
  }
  return fields;
}

export interface FramingFields {
  readonly host: string | undefined;
  readonly hosts: number;
  readonly length: number | undefined;
  readonly chunked: boolean;
  readonly options: readonly string[];
  readonly upgrade: string | null;
  readonly expect: string | undefined;
  /** Of all Via fields. */
  readonly via: string | undefined;
}

const NO_OPTIONS: readonly string[] = [];

/**
 * Reads the fields that decide where a message ends and where it goes.
 * @throws HttpRefusal 400 or 501, RFC 9112 sections 6.1, 6.2 and 6.3
 */
export function readFraming(fields: readonly Field[], minor: 0 | 1): FramingFields {
  let host: string | undefined;
  let hosts = 0;
  let length: number | undefined;
  let coding: string | undefined;
  let options = NO_OPTIONS;
  let upgrade: string | null = null;
  let expect: string | undefined;
  let via: string | undefined;
  for (const { name, value } of fields) {
    switch (name) {
      case 'host':
        host = value;
        hosts += 1;
        break;
      case 'content-length':
        // Even two equal ones: who sends them leaves another reader a choice (section 6.3, rule 5).
        if (length !== undefined) throw new HttpRefusal(400, 'more than one Content-Length');
        length = parseLength(value);
        break;
      case 'transfer-encoding':
        coding = coding === undefined ? value : `${coding},${value}`;
        break;
      case 'connection':
        options = options.length === 0 ? connectionOptions(value) : [...options, ...connectionOptions(value)];
        break;
      case 'upgrade':
        upgrade = upgrade === null ? value : `${upgrade}, ${value}`;
        break;
      case 'expect':
        expect = value;
        break;
      case 'via':
        via = via === undefined ? value : `${via},${value}`;
        break;
      default:
    }
  }
  if (coding !== undefined) {
    if (minor === 0) throw new HttpRefusal(400, 'Transfer-Encoding in HTTP/1.0');
    checkCoding(coding);
    // Section 6.3, rule 3: the classic smuggling pair.
    if (length !== undefined) throw new HttpRefusal(400, 'both Content-Length and Transfer-Encoding');
  }
  if (!options.includes('upgrade')) upgrade = null;
  return { host, hosts, length, chunked: coding !== undefined, options, upgrade, expect, via };
}

/** 1*DIGIT only: no sign, space, list, exponent or hex; and a number that arithmetic holds exactly. */
function parseLength(value: string): number {
  const length = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(length)) throw new HttpRefusal(400, 'invalid Content-Length');
  return length;
}

/** Only `chunked`, once, is understood (RFC 9112 section 6.1). */
function checkCoding(value: string): void {
  if (value.toLowerCase() === 'chunked') return;
  const codings = value.split(',').map((coding) => trimOws(coding).toLowerCase());
  if (!codings.every((coding) => isToken(coding))) throw new HttpRefusal(400, 'invalid Transfer-Encoding');
  if (codings.indexOf('chunked') !== codings.length - 1)
    throw new HttpRefusal(400, 'chunked must be the last transfer coding, once');
  throw new HttpRefusal(501, 'transfer coding not supported');
}

function connectionOptions(value: string): string[] {
  const lower = value.toLowerCase();
  if (isToken(lower)) return [lower];
  return lower
    .split(',')
    .map(trimOws)
    .filter((option) => option !== '');
}

/** RFC 9112 section 9.3: 1.1 persists unless `close`, 1.0 only with `keep-alive`. */
export function persists(minor: 0 | 1, options: readonly string[]): boolean {
  if (options.includes('close')) return false;
  return minor === 1 || options.includes('keep-alive');
}
