import { SEARCH } from '../config.ts';
import type { Hit, Query } from '../ports.ts';
import {
  append,
  blob,
  checkId,
  count,
  eachField,
  flag,
  length,
  queryId,
  readBlob,
  readCount,
  readNumber,
  readQueryId,
  readText,
  refuse,
  tag,
  text,
  type Reader,
  type Writer,
} from './protobuf.ts';
import type {
  Contact,
  TrailStep,
  VisitFrame,
  ReturnFrame,
  TokenFrame,
  ReportFrame,
  SearchFrame,
  Asking,
} from './search-frames.ts';
import {
  writeQuery,
  readQuery,
  writeContact,
  readContact,
  writeHits,
  appendHit,
  writeStep,
  readStep,
  MAX_LABEL_BYTES,
  MAX_PEER_BYTES,
} from './search-parts.ts';

const MAX_SET_BYTES = 2 ** SEARCH.maxGroupBits / 8;

export function writeSearchBody(out: Writer, frame: SearchFrame): void {
  queryId(out, 1, frame.id);
  switch (frame.type) {
    case 'visit':
      writeAsking(out, frame);
      if (frame.trace !== undefined) writeContact(out, 5, frame.trace);
      for (const peer of frame.without) text(out, 6, peer);
      break;
    case 'return':
      flag(out, 2, frame.seen);
      count(out, 3, frame.asked);
      count(out, 4, frame.messages);
      count(out, 5, frame.missingCount);
      for (const missing of frame.missing) text(out, 6, missing);
      writeHits(out, 7, frame.hits);
      for (const step of frame.trail) writeStep(tag(out, 8, 2).fork(), step).ldelim();
      if (frame.debt !== 0) tag(out, 9, 0).uint32(frame.debt);
      break;
    case 'flood':
      writeAsking(out, frame);
      writeContact(out, 5, frame.origin);
      count(out, 6, frame.ttl);
      count(out, 7, frame.ring);
      flag(out, 8, frame.trace);
      break;
    case 'walker':
      writeAsking(out, frame);
      writeContact(out, 5, frame.origin);
      count(out, 6, frame.walker);
      flag(out, 7, frame.trace);
      break;
    case 'check':
      count(out, 2, frame.walker);
      count(out, 3, frame.hops);
      break;
    case 'go':
      count(out, 2, frame.walker);
      flag(out, 3, frame.on);
      break;
    case 'confirm':
      writeAsking(out, frame);
      break;
    case 'found':
      count(out, 2, frame.hops);
      count(out, 3, frame.walker);
      writeHits(out, 4, frame.hits);
      flag(out, 5, frame.scanning === true);
      break;
    case 'token':
      writeAsking(out, frame);
      writeContact(out, 5, frame.origin);
      count(out, 6, frame.bits);
      blob(out, 7, trimmed(frame.missing));
      blob(out, 8, trimmed(frame.covered));
      blob(out, 9, trimmed(frame.failed));
      count(out, 10, frame.leash);
      count(out, 11, frame.half);
      count(out, 12, frame.tries);
      count(out, 13, frame.asked);
      if (frame.number !== 0) tag(out, 14, 0).uint64Number(frame.number);
      flag(out, 15, frame.trace);
      break;
    case 'report':
      count(out, 2, frame.bits);
      blob(out, 3, trimmed(frame.missing));
      blob(out, 4, trimmed(frame.covered));
      blob(out, 5, trimmed(frame.failed));
      count(out, 6, frame.half);
      count(out, 7, frame.asked);
      count(out, 8, frame.hops);
      if (frame.number !== 0) tag(out, 9, 0).uint64Number(frame.number);
      for (const candidate of frame.candidates) writeContact(out, 10, candidate);
      writeHits(out, 11, frame.hits);
      break;
    case 'trace':
      count(out, 2, frame.hops);
      break;
    case 'cancel':
      break;
  }
}

export function readSearchBody(from: Reader, type: SearchFrame['type'], end: number): SearchFrame {
  switch (type) {
    case 'visit':
      return readVisit(from, end);
    case 'return':
      return readReturn(from, end);
    case 'flood':
    case 'walker':
    case 'confirm':
      return readSpread(from, end, type);
    case 'found':
      return readFound(from, end);
    case 'token':
      return readToken(from, end);
    case 'report':
      return readReport(from, end);
    default:
      return readShort(from, end, type);
  }
}

