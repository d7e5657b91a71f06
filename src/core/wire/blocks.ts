import { FOLDER, TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';

/**
 * The blocks protocol, /kelana/blocks/2.1.0: the same bytes on a lane and on a stream of libp2p. Each frame is a head of
 * 12 bytes and a payload: type (1 byte), flags (1), zero (2), request (4), bytes of payload (4), all big-endian. A fixed
 * head lets a receiver place each payload where it is to lie in the end, without a copy.
 *
 * The asker numbers its requests; a request for `count` blocks takes as many numbers. Answers come in the order of the
 * numbers, each frame with the number that it answers. What is asked for bounds what is in flight: nothing else is sent.
 */
export const FRAME = {
  /**
   * Asker: the DAG-PB nodes of a CID. Payload: the CID's bytes. With `ONE` and a number (4 bytes) behind them: that node
   * alone. A holder of before that takes all of it for a CID, which it does not have.
   */
  wantManifest: 1,
  /** Asker: blocks. Payload: index of the first (4 bytes), how many (4), the CID's bytes. */
  wantBlocks: 2,
  /** Asker: which blocks are there. Payload: the CID's bytes. */
  wantHave: 3,
  /** Asker: requests from this number on, as many as the payload says (4 bytes), are of no use any more. */
  cancel: 4,
  /**
   * Asker: who else fetches this? Payload: the port at which others may fetch from the asker what it has so far (2 bytes;
   * 0: it gives nothing, and is not told to others), the CID's bytes.
   */
  wantPeers: 5,
  /** Holder: a block, or a piece of one; `LAST` ends it. */
  data: 16,
  /** Holder: one DAG-PB node, root first; `LAST` ends them. A file of one block has none: an empty payload and `LAST`. */
  manifest: 17,
  /** Holder: one bit for each block, lowest first; none and `ALL` where all are there. */
  have: 18,
  /** Holder: no answer to this request. Payload: one byte, an index of REFUSALS. */
  refused: 19,
  /** Holder: peers that fetch the same (fetchers.ts). */
  peers: 20,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

export const LAST = 1;
export const ALL = 2;
export const ONE = 4;

export const HEAD_BYTES = 12;

/**
 * not-here: the CID is not shared; changed: the file changed at its source; busy: too many uploads; failed: read error;
 * absent: a partial holder does not have this block yet.
 */
export const REFUSALS = ['not-here', 'changed', 'busy', 'failed', 'absent'] as const;
export type RefusalCode = (typeof REFUSALS)[number];

/** Bytes of the longest CID: a CIDv1 of SHA-256 is 36. */
const MAX_CID_BYTES = 64;
/** Bytes of `have`: a bit for each block of the largest file. */
const MAX_HAVE_BYTES = Math.ceil(TRANSFER.maxFileBytes / TRANSFER.blockBytes / 8);

/** Bytes of `peers`: `TOGETHER.told` contacts of 4 addresses are 12 KiB at most. */
const MAX_PEERS_BYTES = 16 * 1024;

/** Bytes of payload at most, by type; what is longer is a breach. */
const MOST: Readonly<Record<FrameType, number>> = {
  [FRAME.wantManifest]: MAX_CID_BYTES + 4,
  [FRAME.wantBlocks]: 8 + MAX_CID_BYTES,
  [FRAME.wantHave]: MAX_CID_BYTES,
  [FRAME.cancel]: 4,
  [FRAME.wantPeers]: 2 + MAX_CID_BYTES,
  [FRAME.data]: TRANSFER.blockBytes,
  [FRAME.manifest]: Math.max(TRANSFER.maxNodeBytes, FOLDER.maxNodeBytes),
  [FRAME.have]: MAX_HAVE_BYTES,
  [FRAME.refused]: 1,
  [FRAME.peers]: MAX_PEERS_BYTES,
};

export interface Head {
  readonly type: FrameType;
  readonly flags: number;
  readonly request: number;
  /** Bytes of payload. */
  readonly length: number;
}

/** What an asker says, decoded. */
export type Ask =
  | { readonly type: 'manifest'; readonly request: number; readonly cid: Uint8Array }
  | { readonly type: 'node'; readonly request: number; readonly cid: Uint8Array; readonly number: number }
  | { readonly type: 'have'; readonly request: number; readonly cid: Uint8Array }
  | {
      readonly type: 'blocks';
      readonly request: number;
      readonly cid: Uint8Array;
      readonly first: number;
      readonly count: number;
    }
  | { readonly type: 'cancel'; readonly request: number; readonly count: number }
  | { readonly type: 'peers'; readonly request: number; readonly port: number; readonly cid: Uint8Array };

/** Writes a head into the first 12 bytes of `into`. */
export function writeHead(into: Uint8Array, { type, flags, request, length }: Head): void {
  into[0] = type;
  into[1] = flags;
  into[2] = 0;
  into[3] = 0;
  put32(into, 4, request);
  put32(into, 8, length);
}

export function encodeFrame(
  type: FrameType,
  flags: number,
  request: number,
  payload: Uint8Array,
): Uint8Array {
  const out = new Uint8Array(HEAD_BYTES + payload.length);
  writeHead(out, { type, flags, request, length: payload.length });
  out.set(payload, HEAD_BYTES);
  return out;
}

export function encodeAsk(ask: Ask): Uint8Array {
  if (ask.type === 'manifest') return encodeFrame(FRAME.wantManifest, 0, ask.request, ask.cid);
  if (ask.type === 'node') {
    const payload = new Uint8Array(ask.cid.length + 4);
    payload.set(ask.cid);
    put32(payload, ask.cid.length, ask.number);
    return encodeFrame(FRAME.wantManifest, ONE, ask.request, payload);
  }
  if (ask.type === 'have') return encodeFrame(FRAME.wantHave, 0, ask.request, ask.cid);
  if (ask.type === 'cancel') {
    const payload = new Uint8Array(4);
    put32(payload, 0, ask.count);
    return encodeFrame(FRAME.cancel, 0, ask.request, payload);
  }
  if (ask.type === 'peers') {
    const payload = new Uint8Array(2 + ask.cid.length);
    payload[0] = ask.port >>> 8;
    payload[1] = ask.port;
    payload.set(ask.cid, 2);
    return encodeFrame(FRAME.wantPeers, 0, ask.request, payload);
  }
  const payload = new Uint8Array(8 + ask.cid.length);
  put32(payload, 0, ask.first);
  put32(payload, 4, ask.count);
  payload.set(ask.cid, 8);
  return encodeFrame(FRAME.wantBlocks, 0, ask.request, payload);
}

/** @throws KelanaError PEER_PROTOCOL for a frame that only a holder sends, or a malformed one */
export function decodeAsk(head: Head, payload: Uint8Array): Ask {
  const { type, request } = head;
  if (type === FRAME.wantManifest && (head.flags & ONE) !== 0 && payload.length > 4) {
    const end = payload.length - 4;
    return { type: 'node', request, cid: payload.subarray(0, end), number: get32(payload, end) };
  }
  if (type === FRAME.wantManifest) return { type: 'manifest', request, cid: payload };
  if (type === FRAME.wantHave) return { type: 'have', request, cid: payload };
  if (type === FRAME.cancel && payload.length === 4)
    return { type: 'cancel', request, count: get32(payload, 0) };
  if (type === FRAME.wantPeers && payload.length > 2) {
    const port = ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
    return { type: 'peers', request, port, cid: payload.subarray(2) };
  }
  if (type === FRAME.wantBlocks && payload.length > 8) {
    const [first, count] = [get32(payload, 0), get32(payload, 4)];
    if (count > 0 && first + count <= 2 ** 32 && request + count <= 2 ** 32)
      return { type: 'blocks', request, cid: payload.slice(8), first, count };
  }
  throw breach('a malformed request for blocks');
}

/** Where the payloads of frames go. */
export interface FrameTaker {
  /** Memory for the payload, of exactly `length` bytes; null: of the reader's own, valid only during `frame`. */
  room(head: Head): Uint8Array | null;
  frame(head: Head, payload: Uint8Array): void;
}

/**
 * Push parser of frames: bytes in any pieces. A transport that reads straight into memory asks `target` where the next
 * bytes belong and tells `advance` how many came; one that is handed chunks calls `push`. Holds one head, and a payload
 * only where the taker has no room of its own for it.
 */
export class BlockFrameReader {
  readonly #taker: FrameTaker;
  readonly #head = new Uint8Array(HEAD_BYTES);
  /** Payloads that the taker has no place for: of requests, nodes and refusals. */
  #own = new Uint8Array(256);
  #current: Head | null = null;
  #payload: Uint8Array = this.#head;
  #filled = 0;
  #received = 0;
  #ended = false;

  constructor(taker: FrameTaker) {
    this.#taker = taker;
  }

  /** Bytes that have come in all. */
  get received(): number {
    return this.#received;
  }

  /**
   * From now on bytes come to nothing. The memory that the taker gave is somebody else's, and a transport may bring more
   * of them after its end.
   */
  end(): void {
    this.#ended = true;
  }

  /** Where the next bytes belong; never empty. */
  target(): Uint8Array {
    if (this.#ended) return this.#own;
    const whole = this.#current === null ? this.#head : this.#payload;
    return this.#filled === 0 ? whole : whole.subarray(this.#filled);
  }

  /** @throws KelanaError PEER_PROTOCOL, and what the taker throws; the reader has then ended */
  advance(bytes: number): void {
    if (this.#ended) return;
    try {
      this.#advance(bytes);
    } catch (thrown) {
      this.end();
      throw thrown;
    }
  }

  #advance(bytes: number): void {
    this.#received += bytes;
    this.#filled += bytes;
    if (this.#current === null) {
      if (this.#filled < HEAD_BYTES) return;
      this.#current = readHead(this.#head);
      this.#filled = 0;
      const { length } = this.#current;
      this.#payload = this.#taker.room(this.#current) ?? this.#room(length);
      if (length > 0) return;
    }
    if (this.#filled < this.#current.length) return;
    const head = this.#current;
    this.#current = null;
    this.#filled = 0;
    this.#taker.frame(head, this.#payload);
  }

  /** @throws as `advance` */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.#ended;) {
      const target = this.target();
      const take = Math.min(target.length, chunk.length - at);
      target.set(take === chunk.length ? chunk : chunk.subarray(at, at + take));
      at += take;
      this.advance(take);
    }
  }

  #room(length: number): Uint8Array {
    if (this.#own.length < length) this.#own = new Uint8Array(length);
    return this.#own.subarray(0, length);
  }
}

const TYPES: ReadonlySet<number> = new Set(Object.values(FRAME));

function readHead(bytes: Uint8Array): Head {
  const type = bytes[0] ?? 0;
  if (!TYPES.has(type) || bytes[2] !== 0 || bytes[3] !== 0) throw breach('an unknown block frame');
  const head = {
    type: type as FrameType,
    flags: bytes[1] ?? 0,
    request: get32(bytes, 4),
    length: get32(bytes, 8),
  };
  if (head.length > MOST[head.type]) throw breach('a block frame over the size limit');
  return head;
}

function put32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24;
  into[at + 1] = value >>> 16;
  into[at + 2] = value >>> 8;
  into[at + 3] = value;
}

function get32(from: Uint8Array, at: number): number {
  return (
    (((from[at] ?? 0) << 24) |
      ((from[at + 1] ?? 0) << 16) |
      ((from[at + 2] ?? 0) << 8) |
      (from[at + 3] ?? 0)) >>>
    0
  );
}

export function breach(why: string): KelanaError {
  return new KelanaError('PEER_PROTOCOL', { peer: '', why });
}
