import { reader, writer } from 'protons-runtime';
import { KelanaError } from '../errors.ts';
import type { Hit, Query } from '../ports.ts';
import { OVERLAY, SEARCH } from '../config.ts';

/**
 * Frames of a neighbour link, protobuf (docs/protocol.md has the .proto text). Decoding is strict: a frame that
 * breaks a bound is refused whole, since everything here was written by a stranger.
 */
export type LinkFrame =
  | {
      readonly type: 'hello';
      readonly version: number;
      readonly label: string;
      readonly port: number;
      readonly addresses: readonly string[];
    }
  | {
      readonly type: 'visit';
      readonly id: string;
      readonly query: Query;
      readonly hops: number;
      readonly remainingMs: number;
    }
  | ReturnFrame
  | { readonly type: 'cancel'; readonly id: string }
  | { readonly type: 'ping'; readonly nonce: number }
  | { readonly type: 'pong'; readonly nonce: number };

/** What a token brings back over the edge it left by. */
export interface ReturnFrame {
  readonly type: 'return';
  readonly id: string;
  /** The node had been asked before: nothing new lies behind this edge. */
  readonly seen: boolean;
  /** Nodes newly asked behind this edge. */
  readonly asked: number;
  /** Frames sent behind this edge, this one included. */
  readonly messages: number;
  readonly missingCount: number;
  readonly missing: readonly string[];
  readonly hits: readonly Hit[];
  /** Nodes in the order in which the token reached them; the first `SEARCH.maxTrail`. */
  readonly trail: readonly TrailStep[];
}

export interface TrailStep {
  readonly peer: string;
  readonly label: string;
  readonly hops: number;
}

const ID_HEX = /^[0-9a-f]{32}$/;
const FIELD = { hello: 1, visit: 2, return: 3, cancel: 4, ping: 5, pong: 6 } as const;
const MAX_LABEL_BYTES = 300;
const MAX_ADDRESSES = 16;
const MAX_ADDRESS_BYTES = 256;
const MAX_NAME_BYTES = SEARCH.maxQueryBytes;
/** Counts stop here: whoever adds up what others say must not go beyond it, or the next node refuses the frame. */
export const MAX_COUNT = 0x7fffffff;

type Writer = ReturnType<typeof writer>;
type Reader = ReturnType<typeof reader>;

export function encodeFrame(frame: LinkFrame): Uint8Array {
  const out = writer();
  tag(out, FIELD[frame.type], 2).fork();
  switch (frame.type) {
    case 'hello':
      tag(out, 1, 0).uint32(frame.version);
      text(out, 2, frame.label);
      tag(out, 3, 0).uint32(frame.port);
      for (const address of frame.addresses) text(out, 4, address);
      break;
    case 'visit':
      text(out, 1, frame.id);
      text(
        out,
        frame.query.kind === 'name' ? 2 : 3,
        frame.query.kind === 'name' ? frame.query.name : frame.query.cid,
      );
      tag(out, 4, 0).uint32(frame.hops);
      tag(out, 5, 0).uint32(Math.max(0, Math.ceil(frame.remainingMs)));
      break;
    case 'return':
      text(out, 1, frame.id);
      tag(out, 2, 0).bool(frame.seen);
      tag(out, 3, 0).uint32(frame.asked);
      tag(out, 4, 0).uint32(frame.messages);
      tag(out, 5, 0).uint32(frame.missingCount);
      for (const missing of frame.missing) text(out, 6, missing);
      for (const hit of frame.hits) writeHit(tag(out, 7, 2).fork(), hit).ldelim();
      for (const step of frame.trail) writeStep(tag(out, 8, 2).fork(), step).ldelim();
      break;
    case 'cancel':
      text(out, 1, frame.id);
      break;
    case 'ping':
    case 'pong':
      tag(out, 1, 0).uint32(frame.nonce);
      break;
  }
  return out.ldelim().finish();
}