function writeAsking(out: Writer, { query, hops, remainingMs }: Asking): void {
  writeQuery(tag(out, 2, 2).fork(), query).ldelim();
  count(out, 3, hops);
  count(out, 4, remainingMs);
}

interface AskingRead {
  id: string;
  query: Query | null;
  hops: number;
  remainingMs: number;
}

const blankAsking = (): AskingRead => ({ id: '', query: null, hops: 0, remainingMs: 0 });

function takeAsking(from: Reader, field: number, into: AskingRead): boolean {
  if (field === 1) into.id = readQueryId(from);
  else if (field === 2) into.query = readQuery(from, length(from));
  else if (field === 3) into.hops = readCount(from);
  else if (field === 4) into.remainingMs = Math.min(from.uint32(), SEARCH.maxTimeoutMs);
  else return false;
  return true;
}

function asking({ id, query, hops, remainingMs }: AskingRead): Asking {
  if (query === null) throw refuse('a search frame without a query');
  return { id: checkId(id), query, hops, remainingMs };
}

function readVisit(from: Reader, end: number): VisitFrame {
  const base = blankAsking();
  let trace: Contact | undefined;
  const without: string[] = [];
  eachField(from, end, (field) => {
    if (field === 5) trace = readContact(from, length(from));
    else if (field === 6) append(without, readText(from, MAX_PEER_BYTES), SEARCH.maxLiars);
    else return takeAsking(from, field, base);
    return true;
  });
  return { type: 'visit', ...asking(base), without, ...(trace === undefined ? {} : { trace }) };
}

function readReturn(from: Reader, end: number): ReturnFrame {
  const frame = { id: '', seen: false, asked: 0, messages: 0, missingCount: 0, debt: 0 };
  const missing: string[] = [];
  const hits: Hit[] = [];
  const trail: TrailStep[] = [];
  eachField(from, end, (field) => {
    if (field === 1) frame.id = readQueryId(from);
    else if (field === 2) frame.seen = from.bool();
    else if (field === 3) frame.asked = readCount(from);
    else if (field === 4) frame.messages = readCount(from);
    else if (field === 5) frame.missingCount = readCount(from);
    else if (field === 6) append(missing, readText(from, MAX_LABEL_BYTES), SEARCH.maxMissing);
    else if (field === 7) appendHit(hits, from);
    else if (field === 8) append(trail, readStep(from, length(from)), SEARCH.maxTrail);
    else if (field === 9) frame.debt = from.uint32();
    else return false;
    return true;
  });
  if (missing.length > frame.missingCount) throw refuse('more missing names than missing nodes');
  return { type: 'return', ...frame, id: checkId(frame.id), missing, hits, trail };
}

function readSpread(from: Reader, end: number, type: 'flood' | 'walker' | 'confirm'): SearchFrame {
  const base = blankAsking();
  let origin: Contact | null = null;
  let first = 0;
  let ring = 0;
  let trace = false;
  eachField(from, end, (field) => {
    if (field === 5) origin = readContact(from, length(from));
    else if (field === 6) first = readCount(from);
    else if (field === 7 && type === 'walker') trace = from.bool();
    else if (field === 7) ring = readCount(from);
    else if (field === 8) trace = from.bool();
    else return takeAsking(from, field, base);
    return true;
  });
  if (type === 'confirm') return { type, ...asking(base) };
  if (origin === null) throw refuse('a search frame without an origin');
  if (type === 'walker') return { type, ...asking(base), origin, walker: first, trace };
  if (first > SEARCH.maxTtl || ring > SEARCH.maxTtl) throw refuse('a flood that travels too far');
  return { type, ...asking(base), origin, ttl: first, ring, trace };
}

function readFound(from: Reader, end: number): SearchFrame {
  const frame = { id: '', hops: 0, walker: 0 };
  const hits: Hit[] = [];
  let scanning = false;
  eachField(from, end, (field) => {
    if (field === 1) frame.id = readQueryId(from);
    else if (field === 2) frame.hops = readCount(from);
    else if (field === 3) frame.walker = readCount(from);
    else if (field === 4) appendHit(hits, from);
    else if (field === 5) scanning = from.bool();
    else return false;
    return true;
  });
  return { type: 'found', ...frame, id: checkId(frame.id), hits, ...(scanning ? { scanning } : {}) };
}

