import { PRINTS } from '../config.ts';
import { bytesOf, HASH_BYTES, hexOf, joinHashes, splitHashes } from './hex8.ts';
import {
  append,
  blob,
  count,
  eachField,
  flag,
  length,
  readBlob,
  readCount,
  readText,
  refuse,
  tag,
  text,
  type Reader,
  type Writer,
} from './protobuf.ts';
import { MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_LABEL_BYTES, MAX_PEER_BYTES } from './search-parts.ts';

/**
 * Frames by which nodes of one group keep each other's prints (core/search/directory.ts). Ids are the first 8 bytes
 * of SHA-256 over a peer id, hashes those over a segment; both are 16 hex digits here.
 */
export type SyncFrame =
  | StatusFrame
  /** Records, each new to the receiver or asked for by what it said that it has. */
  | {
      readonly type: 'headers';
      readonly headers: readonly AgedHeader[];
      readonly renewed: readonly Renewed[];
    }
  | { readonly type: 'wants'; readonly wants: readonly Want[] }
  | { readonly type: 'segments'; readonly segments: readonly Piece[] };

/** What the sender has and how far it is synced; an answer to the last status that it got. */
export interface StatusFrame {
  readonly type: 'status';
  /** 1 to 2^32 - 1. */
  readonly nonce: number;
  /** The last nonce that came from the receiver, 0 for none; and ms since then, rounded down. */
  readonly echo: number;
  readonly hold: number;
  readonly bits: number;
  /** The sender waits for a status. */
  readonly ask: boolean;
  /** Hash over the heads, in order. */
  readonly digest: string;
  /** ms, rounded up: how old the sender's levels 1, 2, … are (core/search/levels.ts). */
  readonly ages: readonly number[];
  readonly closed: boolean;
  /** Links from the sender to the owner of each head, in the order of heads; FAR is out of reach or not said. */
  readonly near: readonly number[];
  /** All that the sender holds of the link's scope, sorted by id; null where the digest may do. */
  readonly heads: readonly Head[] | null;
}

export interface Head {
  readonly id: string;
  readonly seq: number;
  /** ms since it was signed, as far as is known. */
  readonly age: number;
}

/** One node's signed statement of its prints. */
export interface RecordHeader {
  readonly peer: string;
  /** Grows with each record of this peer: ms since 1970 when it was signed, or more. */
  readonly seq: number;
  /** There are too many files to print: ask the node whatever the query is. */
  readonly partial: boolean;
  /** The node has left; no segments then. */
  readonly gone: boolean;
  readonly label: string;
  readonly addresses: readonly string[];
  /** Hashes of the segments. */
  readonly segments: readonly string[];
  readonly signature: Uint8Array;
}

export interface AgedHeader {
  readonly header: RecordHeader;
  readonly age: number;
}

/** A record that says what the one before it said: only number and signature are new. */
export interface Renewed {
  readonly id: string;
  readonly seq: number;
  readonly age: number;
  readonly signature: Uint8Array;
}

export interface Want {
  readonly id: string;
  readonly segments: readonly string[];
}

export interface Piece {
  readonly id: string;
  readonly hash: string;
  readonly bytes: Uint8Array;
}

export const FAR = 255;
/** Numbers of records fit six bytes: until the year 10889. */
export const MAX_SEQ = 2 ** 48 - 1;
export const SIGNATURE_BYTES = 64;
/** ms; ages travel in tenths of a second, and stop here. */
export const MAX_AGE = 6_553_500;
const AGE_MS = 100;
const HEAD_BYTES = HASH_BYTES + 8;
const FIELD = { status: 1, headers: 2, wants: 3, segments: 4 } as const;
const MAX_HEADERS = 512;
const MAX_WANTS = 64;
const MAX_PIECES = 256;
/** Distances up to 14 take half a byte each; 15 is FAR. */
const NIBBLE_FAR = 15;

