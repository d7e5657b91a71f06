import { noMemo, parseFields, persists, readFraming, type MessageHead } from './head.ts';
import { HttpRefusal, isText } from './syntax.ts';

export interface ResponseHead extends MessageHead {
  /** 100 to 599. */
  readonly status: number;
  readonly reason: string;
  /** A Content-Length was given, also where no body follows (HEAD, 304). */
  readonly hasLength: boolean;
}

/** The reason and its SP may be missing: some servers do so, and there is only one way to read it. */
const STATUS_LINE = /^HTTP\/1\.([0-9]) ([1-5][0-9]{2})(?: (.*))?$/;

/**
 * @param text a whole head as latin1: status line and field lines, each with its CRLF, without the empty line
 * @param method of the request it answers
 * @throws HttpRefusal whatever its status, a gateway answers 502 (RFC 9112 sections 4 to 6)
 */
export function parseResponseHead(text: string, method: string): ResponseHead {
  const lineEnd = text.indexOf('\r\n');
  const match = STATUS_LINE.exec(text.slice(0, lineEnd));
  // Any status outside 100 to 599 is invalid (RFC 9110 section 15) and is never passed on.
  if (match === null) throw new HttpRefusal(400, 'invalid status line');
  const minor = match[1] === '0' ? 0 : 1;
  const status = Number(match[2]);
  const reason = match[3] ?? '';
  if (!isText(reason)) throw new HttpRefusal(400, 'control byte in the reason phrase');
  const fields = parseFields(text, lineEnd + 2);
  const { length, chunked, options, upgrade } = readFraming(fields, minor);
  const bodiless = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  if (chunked && (status < 200 || status === 204)) {
    // RFC 9112 section 6.1: "MUST NOT"; a reader that obeys the field would take the next answer for a body.
    throw new HttpRefusal(400, 'Transfer-Encoding in a response without content');
  }
  const framing = bodiless ? 'none' : chunked ? 'chunked' : length === undefined ? 'close' : 'length';
  return {
    status,
    reason,
    minor,
    fields,
    framing,
    length: length ?? 0,
    hasLength: length !== undefined,
    keepAlive: framing !== 'close' && persists(minor, options),
    options,
    upgrade,
    memo: noMemo(),
  };
}
