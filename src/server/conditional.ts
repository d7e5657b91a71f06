import { KelanaError } from '../core/errors.ts';
import type { ByteRange } from '../core/ports.ts';
import { Refusal } from './failures.ts';

/** What a request for a file gets: all of it, a part, or the word that its copy is current. */
export type Answer =
  { readonly status: 200 } | { readonly status: 206; readonly range: ByteRange } | { readonly status: 304 };

export interface Conditions {
  readonly method: string;
  readonly range?: string | undefined;
  readonly ifMatch?: string | undefined;
  readonly ifNoneMatch?: string | undefined;
  readonly ifRange?: string | undefined;
}

/**
 * Preconditions and range in the order of RFC 9110 section 13.2.2. `etag` is strong and quoted. Where several ranges
 * are asked for, the whole file is the answer (section 14.2 leaves that to the server): multipart/byteranges would
 * let one request ask for the same bytes many times over.
 * @throws KelanaError PRECONDITION (412), BAD_RANGE (416)
 */
export function decide(asked: Conditions, etag: string, size: number): Answer {
  if (asked.ifMatch !== undefined && !lists(asked.ifMatch, etag, 'strong')) {
    throw new KelanaError('PRECONDITION', { header: 'If-Match' });
  }
  if (asked.ifNoneMatch !== undefined && lists(asked.ifNoneMatch, etag, 'weak')) return { status: 304 };
  // Range is defined for GET only; an If-Range date never matches, for files here have no date.
  if (asked.method !== 'GET' || asked.range === undefined) return { status: 200 };
  if (asked.ifRange !== undefined && asked.ifRange.trim() !== etag) return { status: 200 };
  const range = parseRange(asked.range, size);
  if (range === 'ignore') return { status: 200 };
  if (range === 'outside') {
    throw new Refusal('BAD_RANGE', { size }, { size }, { 'content-range': `bytes */${size}` });
  }
  return { status: 206, range };
}

/** One `bytes` range (RFC 9110 section 14.1.2); `ignore` for other units, several ranges, and what is no range. */
export function parseRange(header: string, size: number): ByteRange | 'ignore' | 'outside' {
  const match = /^bytes=[\t ]*(?:(\d+)-(\d*)|-(\d+))[\t ]*$/i.exec(header);
  if (match === null) return 'ignore';
  const [, first, last, suffix] = match;
  if (suffix !== undefined) {
    const length = Number(suffix);
    return length === 0 || size === 0 ? 'outside' : { start: Math.max(0, size - length), end: size - 1 };
  }
  const start = Number(first);
  const end = last === undefined || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== undefined && last !== '' && Number(last) < start) return 'ignore';
  return start >= size ? 'outside' : { start, end };
}

const TAG = /(W\/)?"([\x21\x23-\x7e\x80-\xff]*)"/g;

/** Whether a list of entity tags (RFC 9110 section 8.8.3) names ours; `*` names any. */
function lists(header: string, etag: string, how: 'strong' | 'weak'): boolean {
  if (header.trim() === '*') return true;
  for (const [, weak, opaque] of header.matchAll(TAG)) {
    if (`"${opaque ?? ''}"` === etag && (how === 'weak' || weak === undefined)) return true;
  }
  return false;
}
