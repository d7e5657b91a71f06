import { decode } from '@ipld/dag-pb';
import { cidText, DAG_PB, DIGEST_BYTES, fromCid, RAW, type ParsedCid } from './cid.ts';

/** A link of a DAG-PB node to what kelana can hold. */
export interface NodeLink {
  readonly name: string;
  readonly cid: ParsedCid;
  /** Bytes of all blocks below it as the node claims (`Tsize`); -1: it does not say. */
  readonly total: number;
}

export interface LinkNode {
  readonly links: readonly NodeLink[];
  /** The UnixFS message; empty where there is none. */
  readonly data: Uint8Array;
}

/**
 * Reads a DAG-PB node with links to CIDs of version 1. Nodes as IPFS writes them (links first, all three fields of each, names in
 * ASCII) are read without an object for each field: a folder of ten thousand files has as many links. Every other one is
 * left to `@ipld/dag-pb`, which gives the same for these.
 * @throws Error where it is no such node; null: a CID that kelana cannot hold
 */
export function readNode(node: Uint8Array): LinkNode | null {
  return readPlain(node) ?? readAny(node);
}

function readAny(node: Uint8Array): LinkNode | null {
  const { Links, Data } = decode(node);
  const links: NodeLink[] = [];
  for (const { Hash, Name, Tsize } of Links) {
    const cid = fromCid(Hash);
    if (cid === null || Hash.version !== 1) return null;
    links.push({ name: Name ?? '', cid, total: Tsize ?? -1 });
  }
  return { links, data: Data ?? NONE };
}

const NONE = new Uint8Array(0);
/** Tags of protobuf: number of the field and how its value is written (github.com/ipld/specs, DAG-PB). */
const LINK = 0x12;
const DATA = 0x0a;
const HASH = 0x0a;
const NAME = 0x12;
const TSIZE = 0x18;
/** Bytes of a CIDv1 with a SHA-256: four and the digest. */
const CID_BYTES = 4 + DIGEST_BYTES;
const SHA2_256 = 0x12;
/** Longer ones are read otherwise: the shift of a number in JavaScript has 32 bits. */
const VARINT_BYTES = 4;

/** null: it is written in another way. */
function readPlain(node: Uint8Array): LinkNode | null {
  const at = new Cursor(node);
  const links: NodeLink[] = [];
  while (at.skip(LINK)) {
    const end = at.varint() + at.at;
    const cid = at.skip(HASH) && at.varint() === CID_BYTES ? at.cid() : null;
    const name = cid !== null && at.skip(NAME) ? at.ascii(at.varint()) : null;
    if (cid === null || name === null || !at.skip(TSIZE)) return null;
    const total = at.varint();
    if (total < 0 || at.at !== end) return null;
    links.push({ name, cid, total });
  }
  if (!at.skip(DATA)) return null;
  const length = at.varint();
  return length >= 0 && at.at + length === node.length ? { links, data: node.subarray(at.at) } : null;
}

/** Reads on in a node. What it cannot read is -1, null or false, as are bytes past the end. */
class Cursor {
  readonly #node: Uint8Array;
  at = 0;

  constructor(node: Uint8Array) {
    this.#node = node;
  }

  skip(byte: number): boolean {
    if (this.#node[this.at] !== byte) return false;
    this.at += 1;
    return true;
  }

  varint(): number {
    let value = 0;
    for (let count = 0; count < VARINT_BYTES; count += 1) {
      const byte = this.#node[this.at] ?? -1;
      if (byte < 0) return -1;
      this.at += 1;
      value |= (byte & 0x7f) << (7 * count);
      if (byte < 0x80) return value;
    }
    return -1;
  }

  cid(): ParsedCid | null {
    const { at } = this;
    const node = this.#node;
    const codec = node[at + 1];
    if (at + CID_BYTES > node.length || node[at] !== 1 || (codec !== RAW && codec !== DAG_PB)) return null;
    if (node[at + 2] !== SHA2_256 || node[at + 3] !== DIGEST_BYTES) return null;
    this.at = at + CID_BYTES;
    const digest = node.subarray(at + 4, this.at);
    return { codec, digest, text: cidText(codec, digest) };
  }

  ascii(length: number): string | null {
    const end = this.at + length;
    if (length < 0 || end > this.#node.length) return null;
    let text = '';
    for (; this.at < end; this.at += 1) {
      const byte = this.#node[this.at] ?? 0x80;
      if (byte >= 0x80) return null;
      text += String.fromCharCode(byte);
    }
    return text;
  }
}
