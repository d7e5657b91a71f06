import type { reader, writer } from 'protons-runtime';
import { KelanaError } from '../errors.ts';

/** The parts of which every frame's codec is made: strict protobuf, written by strangers. */
export type Writer = ReturnType<typeof writer>;
export type Reader = ReturnType<typeof reader>;

/** Counts stop here: whoever adds up what others say must not go beyond it, or the next node refuses the frame. */
export const MAX_COUNT = 0x7fffffff;
const ID_HEX = /^[0-9a-f]{32}$/;

export function tag(out: Writer, field: number, wire: number): Writer {
  return out.uint32((field << 3) | wire);
}

export function text(out: Writer, field: number, value: string): void {
  tag(out, field, 2).string(value);
}

export function count(out: Writer, field: number, value: number): void {
  if (value !== 0) tag(out, field, 0).uint32(Math.min(Math.max(0, Math.ceil(value)), MAX_COUNT));
}

export function flag(out: Writer, field: number, value: boolean): void {
  if (value) tag(out, field, 0).bool(true);
}

export function blob(out: Writer, field: number, value: Uint8Array): void {
  if (value.length > 0) tag(out, field, 2).bytes(value);
}

/** Query ids are hex in memory and 16 bytes on the wire. */
export function queryId(out: Writer, field: number, id: string): void {
  const bytes = new Uint8Array(16);
  for (let at = 0; at < 16; at += 1) bytes[at] = Number.parseInt(id.slice(2 * at, 2 * at + 2), 16);
  tag(out, field, 2).bytes(bytes);
}

export function readQueryId(from: Reader): string {
  const bytes = from.bytes();
  if (bytes.length !== 16) throw refuse('a query id that is not 16 bytes');
  let id = '';
  for (const byte of bytes) id += byte.toString(16).padStart(2, '0');
  return id;
}

/** A frame without its query's id is none. */
export function checkId(id: string): string {
  if (!ID_HEX.test(id)) throw refuse('a frame without a query id');
  return id;
}

/** Calls `take` for each field up to `end`; a field it does not take is skipped, so that newer peers may add some. */
export function eachField(from: Reader, end: number, take: (field: number, wire: number) => boolean): void {
  if (end > from.len) throw refuse('a length beyond the frame');
  while (from.pos < end) {
    const key = from.uint32();
    const before = from.pos;
    if (!take(key >>> 3, key & 7)) {
      if (from.pos !== before) throw refuse('a field of the wrong kind');
      from.skipType(key & 7);
    }
  }
  if (from.pos !== end) throw refuse('a field beyond its message');
}

/** Where the message or bytes that begin here end. */
export function length(from: Reader): number {
  const size = from.uint32();
  const end = from.pos + size;
  if (end > from.len) throw refuse('a length beyond the frame');
  return end;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function readText(from: Reader, maxBytes: number): string {
  return utf8.decode(readBlob(from, maxBytes));
}

export function readBlob(from: Reader, maxBytes: number): Uint8Array {
  const bytes = from.bytes();
  if (bytes.length > maxBytes) throw refuse('a field too long');
  return bytes;
}

export function readCount(from: Reader, most = MAX_COUNT): number {
  const value = from.uint32();
  if (value > most) throw refuse('a count out of range');
  return value;
}

/** Below 2^53, as a double holds it exactly. */
export function readNumber(from: Reader): number {
  const value = from.uint64Number();
  if (!Number.isSafeInteger(value) || value < 0) throw refuse('a number out of range');
  return value;
}

export function append<T>(list: T[], item: T, most: number): void {
  if (list.length >= most) throw refuse('too many repeated fields');
  list.push(item);
}

export function refuse(why: string): KelanaError {
  return new KelanaError('PEER_PROTOCOL', { peer: '', why });
}
