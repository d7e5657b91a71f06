import { reader, writer } from 'protons-runtime';
import { FOLDER, LIBRARY, LISTS } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { checkPath } from '../names.ts';
import type { Holding, SharedPage } from '../ports.ts';
import { utf8Bytes } from '../transfer/directory.ts';
import {
  append,
  count,
  eachField,
  flag,
  length,
  readCount,
  readText,
  refuse,
  tag,
  text,
  type Reader,
} from './protobuf.ts';

/**
 * What a node shares, page by page (docs/protocol.md has the .proto text). The order is that of `compareEntries`, so a
 * place in it is named by the entry before it: whoever answers keeps nothing for whoever asks, and whoever asks sees by
 * comparing two entries that nothing comes twice.
 */
export interface ListAsk {
  /** The last entry that came; null: from the start. */
  readonly after: Place | null;
}

export type Place = Pick<Holding, 'name' | 'cid'>;

/** By name, then by CID; names by their UTF-16 units, as `<` of JavaScript compares them. */
export function compareEntries(one: Place, other: Place): number {
  if (one.name !== other.name) return one.name < other.name ? -1 : 1;
  return one.cid === other.cid ? 0 : one.cid < other.cid ? -1 : 1;
}

export function encodeListAsk({ after }: ListAsk): Uint8Array {
  const out = writer();
  if (after !== null) {
    text(out, 1, after.name);
    text(out, 2, after.cid);
  }
  return out.finish();
}

/** @throws KelanaError PEER_PROTOCOL */
export function decodeListAsk(bytes: Uint8Array): ListAsk {
  return guarded(() => {
    const from = reader(bytes);
    let name = '';
    let cid = '';
    eachField(from, from.len, (field) => {
      if (field === 1) name = readText(from, LIBRARY.maxPathBytes);
      else if (field === 2) cid = readText(from, CID_BYTES);
      else return false;
      return true;
    });
    if ((name === '') !== (cid === '')) throw refuse('half a place in a list');
    return { after: name === '' ? null : { name, cid } };
  });
}

export function encodeListPage({ entries, more, scanning }: SharedPage): Uint8Array {
  const out = writer();
  for (const { name, size, cid, kind, files } of entries) {
    tag(out, 1, 2).fork();
    text(out, 1, name);
    tag(out, 2, 0).uint64Number(size);
    text(out, 3, cid);
    if (kind === 'folder') {
      flag(out, 4, true);
      count(out, 5, files ?? 0);
    }
    out.ldelim();
  }
  flag(out, 2, more);
  flag(out, 3, scanning);
  return out.finish();
}

/** Bytes that an entry takes in a page at most. */
export function entryBytes({ name }: Holding): number {
  return utf8Bytes(name) + ENTRY_BYTES;
}

/**
 * Reads a page of a stranger. Each name could be one of a shared file, and each entry comes after the one before it, the
 * first after `after`.
 * @throws KelanaError PEER_PROTOCOL
 */
export function decodeListPage(bytes: Uint8Array, after: Place | null): SharedPage {
  return guarded(() => {
    const from = reader(bytes);
    const entries: Holding[] = [];
    let more = false;
    let scanning = false;
    let before = after;
    eachField(from, from.len, (field) => {
      if (field === 1) {
        const entry = readEntry(from, length(from));
        if (before !== null && compareEntries(before, entry) >= 0) throw refuse('a list out of order');
        append(entries, entry, LISTS.pageEntries);
        before = entry;
      } else if (field === 2) more = from.bool();
      else if (field === 3) scanning = from.bool();
      else return false;
      return true;
    });
    // A list of pages that bring next to nothing would have no end either.
    if (more && entries.length < LISTS.leastEntries) throw refuse('a page too small');
    return { entries, more, scanning };
  });
}

function readEntry(from: Reader, end: number): Holding {
  const entry = { name: '', size: 0, cid: '' };
  let folder = false;
  let files = 0;
  eachField(from, end, (field) => {
    if (field === 1) entry.name = readText(from, LIBRARY.maxPathBytes);
    else if (field === 2) entry.size = from.uint64Number();
    else if (field === 3) entry.cid = readText(from, CID_BYTES);
    else if (field === 4) folder = from.bool();
    else if (field === 5) files = readCount(from, FOLDER.maxEntries);
    else return false;
    return true;
  });
  if (checkPath(entry.name) !== null) throw refuse('a name that no shared file has');
  if (!CID.test(entry.cid)) throw refuse('a CID that is none');
  if (!Number.isSafeInteger(entry.size) || entry.size < 0) throw refuse('a size out of range');
  return folder ? { ...entry, kind: 'folder', files } : entry;
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof KelanaError) throw thrown;
    throw refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
}

/** CIDv1 in base32 of a raw block or of DAG-PB, with SHA-256: looked at, not decoded, as a page has thousands. */
const CID = /^baf(?:kre|ybe)i[a-z2-7]{52}$/;
const CID_BYTES = 59;
/** The CID, numbers, and all tags and lengths. */
const ENTRY_BYTES = CID_BYTES + 32;