/** What an age becomes on its way: never less than it was. */
export function roundAge(age: number): number {
  return Math.min(Math.ceil(Math.max(0, age) / AGE_MS) * AGE_MS, MAX_AGE);
}

export function writeSync(out: Writer, frame: SyncFrame): void {
  tag(out, FIELD[frame.type], 2).fork();
  switch (frame.type) {
    case 'status':
      writeStatus(out, frame);
      break;
    case 'headers':
      for (const { header, age } of frame.headers) writeHeader(tag(out, 1, 2).fork(), header, age).ldelim();
      for (const { id, seq, age, signature } of frame.renewed) {
        tag(out, 2, 2).fork();
        blob(out, 1, bytesOf(id));
        tag(out, 2, 0).uint64Number(seq);
        count(out, 3, roundAge(age) / AGE_MS);
        blob(out, 4, signature);
        out.ldelim();
      }
      break;
    case 'wants':
      for (const { id, segments } of frame.wants) {
        tag(out, 1, 2).fork();
        blob(out, 1, bytesOf(id));
        blob(out, 2, joinHashes(segments));
        out.ldelim();
      }
      break;
    case 'segments':
      for (const { id, hash, bytes } of frame.segments) {
        tag(out, 1, 2).fork();
        blob(out, 1, bytesOf(id));
        blob(out, 2, bytesOf(hash));
        blob(out, 3, bytes);
        out.ldelim();
      }
      break;
  }
  out.ldelim();
}

/** @throws KelanaError PEER_PROTOCOL; RangeError where a varint is cut off */
export function readSync(from: Reader, end: number): SyncFrame {
  let frame: SyncFrame | null = null;
  eachField(from, end, (field, wire) => {
    if (wire !== 2 || field < FIELD.status || field > FIELD.segments) return false;
    if (frame !== null) throw refuse('two sync frames in one');
    const inner = length(from);
    if (field === FIELD.status) frame = readStatus(from, inner);
    else if (field === FIELD.headers) frame = readHeaders(from, inner);
    else if (field === FIELD.wants) frame = readWants(from, inner);
    else frame = readSegments(from, inner);
    return true;
  });
  if (frame === null) throw refuse('an empty sync frame');
  return frame;
}

function writeStatus(out: Writer, frame: StatusFrame): void {
  tag(out, 1, 0).uint32(frame.nonce);
  if (frame.echo !== 0) tag(out, 2, 0).uint32(frame.echo);
  count(out, 3, Math.floor(frame.hold));
  count(out, 4, frame.bits);
  flag(out, 5, frame.ask);
  blob(out, 6, bytesOf(frame.digest));
  if (frame.ages.length > 0) {
    tag(out, 7, 2).fork();
    for (const age of frame.ages) out.uint32(roundAge(age) / AGE_MS);
    out.ldelim();
  }
  flag(out, 8, frame.closed);
  const deepest = frame.near.reduce((most, links) => (links === FAR ? most : Math.max(most, links)), 0);
  if (deepest < NIBBLE_FAR) blob(out, 9, packNibbles(frame.near));
  else blob(out, 10, Uint8Array.from(frame.near));
  if (frame.heads !== null) tag(out, 11, 2).bytes(packHeads(frame.heads));
}

function packNibbles(near: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(near.length / 2)).fill(0xff);
  for (const [at, links] of near.entries()) {
    const nibble = Math.min(links, NIBBLE_FAR);
    const byte = bytes[at >> 1] ?? 0;
    bytes[at >> 1] = at % 2 === 0 ? (byte & 0xf0) | nibble : (byte & 0x0f) | (nibble << 4);
  }
  return bytes;
}

function unpackNibbles(bytes: Uint8Array): number[] {
  const near: number[] = [];
  for (const byte of bytes)
    for (const nibble of [byte & 15, byte >> 4]) near.push(nibble === 15 ? FAR : nibble);
  return near;
}