function readToken(from: Reader, end: number): TokenFrame {
  const base = blankAsking();
  let origin: Contact | null = null;
  const frame = { bits: 0, leash: 0, half: 0, tries: 0, asked: 0, number: 0 };
  const sets: { -readonly [key in keyof Sets]: Uint8Array } = { missing: NONE, covered: NONE, failed: NONE };
  let trace = false;
  eachField(from, end, (field) => {
    if (field === 5) origin = readContact(from, length(from));
    else if (field === 6) frame.bits = readCount(from, SEARCH.maxGroupBits);
    else if (field === 7) sets.missing = readBlob(from, MAX_SET_BYTES);
    else if (field === 8) sets.covered = readBlob(from, MAX_SET_BYTES);
    else if (field === 9) sets.failed = readBlob(from, MAX_SET_BYTES);
    else if (field === 10) frame.leash = readCount(from);
    else if (field === 11) frame.half = readCount(from, 2);
    else if (field === 12) frame.tries = readCount(from);
    else if (field === 13) frame.asked = readCount(from);
    else if (field === 14) frame.number = readNumber(from);
    else if (field === 15) trace = from.bool();
    else return takeAsking(from, field, base);
    return true;
  });
  if (origin === null) throw refuse('a token without an origin');
  return { type: 'token', ...asking(base), origin, ...frame, ...sized(sets, frame.bits), trace };
}

function readReport(from: Reader, end: number): ReportFrame {
  const frame = { id: '', bits: 0, half: 0, asked: 0, hops: 0, number: 0 };
  const hits: Hit[] = [];
  const sets: { -readonly [key in keyof Sets]: Uint8Array } = { missing: NONE, covered: NONE, failed: NONE };
  const candidates: Contact[] = [];
  eachField(from, end, (field) => {
    if (field === 1) frame.id = readQueryId(from);
    else if (field === 2) frame.bits = readCount(from, SEARCH.maxGroupBits);
    else if (field === 3) sets.missing = readBlob(from, MAX_SET_BYTES);
    else if (field === 4) sets.covered = readBlob(from, MAX_SET_BYTES);
    else if (field === 5) sets.failed = readBlob(from, MAX_SET_BYTES);
    else if (field === 6) frame.half = readCount(from, 2);
    else if (field === 7) frame.asked = readCount(from);
    else if (field === 8) frame.hops = readCount(from);
    else if (field === 9) frame.number = readNumber(from);
    else if (field === 10) append(candidates, readContact(from, length(from)), SEARCH.maxCandidates);
    else if (field === 11) appendHit(hits, from);
    else return false;
    return true;
  });
  return { type: 'report', ...frame, id: checkId(frame.id), ...sized(sets, frame.bits), candidates, hits };
}

function readShort(from: Reader, end: number, type: 'check' | 'go' | 'cancel' | 'trace'): SearchFrame {
  const read = { id: '', walker: 0, third: 0 };
  eachField(from, end, (field) => {
    if (field === 1) read.id = readQueryId(from);
    else if (field === 2) read.walker = readCount(from);
    else if (field === 3) read.third = readCount(from);
    else return false;
    return true;
  });
  const id = checkId(read.id);
  if (type === 'cancel') return { type, id };
  if (type === 'trace') return { type, id, hops: read.walker };
  if (type === 'check') return { type, id, walker: read.walker, hops: read.third };
  return { type, id, walker: read.walker, on: read.third !== 0 };
}

const NONE = new Uint8Array(0);

/** Zero bytes at the end say nothing. */
function trimmed(set: Uint8Array): Uint8Array {
  let end = set.length;
  while (end > 0 && set[end - 1] === 0) end -= 1;
  return set.subarray(0, end);
}

type Sets = Pick<ReportFrame, 'missing' | 'covered' | 'failed'>;

/** Sets of exactly 2^bits groups, whatever was cut or sent beyond. */
function sized({ missing, covered, failed }: Sets, bits: number): Sets {
  const size = Math.max(1, 2 ** bits / 8);
  const whole = (set: Uint8Array): Uint8Array => {
    if (set.length > size) throw refuse('a set of more groups than there are');
    const full = new Uint8Array(size);
    full.set(set);
    if (bits < 3) full[0] = (full[0] ?? 0) & (2 ** (2 ** bits) - 1);
    return full;
  };
  return { missing: whole(missing), covered: whole(covered), failed: whole(failed) };
}
