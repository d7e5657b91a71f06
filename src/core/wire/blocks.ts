import { reader, writer } from 'protons-runtime';
import { TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';

/**
 * Frames of a block stream. The receiver asks, the sender answers in order; what was asked for bounds what is in
 * flight, so that neither side's memory grows with the file.
 */
export type BlockFrame =
  | { readonly type: 'want-manifest'; readonly cid: string }
  | { readonly type: 'want-block'; readonly cid: string; readonly index: number }
  /** One DAG-PB node of the manifest; the one with `last` ends it. Without nodes the root is the only leaf. */
  | { readonly type: 'manifest'; readonly node: Uint8Array; readonly last: boolean }
  /** A piece of a block; `last` ends the block. */
  | { readonly type: 'data'; readonly index: number; readonly bytes: Uint8Array; readonly last: boolean }
  | { readonly type: 'refused'; readonly code: RefusalCode };

/** not-here: the CID is not shared; changed: the file changed at its source; busy: too many uploads; failed: read error. */
export const REFUSALS = ['not-here', 'changed', 'busy', 'failed'] as const;
export type RefusalCode = (typeof REFUSALS)[number];

/** Bytes of the largest block frame: a piece of a block, or a DAG-PB node of 1,024 links, and its header. */
export const MAX_BLOCK_FRAME_BYTES = TRANSFER.frameBytes + 1024;

const KIND = { 'want-manifest': 1, 'want-block': 2, manifest: 3, data: 4, refused: 5 } as const;
const KINDS = Object.keys(KIND) as (keyof typeof KIND)[];

export function encodeBlockFrame(frame: BlockFrame): Uint8Array {
  const out = writer();
  out.uint32(8).uint32(KIND[frame.type]);
  if ('cid' in frame) out.uint32(18).string(frame.cid);
  if ('index' in frame) out.uint32(24).uint32(frame.index);
  if ('last' in frame) out.uint32(32).bool(frame.last);
  if (frame.type === 'refused') out.uint32(40).uint32(REFUSALS.indexOf(frame.code));
  if (frame.type === 'manifest') out.uint32(50).bytes(frame.node);
  if (frame.type === 'data') out.uint32(50).bytes(frame.bytes);
  return out.finish();
}

/**
 * The bytes before the payload of a `data` frame, the length prefix included: head and payload are sent one after
 * the other, so that a piece of a block is never copied to be framed.
 */
export function encodeDataHead(index: number, last: boolean, payloadBytes: number): Uint8Array {
  const fields = writer().uint32(8).uint32(KIND.data).uint32(24).uint32(index).uint32(32).bool(last);
  const head = fields.uint32(50).uint32(payloadBytes).finish();
  const length = writer()
    .uint32(head.length + payloadBytes)
    .finish();
  const out = new Uint8Array(length.length + head.length);
  out.set(length);
  out.set(head, length.length);
  return out;
}

/** @throws KelanaError PEER_PROTOCOL */
export function decodeBlockFrame(bytes: Uint8Array): BlockFrame {
  let kind = 0;
  let cid = '';
  let index = 0;
  let last = false;
  let refusal = 0;
  let payload: Uint8Array = new Uint8Array(0);
  try {
    const from = reader(bytes);
    while (from.pos < from.len) {
      const key = from.uint32();
      if (key === 8) kind = from.uint32();
      else if (key === 18) cid = from.string();
      else if (key === 24) index = from.uint32();
      else if (key === 32) last = from.bool();
      else if (key === 40) refusal = from.uint32();
      else if (key === 50) payload = from.bytes();
      else from.skipType(key & 7);
    }
  } catch (thrown) {
    throw refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
  if (cid.length > 128) throw refuse('a CID too long');
  const type = KINDS[kind - 1];
  switch (type) {
    case 'want-manifest':
      return { type, cid };
    case 'want-block':
      return { type, cid, index };
    case 'manifest':
      return { type, node: payload, last };
    case 'data':
      return { type, index, bytes: payload, last };
    case 'refused':
      return { type, code: REFUSALS[refusal] ?? 'failed' };
    default:
      throw refuse('unknown block frame');
  }
}

function refuse(why: string): KelanaError {
  return new KelanaError('PEER_PROTOCOL', { peer: '', why });
}