function packHeads(heads: readonly Head[]): Uint8Array {
  const bytes = new Uint8Array(heads.length * HEAD_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [at, { id, seq, age }] of heads.entries()) {
    const start = at * HEAD_BYTES;
    bytes.set(bytesOf(id), start);
    view.setUint16(start + 8, Math.floor(seq / 2 ** 32));
    view.setUint32(start + 10, seq >>> 0);
    view.setUint16(start + 14, roundAge(age) / AGE_MS);
  }
  return bytes;
}

function unpackHeads(bytes: Uint8Array): Head[] {
  if (bytes.length % HEAD_BYTES !== 0) throw refuse('heads cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const heads: Head[] = [];
  let last = '';
  for (let start = 0; start < bytes.length; start += HEAD_BYTES) {
    const id = hexOf(bytes.subarray(start, start + HASH_BYTES));
    if (id <= last) throw refuse('heads out of order');
    last = id;
    const seq = view.getUint16(start + 8) * 2 ** 32 + view.getUint32(start + 10);
    heads.push({ id, seq, age: view.getUint16(start + 14) * AGE_MS });
  }
  return heads;
}

function readStatus(from: Reader, end: number): StatusFrame {
  const status = { nonce: 0, echo: 0, hold: 0, bits: 0, ask: false, digest: '', closed: false };
  const ages: number[] = [];
  let near: number[] = [];
  let heads: Head[] | null = null;
  eachField(from, end, (field) => {
    if (field === 1) status.nonce = from.uint32();
    else if (field === 2) status.echo = from.uint32();
    else if (field === 3) status.hold = readCount(from);
    else if (field === 4) status.bits = readCount(from, 32);
    else if (field === 5) status.ask = from.bool();
    else if (field === 6) status.digest = readHash(from);
    else if (field === 7) readAges(from, ages);
    else if (field === 8) status.closed = from.bool();
    else if (field === 9) near = unpackNibbles(readBlob(from, PRINTS.maxMembers / 2));
    else if (field === 10) near = [...readBlob(from, PRINTS.maxMembers)];
    else if (field === 11) heads = unpackHeads(readBlob(from, PRINTS.maxMembers * HEAD_BYTES));
    else return false;
    return true;
  });
  if (status.nonce === 0 || status.digest === '') throw refuse('a status without nonce or digest');
  return { type: 'status', ...status, ages, near, heads };
}

function readAges(from: Reader, into: number[]): void {
  const end = length(from);
  while (from.pos < end) append(into, readCount(from, MAX_AGE / AGE_MS) * AGE_MS, PRINTS.maxLevels + 1);
  if (from.pos !== end) throw refuse('ages beyond their field');
}

export function writeHeader(out: Writer, header: RecordHeader, age: number): Writer {
  writeStatement(out, header);
  blob(out, 8, header.signature);
  count(out, 9, roundAge(age) / AGE_MS);
  return out;
}

/** The part of a header that its owner signs. */
export function writeStatement(out: Writer, header: Omit<RecordHeader, 'signature'>): Writer {
  text(out, 1, header.peer);
  tag(out, 2, 0).uint64Number(header.seq);
  flag(out, 3, header.partial);
  flag(out, 4, header.gone);
  text(out, 5, header.label);
  for (const address of header.addresses) text(out, 6, address);
  blob(out, 7, joinHashes(header.segments));
  return out;
}

function readHeader(from: Reader, end: number): AgedHeader {
  const header = { peer: '', seq: 0, partial: false, gone: false, label: '' };
  const addresses: string[] = [];
  let segments: string[] = [];
  let signature = new Uint8Array();
  let age = 0;
  eachField(from, end, (field) => {
    if (field === 1) header.peer = readText(from, MAX_PEER_BYTES);
    else if (field === 2) header.seq = readSeq(from);
    else if (field === 3) header.partial = from.bool();
    else if (field === 4) header.gone = from.bool();
    else if (field === 5) header.label = readText(from, MAX_LABEL_BYTES);
    else if (field === 6) append(addresses, readText(from, MAX_ADDRESS_BYTES), MAX_ADDRESSES);
    else if (field === 7) segments = readHashes(from, PRINTS.maxSegments);
    else if (field === 8) signature = Uint8Array.from(readBlob(from, SIGNATURE_BYTES));
    else if (field === 9) age = readCount(from, MAX_AGE / AGE_MS) * AGE_MS;
    else return false;
    return true;
  });
  if (header.peer === '' || header.seq === 0) throw refuse('a record without its owner or number');
  if ((header.partial || header.gone) && segments.length > 0)
    throw refuse('a record with segments it has not');
  return { header: { ...header, addresses, segments, signature }, age };
}

function readHeaders(from: Reader, end: number): SyncFrame {
  const headers: AgedHeader[] = [];
  const renewed: Renewed[] = [];
  eachField(from, end, (field) => {
    if (field === 1) append(headers, readHeader(from, length(from)), MAX_HEADERS);
    else if (field === 2) append(renewed, readRenewed(from, length(from)), MAX_HEADERS);
    else return false;
    return true;
  });
  return { type: 'headers', headers, renewed };
}

function readRenewed(from: Reader, end: number): Renewed {
  const item = { id: '', seq: 0, age: 0 };
  let signature = new Uint8Array();
  eachField(from, end, (field) => {
    if (field === 1) item.id = readHash(from);
    else if (field === 2) item.seq = readSeq(from);
    else if (field === 3) item.age = readCount(from, MAX_AGE / AGE_MS) * AGE_MS;
    else if (field === 4) signature = Uint8Array.from(readBlob(from, SIGNATURE_BYTES));
    else return false;
    return true;
  });
  if (item.id === '' || item.seq === 0) throw refuse('a record without its owner or number');
  return { ...item, signature };
}

function readWants(from: Reader, end: number): SyncFrame {
  const wants: Want[] = [];
  eachField(from, end, (field) => {
    if (field !== 1) return false;
    const want = { id: '', segments: [] as string[] };
    eachField(from, length(from), (inner) => {
      if (inner === 1) want.id = readHash(from);
      else if (inner === 2) want.segments = readHashes(from, PRINTS.maxSegments);
      else return false;
      return true;
    });
    if (want.id === '') throw refuse('a want without its owner');
    append(wants, want, MAX_WANTS);
    return true;
  });
  return { type: 'wants', wants };
}

function readSegments(from: Reader, end: number): SyncFrame {
  const segments: Piece[] = [];
  eachField(from, end, (field) => {
    if (field !== 1) return false;
    const piece = { id: '', hash: '', bytes: new Uint8Array() };
    eachField(from, length(from), (inner) => {
      if (inner === 1) piece.id = readHash(from);
      else if (inner === 2) piece.hash = readHash(from);
      // A copy: it is kept, and must not keep the whole frame.
      else if (inner === 3) piece.bytes = Uint8Array.from(readBlob(from, PRINTS.maxSegmentBytes));
      else return false;
      return true;
    });
    if (piece.id === '' || piece.hash === '') throw refuse('a segment without owner or hash');
    append(segments, piece, MAX_PIECES);
    return true;
  });
  return { type: 'segments', segments };
}

function readSeq(from: Reader): number {
  const seq = from.uint64Number();
  if (!Number.isSafeInteger(seq) || seq < 0 || seq > MAX_SEQ) throw refuse('a record number out of range');
  return seq;
}

function readHash(from: Reader): string {
  const bytes = readBlob(from, HASH_BYTES);
  if (bytes.length !== HASH_BYTES) throw refuse('a hash that is not 8 bytes');
  return hexOf(bytes);
}

function readHashes(from: Reader, most: number): string[] {
  const hashes = splitHashes(readBlob(from, most * HASH_BYTES));
  if (hashes === null) throw refuse('hashes cut off');
  return hashes;
}
