import { reader, writer } from 'protons-runtime';
import { OVERLAY } from '../config.ts';
import { KelanaError } from '../errors.ts';
import {
  append,
  count,
  eachField,
  length,
  readCount,
  readText,
  refuse,
  tag,
  text,
  type Reader,
} from './protobuf.ts';
import { readSearchBody, writeSearchBody } from './search-codec.ts';
import {
  isSearchFrame,
  SEARCH_FIELD,
  type Contact,
  type ReturnFrame,
  type SearchFrame,
  type TrailStep,
} from './search-frames.ts';
import {
  MAX_ADDRESS_BYTES,
  MAX_ADDRESSES,
  MAX_LABEL_BYTES,
  readContact,
  writeContact,
} from './search-parts.ts';
import { readSync, writeSync, type SyncFrame } from './sync.ts';

export { MAX_COUNT } from './protobuf.ts';
export type { ReturnFrame, TrailStep };

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
      /** log2 of the number of groups that the sender counts with. */
      readonly bits: number;
    }
  | SearchFrame
  | { readonly type: 'ping'; readonly nonce: number }
  | { readonly type: 'pong'; readonly nonce: number }
  /** Other peers that the sender knows, so that the receiver may link to them or ask them. */
  | { readonly type: 'peers'; readonly contacts: readonly Contact[] }
  | { readonly type: 'sync'; readonly frame: SyncFrame };

const FIELD = { hello: 1, ping: 5, pong: 6, sync: 16, peers: 17, ...SEARCH_FIELD } as const;
const TYPE_OF = new Map(Object.entries(FIELD).map(([type, field]) => [field, type as LinkFrame['type']]));

export function encodeFrame(frame: LinkFrame): Uint8Array {
  const out = writer();
  tag(out, FIELD[frame.type], 2).fork();
  switch (frame.type) {
    case 'hello':
      tag(out, 1, 0).uint32(frame.version);
      text(out, 2, frame.label);
      tag(out, 3, 0).uint32(frame.port);
      for (const address of frame.addresses) text(out, 4, address);
      count(out, 5, frame.bits);
      break;
    case 'ping':
    case 'pong':
      tag(out, 1, 0).uint32(frame.nonce);
      break;
    case 'peers':
      for (const contact of frame.contacts) writeContact(out, 1, contact);
      break;
    case 'sync':
      writeSync(out, frame.frame);
      break;
    default:
      writeSearchBody(out, frame);
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
    const type = TYPE_OF.get(field as (typeof FIELD)[keyof typeof FIELD]);
    if (type === undefined) outer.skip(end - outer.pos);
    else frame = readBody(outer, type, end);
    return true;
  });
  return frame;
}

function readBody(from: Reader, type: LinkFrame['type'], end: number): LinkFrame {
  if (isSearchFrame(type)) return readSearchBody(from, type, end);
  if (type === 'hello') return readHello(from, end);
  if (type === 'sync') return { type, frame: readSync(from, end) };
  if (type === 'peers') return readPeers(from, end);
  let nonce = 0;
  eachField(from, end, (field) => field === 1 && ((nonce = from.uint32()), true));
  return { type, nonce };
}

function readHello(from: Reader, end: number): LinkFrame {
  const hello = { version: 0, label: '', port: 0, bits: 0 };
  const addresses: string[] = [];
  eachField(from, end, (field) => {
    if (field === 1) hello.version = from.uint32();
    else if (field === 2) hello.label = readText(from, MAX_LABEL_BYTES);
    else if (field === 3) hello.port = from.uint32();
    else if (field === 4) append(addresses, readText(from, MAX_ADDRESS_BYTES), MAX_ADDRESSES);
    else if (field === 5) hello.bits = readCount(from, 32);
    else return false;
    return true;
  });
  if (hello.port > 65_535) throw refuse('port out of range');
  return { type: 'hello', ...hello, addresses };
}

function readPeers(from: Reader, end: number): LinkFrame {
  const contacts: Contact[] = [];
  eachField(from, end, (field) => {
    if (field !== 1) return false;
    append(contacts, readContact(from, length(from)), OVERLAY.maxContactsSent);
    return true;
  });
  return { type: 'peers', contacts };
}