/** @throws KelanaError PEER_PROTOCOL where the bytes are no frame or break a bound */
export function decodeFrame(bytes: Uint8Array): LinkFrame {
  if (bytes.length > OVERLAY.maxFrameBytes) throw refuse('frame too long');
  try {
    const frame = read(bytes);
    if (frame === null) throw refuse('unknown frame');
    return frame;
  } catch (thrown) {
    // The varint reader throws RangeError on truncated input.
    throw thrown instanceof KelanaError
      ? thrown
      : refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
}

function read(bytes: Uint8Array): LinkFrame | null {
  const outer = reader(bytes);
  let frame: LinkFrame | null = null;
  eachField(outer, outer.len, (field, wire) => {
    if (wire !== 2) return false;
    const end = length(outer);
    if (frame !== null) throw refuse('two frames in one');
    frame = readBody(outer, field, end);
    if (frame === null) outer.skip(end - outer.pos);
    return true;
  });
  return frame;
}

function readBody(from: Reader, kind: number, end: number): LinkFrame | null {
  if (kind === FIELD.hello) return readHello(from, end);
  if (kind === FIELD.visit) return readVisit(from, end);
  if (kind === FIELD.return) return readReturn(from, end);
  if (kind === FIELD.cancel) return { type: 'cancel', id: checkId(onlyText(from, end)) };
  if (kind === FIELD.ping || kind === FIELD.pong) {
    let nonce = 0;
    eachField(from, end, (field) => field === 1 && ((nonce = from.uint32()), true));
    return { type: kind === FIELD.ping ? 'ping' : 'pong', nonce };
  }
  return null;
}

function readHello(from: Reader, end: number): LinkFrame {
  let version = 0;
  let label = '';
  let port = 0;
  const addresses: string[] = [];
  eachField(from, end, (field) => {
    if (field === 1) version = from.uint32();
    else if (field === 2) label = readText(from, MAX_LABEL_BYTES);
    else if (field === 3) port = from.uint32();
    else if (field === 4) append(addresses, readText(from, MAX_ADDRESS_BYTES), MAX_ADDRESSES);
    else return false;
    return true;
  });
  if (port > 65_535) throw refuse('port out of range');
  return { type: 'hello', version, label, port, addresses };
}

function readVisit(from: Reader, end: number): LinkFrame {
  let id = '';
  let query: Query | null = null;
  let hops = 0;
  let remainingMs = 0;
  eachField(from, end, (field) => {
    if (field === 1) id = checkId(readText(from, 32));
    else if (field === 2) query = { kind: 'name', name: readText(from, MAX_NAME_BYTES) };
    else if (field === 3) query = { kind: 'cid', cid: readText(from, MAX_NAME_BYTES) };
    else if (field === 4) hops = from.uint32();
    else if (field === 5) remainingMs = from.uint32();
    else return false;
    return true;
  });
  if (query === null) throw refuse('a visit without a query');
  return {
    type: 'visit',
    id: checkId(id),
    query,
    hops: bounded(hops),
    remainingMs: Math.min(remainingMs, SEARCH.maxTimeoutMs),
  };
}

function readReturn(from: Reader, end: number): ReturnFrame {
  const frame = { id: '', seen: false, asked: 0, messages: 0, missingCount: 0 };
  const missing: string[] = [];
  const hits: Hit[] = [];
  const trail: TrailStep[] = [];
  eachField(from, end, (field) => {
    if (field === 1) frame.id = readText(from, 32);
    else if (field === 2) frame.seen = from.bool();
    else if (field === 3) frame.asked = bounded(from.uint32());
    else if (field === 4) frame.messages = bounded(from.uint32());
    else if (field === 5) frame.missingCount = bounded(from.uint32());
    else if (field === 6) append(missing, readText(from, MAX_LABEL_BYTES), SEARCH.maxMissing);
    else if (field === 7) append(hits, readHit(from, length(from)), SEARCH.maxHits);
    else if (field === 8) append(trail, readStep(from, length(from)), SEARCH.maxTrail);
    else return false;
    return true;
  });
  if (missing.length > frame.missingCount) throw refuse('more missing names than missing nodes');
  return { type: 'return', ...frame, id: checkId(frame.id), missing, hits, trail };
}

function writeHit(out: Writer, hit: Hit): Writer {
  text(out, 1, hit.name);
  tag(out, 2, 0).uint64Number(hit.size);
  text(out, 3, hit.cid);
  text(out, 4, hit.peer);
  text(out, 5, hit.label);
  for (const address of hit.addresses) text(out, 6, address);
  tag(out, 7, 0).uint32(hit.hops);
  return out;
}

function readHit(from: Reader, end: number): Hit {
  const hit = { name: '', size: 0, cid: '', peer: '', label: '', hops: 0 };
  const addresses: string[] = [];
  eachField(from, end, (field) => {
    if (field === 1) hit.name = readText(from, MAX_NAME_BYTES);
    else if (field === 2) hit.size = from.uint64Number();
    else if (field === 3) hit.cid = readText(from, 128);
    else if (field === 4) hit.peer = readText(from, 128);
    else if (field === 5) hit.label = readText(from, MAX_LABEL_BYTES);
    else if (field === 6) append(addresses, readText(from, MAX_ADDRESS_BYTES), MAX_ADDRESSES);
    else if (field === 7) hit.hops = bounded(from.uint32());
    else return false;
    return true;
  });
  if (hit.name === '' || hit.cid === '' || hit.peer === '') throw refuse('a hit without name, CID or holder');
  if (!Number.isSafeInteger(hit.size) || hit.size < 0) throw refuse('a size out of range');
  return { ...hit, addresses };
}

function writeStep(out: Writer, step: TrailStep): Writer {
  text(out, 1, step.peer);
  text(out, 2, step.label);
  tag(out, 3, 0).uint32(step.hops);
  return out;
}

function readStep(from: Reader, end: number): TrailStep {
  const step = { peer: '', label: '', hops: 0 };
  eachField(from, end, (field) => {
    if (field === 1) step.peer = readText(from, 128);
    else if (field === 2) step.label = readText(from, MAX_LABEL_BYTES);
    else if (field === 3) step.hops = bounded(from.uint32());
    else return false;
    return true;
  });
  return step;
}

function tag(out: Writer, field: number, wire: number): Writer {
  return out.uint32((field << 3) | wire);
}

function text(out: Writer, field: number, value: string): void {
  tag(out, field, 2).string(value);
}

/** Calls `take` for each field up to `end`; a field it does not take is skipped, so that newer peers may add some. */
function eachField(from: Reader, end: number, take: (field: number, wire: number) => boolean): void {
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

function length(from: Reader): number {
  const size = from.uint32();
  const end = from.pos + size;
  if (end > from.len) throw refuse('a length beyond the frame');
  return end;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function readText(from: Reader, maxBytes: number): string {
  const bytes = from.bytes();
  if (bytes.length > maxBytes) throw refuse('a text too long');
  return utf8.decode(bytes);
}

function onlyText(from: Reader, end: number): string {
  let value = '';
  eachField(from, end, (field) => field === 1 && ((value = readText(from, MAX_LABEL_BYTES)), true));
  return value;
}

function append<T>(list: T[], item: T, most: number): void {
  if (list.length >= most) throw refuse('too many repeated fields');
  list.push(item);
}

function bounded(value: number): number {
  if (value > MAX_COUNT) throw refuse('a count out of range');
  return value;
}

function checkId(id: string): string {
  if (!ID_HEX.test(id)) throw refuse('a query id that is not 16 bytes in hex');
  return id;
}

function refuse(why: string): KelanaError {
  return new KelanaError('PEER_PROTOCOL', { peer: '', why });
}
