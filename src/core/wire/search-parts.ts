import { writer } from 'protons-runtime';
import { SEARCH } from '../config.ts';
import type { Filters, Hit, Query } from '../ports.ts';
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
  type Writer,
} from './protobuf.ts';
import { isCheapGlob } from '../search/glob.ts';
import type { Contact, TrailStep } from './search-frames.ts';

export const MAX_LABEL_BYTES = 300;

export const MAX_PEER_BYTES = 128;

export const MAX_ADDRESSES = 16;

export const MAX_ADDRESS_BYTES = 256;

export function writeQuery(out: Writer, query: Query): Writer {
  if (query.kind === 'name') text(out, 1, query.name);
  else if (query.kind === 'cid') text(out, 2, query.cid);
  else if (query.kind === 'glob') text(out, 3, query.pattern);
  else for (const word of query.words) text(out, 4, word);
  const { minSize, maxSize, types = [] } = query.filters ?? {};
  if (minSize !== undefined) tag(out, 5, 0).uint64Number(minSize);
  if (maxSize !== undefined) tag(out, 6, 0).uint64Number(maxSize);
  for (const type of types) text(out, 7, type);
  return out;
}

/** Equal for equal queries, whether written here or read. */
export function queryKey(query: Query): string {
  return writeQuery(writer(), query).finish().join(' ');
}

export function readQuery(from: Reader, end: number): Query {
  let base: Query | null = null;
  const words: string[] = [];
  const types: string[] = [];
  const filters: { minSize?: number; maxSize?: number } = {};
  let bytes = 0;
  const part = (): string => {
    const before = from.pos;
    const value = readText(from, SEARCH.maxQueryBytes);
    bytes += from.pos - before;
    return value;
  };
  eachField(from, end, (field) => {
    if (field === 1) base = { kind: 'name', name: part() };
    else if (field === 2) base = { kind: 'cid', cid: part() };
    else if (field === 3) base = { kind: 'glob', pattern: cheap(part()) };
    else if (field === 4) append(words, part(), SEARCH.maxWords);
    else if (field === 5) filters.minSize = readSize(from);
    else if (field === 6) filters.maxSize = readSize(from);
    else if (field === 7) append(types, readText(from, SEARCH.maxTypeBytes), SEARCH.maxTypes);
    else return false;
    return true;
  });
  if (bytes > SEARCH.maxQueryBytes + 2 * SEARCH.maxWords) throw refuse('a query too long');
  const query: Query | null = base ?? (words.length > 0 ? { kind: 'words', words } : null);
  if (query === null) throw refuse('a query for nothing');
  const all: Filters = { ...filters, ...(types.length > 0 ? { types } : {}) };
  return Object.keys(all).length > 0 ? { ...query, filters: all } : query;
}

function cheap(pattern: string): string {
  if (!isCheapGlob(pattern)) throw refuse('a pattern that costs too much');
  return pattern;
}

function readSize(from: Reader): number {
  const size = from.uint64Number();
  if (!Number.isSafeInteger(size) || size < 0) throw refuse('a size out of range');
  return size;
}

export function writeContact(out: Writer, field: number, contact: Contact): void {
  tag(out, field, 2).fork();
  text(out, 1, contact.peer);
  if (contact.label !== '') text(out, 2, contact.label);
  // The peer id at the end of a multiaddr is the contact's own: said once is enough.
  const tail = `/p2p/${contact.peer}`;
  for (const address of contact.addresses)
    text(out, 3, address.endsWith(tail) ? address.slice(0, -tail.length) : address);
  out.ldelim();
}

export function readContact(from: Reader, end: number): Contact {
  const contact = { peer: '', label: '' };
  const addresses: string[] = [];
  eachField(from, end, (field) => {
    if (field === 1) contact.peer = readText(from, MAX_PEER_BYTES);
    else if (field === 2) contact.label = readText(from, MAX_LABEL_BYTES);
    else if (field === 3) append(addresses, readText(from, MAX_ADDRESS_BYTES), MAX_ADDRESSES);
    else return false;
    return true;
  });
  if (contact.peer === '') throw refuse('a contact without a peer id');
  return { ...contact, addresses };
}

/** Of hits of one holder in a row only the first names it: a node's answer is mostly its own files. */
export function writeHits(out: Writer, field: number, hits: readonly Hit[]): void {
  let before: Hit | undefined;
  for (const hit of hits) {
    writeHit(tag(out, field, 2).fork(), hit, before !== undefined && sameHolder(before, hit)).ldelim();
    before = hit;
  }
}

function sameHolder(one: Hit, other: Hit): boolean {
  return (
    one.peer === other.peer && one.label === other.label && one.addresses.join() === other.addresses.join()
  );
}

function writeHit(out: Writer, hit: Hit, same: boolean): Writer {
  text(out, 1, hit.name);
  tag(out, 2, 0).uint64Number(hit.size);
  text(out, 3, hit.cid);
  if (!same) {
    text(out, 4, hit.peer);
    text(out, 5, hit.label);
    for (const address of hit.addresses) text(out, 6, address);
  }
  count(out, 7, hit.hops);
  if (hit.kind === 'folder') {
    flag(out, 8, true);
    count(out, 9, hit.files ?? 0);
  }
  return out;
}

export function appendHit(hits: Hit[], from: Reader): void {
  append(hits, readHit(from, length(from), hits.at(-1)), SEARCH.maxHits);
}

function readHit(from: Reader, end: number, before: Hit | undefined): Hit {
  const hit = { name: '', size: 0, cid: '', peer: '', label: '', hops: 0 };
  let folder = false;
  let files = 0;
  const addresses: string[] = [];
  eachField(from, end, (field) => {
    if (field === 1) hit.name = readText(from, SEARCH.maxQueryBytes);
    else if (field === 2) hit.size = readSize(from);
    else if (field === 3) hit.cid = readText(from, 128);
    else if (field === 4) hit.peer = readText(from, MAX_PEER_BYTES);
    else if (field === 5) hit.label = readText(from, MAX_LABEL_BYTES);
    else if (field === 6) append(addresses, readText(from, MAX_ADDRESS_BYTES), MAX_ADDRESSES);
    else if (field === 7) hit.hops = readCount(from);
    else if (field === 8) folder = from.bool();
    else if (field === 9) files = readCount(from);
    else return false;
    return true;
  });
  const holder = hit.peer === '' && before !== undefined ? before : { ...hit, addresses };
  if (hit.name === '' || hit.cid === '' || holder.peer === '')
    throw refuse('a hit without name, CID or holder');
  const { peer, label } = holder;
  const kind = folder ? ({ kind: 'folder', files } as const) : {};
  return { ...hit, peer, label, addresses: holder.addresses, ...kind };
}

export function writeStep(out: Writer, step: TrailStep): Writer {
  text(out, 1, step.peer);
  text(out, 2, step.label);
  count(out, 3, step.hops);
  return out;
}

export function readStep(from: Reader, end: number): TrailStep {
  const step = { peer: '', label: '', hops: 0 };
  eachField(from, end, (field) => {
    if (field === 1) step.peer = readText(from, MAX_PEER_BYTES);
    else if (field === 2) step.label = readText(from, MAX_LABEL_BYTES);
    else if (field === 3) step.hops = readCount(from);
    else return false;
    return true;
  });
  return step;
}
