import { reader, writer } from 'protons-runtime';
import { BITSWAP } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { append, eachField, length, readBlob, refuse, tag, type Reader, type Writer } from './protobuf.ts';

/**
 * Messages of bitswap, with which IPFS nodes ask each other for blocks (specs.ipfs.tech/bitswap-protocol). Each stands
 * alone: an answer comes on a stream of its own, and belongs to a want by the hash of its bytes.
 */
export interface BitswapMessage {
  readonly wants: readonly BitswapWant[];
  /** The wants are all that the sender has, in place of those it told before. */
  readonly full: boolean;
  readonly blocks: readonly BitswapBlock[];
  readonly presences: readonly BitswapPresence[];
}

export interface BitswapWant {
  /** Binary CID. */
  readonly cid: Uint8Array;
  /** The greater, the sooner; any int32. */
  readonly priority: number;
  /** The want is over. */
  readonly cancel: boolean;
  /** `have`: only whether it is there. */
  readonly kind: 'block' | 'have';
  /** A "no" is to be told too. */
  readonly sendDontHave: boolean;
}

export interface BitswapBlock {
  /** The CID without its digest: version, codec, hash function, length of the digest, as varints. */
  readonly prefix: Uint8Array;
  readonly data: Uint8Array;
}

export interface BitswapPresence {
  readonly cid: Uint8Array;
  readonly have: boolean;
}

export const BITSWAP_PROTOCOL = '/ipfs/bitswap/1.2.0';
/** Without HAVE and DONT_HAVE. */
export const BITSWAP_PROTOCOL_OLD = '/ipfs/bitswap/1.1.0';

export function bitswapMessage(parts: Partial<BitswapMessage>): BitswapMessage {
  return { wants: [], full: false, blocks: [], presences: [], ...parts };
}

/** The message without its blocks' data is small; a block's bytes are copied once, into the frame. */
export function encodeBitswap({ wants, full, blocks, presences }: BitswapMessage): Uint8Array {
  const out = writer();
  if (wants.length > 0 || full) {
    tag(out, 1, 2).fork();
    for (const want of wants) encodeWant(out, want);
    if (full) tag(out, 2, 0).bool(true);
    out.ldelim();
  }
  for (const { prefix, data } of blocks) {
    tag(out, 3, 2).fork();
    tag(out, 1, 2).bytes(prefix);
    tag(out, 2, 2).bytes(data);
    out.ldelim();
  }
  for (const { cid, have } of presences) {
    tag(out, 4, 2).fork();
    tag(out, 1, 2).bytes(cid);
    if (!have) tag(out, 2, 0).uint32(1);
    out.ldelim();
  }
  return out.finish();
}

function encodeWant(out: Writer, { cid, priority, cancel, kind, sendDontHave }: BitswapWant): void {
  tag(out, 1, 2).fork();
  tag(out, 1, 2).bytes(cid);
  tag(out, 2, 0).int32(priority);
  if (cancel) tag(out, 3, 0).bool(true);
  if (kind === 'have') tag(out, 4, 0).uint32(1);
  if (sendDontHave) tag(out, 5, 0).bool(true);
  out.ldelim();
}

/** @throws KelanaError PEER_PROTOCOL also for more wants, blocks or presences than `BITSWAP` allows in one message */
export function decodeBitswap(bytes: Uint8Array): BitswapMessage {
  const wants: BitswapWant[] = [];
  const blocks: BitswapBlock[] = [];
  const presences: BitswapPresence[] = [];
  let full = false;
  try {
    const from = reader(bytes);
    eachField(from, from.len, (field, wire) => {
      if (wire !== 2) return false;
      if (field === 1) {
        eachField(from, length(from), (inner, kind) => {
          if (inner === 1 && kind === 2) append(wants, decodeWant(from), BITSWAP.maxMessageWants);
          else if (inner === 2 && kind === 0) full = from.bool();
          else return false;
          return true;
        });
      } else if (field === 3) append(blocks, decodeBlock(from), BITSWAP.maxMessageBlocks);
      else if (field === 4) append(presences, decodePresence(from), BITSWAP.maxMessageWants);
      else return false;
      return true;
    });
  } catch (thrown) {
    if (thrown instanceof KelanaError) throw thrown;
    throw refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
  return { wants, full, blocks, presences };
}

function decodeWant(from: Reader): BitswapWant {
  let cid: Uint8Array = new Uint8Array(0);
  let priority = 1;
  let cancel = false;
  let have = false;
  let sendDontHave = false;
  eachField(from, length(from), (field, wire) => {
    if (field === 1 && wire === 2) cid = readBlob(from, BITSWAP.maxCidBytes);
    else if (wire !== 0) return false;
    else if (field === 2) priority = from.int32();
    else if (field === 3) cancel = from.bool();
    else if (field === 4) have = from.uint32() === 1;
    else if (field === 5) sendDontHave = from.bool();
    else return false;
    return true;
  });
  return { cid, priority, cancel, kind: have ? 'have' : 'block', sendDontHave };
}

function decodeBlock(from: Reader): BitswapBlock {
  let prefix: Uint8Array = new Uint8Array(0);
  let data: Uint8Array = new Uint8Array(0);
  eachField(from, length(from), (field, wire) => {
    if (wire !== 2) return false;
    if (field === 1) prefix = readBlob(from, BITSWAP.maxCidBytes);
    else if (field === 2) data = readBlob(from, BITSWAP.maxBlockBytes);
    else return false;
    return true;
  });
  return { prefix, data };
}

function decodePresence(from: Reader): BitswapPresence {
  let cid: Uint8Array = new Uint8Array(0);
  let have = true;
  eachField(from, length(from), (field, wire) => {
    if (field === 1 && wire === 2) cid = readBlob(from, BITSWAP.maxCidBytes);
    else if (field === 2 && wire === 0) have = from.uint32() === 0;
    else return false;
    return true;
  });
  return { cid, have };
}
