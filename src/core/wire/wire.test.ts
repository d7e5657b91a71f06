import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { OVERLAY, SEARCH } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Hit, Query } from '../ports.ts';
import { both, bytesFor, fullSet } from '../search/bitset.ts';
import { decodeFrame, encodeFrame, type LinkFrame } from './frames.ts';
import { delimit, FrameSplitter } from './lengths.ts';

const count = fc.nat(0x7fffffff);
const word = fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => text.isWellFormed());
const full = word.map((text) => `x${text}`);
const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const hit: fc.Arbitrary<Hit> = fc.record({
  name: full,
  size: fc.nat(Number.MAX_SAFE_INTEGER),
  cid: full.map((text) => text.slice(0, 30)),
  peer: full.map((text) => text.slice(0, 30)),
  label: word,
  addresses: fc.array(word, { maxLength: 16 }),
  hops: count,
});
const filters = fc.record(
  {
    minSize: fc.nat(Number.MAX_SAFE_INTEGER),
    maxSize: fc.nat(Number.MAX_SAFE_INTEGER),
    types: fc.array(fc.string({ unit: 'grapheme-ascii', maxLength: 8 }), { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: [] },
);
const kinds: fc.Arbitrary<Query> = fc.oneof(
  word.map((name) => ({ kind: 'name' as const, name })),
  word.map((cid) => ({ kind: 'cid' as const, cid })),
  word.map((pattern) => ({ kind: 'glob' as const, pattern })),
  fc
    .array(word, { minLength: 1, maxLength: SEARCH.maxWords })
    .map((words) => ({ kind: 'words' as const, words })),
);
const query: fc.Arbitrary<Query> = fc
  .tuple(kinds, filters)
  .map(([kind, filter]) => (Object.keys(filter).length > 0 ? { ...kind, filters: filter } : kind));
const contact = fc.record({ peer: full, label: word, addresses: fc.array(word, { maxLength: 4 }) });
const asking = { id, query, hops: count, remainingMs: fc.nat(SEARCH.maxTimeoutMs) };
/** Sets of exactly 2^bits groups. */
const sets = fc.integer({ min: 0, max: 6 }).chain((bits) => {
  const set = fc
    .uint8Array({ minLength: bytesFor(bits), maxLength: bytesFor(bits) })
    .map((bytes) => both(bytes, fullSet(bits)));
  return fc.record({ bits: fc.constant(bits), missing: set, covered: set, failed: set });
});
const half = fc.nat(2);
const frames: fc.Arbitrary<LinkFrame> = fc.oneof(
  fc.record({
    type: fc.constant('hello' as const),
    version: count,
    label: word,
    port: fc.nat(65_535),
    addresses: fc.array(word, { maxLength: 16 }),
    bits: fc.nat(32),
  }),
  fc
    .record({
      type: fc.constant('visit' as const),
      ...asking,
      without: fc.array(word, { maxLength: 3 }),
      trace: fc.option(contact, { nil: undefined }),
    })
    .map(({ trace, ...visit }) => (trace === undefined ? visit : { ...visit, trace })),
  fc.record({
    type: fc.constant('return' as const),
    id,
    seen: fc.boolean(),
    asked: count,
    messages: count,
    missingCount: fc.integer({ min: 32, max: 1000 }),
    missing: fc.array(word, { maxLength: SEARCH.maxMissing }),
    hits: fc.array(hit, { maxLength: 4 }),
    trail: fc.array(fc.record({ peer: full.map((text) => text.slice(0, 30)), label: word, hops: count }), {
      maxLength: 8,
    }),
    debt: fc.nat(0xffffffff),
  }),
  id.map((value) => ({ type: 'cancel' as const, id: value })),
  fc.record({
    type: fc.constant('flood' as const),
    ...asking,
    origin: contact,
    ttl: fc.nat(SEARCH.maxTtl),
    ring: fc.nat(SEARCH.maxTtl),
    trace: fc.boolean(),
  }),
  fc.record({
    type: fc.constant('walker' as const),
    ...asking,
    origin: contact,
    walker: count,
    trace: fc.boolean(),
  }),
  fc.record({ type: fc.constant('check' as const), id, walker: count, hops: count }),
  fc.record({ type: fc.constant('go' as const), id, walker: count, on: fc.boolean() }),
  fc.record({ type: fc.constant('confirm' as const), ...asking }),
  fc.record({
    type: fc.constant('found' as const),
    id,
    hops: count,
    walker: count,
    hits: fc.array(hit, { maxLength: 3 }),
  }),
  fc
    .tuple(
      sets,
      fc.record({
        type: fc.constant('token' as const),
        ...asking,
        origin: contact,
        leash: count,
        half,
        tries: count,
        asked: count,
        number: fc.maxSafeNat(),
        trace: fc.boolean(),
      }),
    )
    .map(([set, token]) => ({ ...token, ...set })),
  fc
    .tuple(
      sets,
      fc.record({
        type: fc.constant('report' as const),
        id,
        half,
        asked: count,
        hops: count,
        number: fc.maxSafeNat(),
        candidates: fc.array(contact, { maxLength: 3 }),
        hits: fc.array(hit, { maxLength: 3 }),
      }),
    )
    .map(([set, report]) => ({ ...report, ...set })),
  fc.record({ type: fc.constant('trace' as const), id, hops: count }),
  fc.record({ type: fc.constant('peers' as const), contacts: fc.array(contact, { maxLength: 4 }) }),
  count.map((nonce) => ({ type: 'ping' as const, nonce })),
);

test('every frame survives the way to bytes and back', () => {
  fc.assert(
    fc.property(frames, (frame) => assert.deepEqual(decodeFrame(encodeFrame(frame)), structuredClone(frame))),
    { numRuns: 500 },
  );
});

test('garbage, cut and altered frames are refused with PEER_PROTOCOL or read as some frame, never another error', () => {
  const tryOne = (bytes: Uint8Array): void => {
    try {
      decodeFrame(bytes);
    } catch (thrown) {
      assert.ok(thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL', String(thrown));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), tryOne), { numRuns: 2000 });
  fc.assert(
    fc.property(frames, fc.nat(), fc.nat(255), (frame, at, value) => {
      const bytes = Uint8Array.from(encodeFrame(frame));
      for (let cut = 0; cut < Math.min(bytes.length, 64); cut += 1) tryOne(bytes.subarray(0, cut));
      bytes[at % bytes.length] = value;
      tryOne(bytes);
    }),
    { numRuns: 200 },
  );
});

test('bounds of the wire hold: ids, repeated fields, texts, frame length', () => {
  const visit = {
    type: 'visit',
    id: 'a'.repeat(32),
    query: { kind: 'name', name: 'x' },
    hops: 1,
    remainingMs: 1,
    without: [],
  } as const;
  const refused = (frame: LinkFrame): void =>
    assert.throws(() => decodeFrame(encodeFrame(frame)), { code: 'PEER_PROTOCOL' });
  refused({ ...visit, without: Array.from({ length: SEARCH.maxLiars + 1 }, () => 'p') });
  const none = new Uint8Array(1);
  const origin = { peer: 'p', label: 'l', addresses: [] };
  const token = {
    ...visit,
    type: 'token',
    origin,
    bits: 3,
    missing: none,
    covered: none,
    failed: none,
    leash: 0,
    half: 0,
    tries: 0,
    asked: 0,
    number: 1,
    trace: false,
  } as const;
  assert.equal(decodeFrame(encodeFrame(token)).type, 'token');
  refused({ ...token, bits: SEARCH.maxGroupBits + 1 });
  refused({ ...token, half: 3 });
  refused({ ...token, missing: Uint8Array.of(1, 1) });
  refused({ ...token, origin: { ...origin, peer: '' } });
  refused({ ...visit, type: 'flood', origin, ttl: SEARCH.maxTtl + 1, ring: 0, trace: false });
  refused({ ...visit, query: { kind: 'words', words: [] } });
  refused({
    ...visit,
    query: { kind: 'words', words: Array.from({ length: SEARCH.maxWords + 1 }, () => 'w') },
  });
  refused({ ...visit, query: { kind: 'name', name: 'x'.repeat(SEARCH.maxQueryBytes + 1) } });
  refused({ type: 'hello', version: 1, label: 'l', port: 70_000, addresses: [], bits: 0 });
  refused({
    type: 'hello',
    version: 1,
    label: 'l',
    port: 1,
    addresses: Array.from({ length: 17 }, () => 'a'),
    bits: 0,
  });
  const back = {
    type: 'return',
    id: visit.id,
    seen: false,
    asked: 0,
    messages: 0,
    missingCount: 0,
    missing: [],
    hits: [],
    trail: [],
    debt: 0,
  } as const;
  refused({ ...back, missing: ['a node that is not counted'] });
  refused({
    ...back,
    trail: Array.from({ length: SEARCH.maxTrail + 1 }, () => ({ peer: 'p', label: 'l', hops: 1 })),
  });
  assert.throws(() => decodeFrame(new Uint8Array(OVERLAY.maxFrameBytes + 1)), { code: 'PEER_PROTOCOL' });
  assert.throws(() => decodeFrame(new Uint8Array(0)), { code: 'PEER_PROTOCOL' });
});

test('the largest answers a node may give fit into one frame', () => {
  const big: Hit = {
    name: 'n'.repeat(SEARCH.maxQueryBytes),
    size: 1,
    cid: 'c'.repeat(128),
    peer: 'p'.repeat(128),
    label: 'l'.repeat(300),
    addresses: Array.from({ length: 16 }, () => 'a'.repeat(256)),
    hops: 1,
  };
  const frame: LinkFrame = {
    type: 'return',
    id: 'a'.repeat(32),
    seen: false,
    debt: 0,
    asked: 1,
    messages: 1,
    missingCount: SEARCH.maxMissing,
    missing: Array.from({ length: SEARCH.maxMissing }, () => 'm'.repeat(300)),
    hits: Array.from({ length: SEARCH.maxHits }, () => big),
    trail: Array.from({ length: SEARCH.maxTrail }, () => ({
      peer: 'p'.repeat(128),
      label: 'l'.repeat(300),
      hops: 1,
    })),
  };
  assert.ok(encodeFrame(frame).length <= OVERLAY.maxFrameBytes);
  const set = new Uint8Array(2 ** SEARCH.maxGroupBits / 8).fill(0xff);
  const { peer, label, addresses } = big;
  const report: LinkFrame = {
    type: 'report',
    id: 'a'.repeat(32),
    bits: SEARCH.maxGroupBits,
    missing: set,
    covered: set,
    failed: set,
    half: 2,
    asked: 1,
    hops: 1,
    number: 1,
    candidates: Array.from({ length: SEARCH.maxCandidates }, () => ({ peer, label, addresses })),
    hits: Array.from({ length: SEARCH.maxHits }, () => big),
  };
  assert.ok(encodeFrame(report).length <= OVERLAY.maxFrameBytes);
});

test('the splitter gives the same frames however the bytes are cut', () => {
  const parts = [
    new Uint8Array(0),
    Uint8Array.of(1),
    new Uint8Array(127).fill(2),
    new Uint8Array(300).fill(3),
    new Uint8Array(20_000).fill(4),
  ];
  const bytes = Buffer.concat(parts.map((part) => delimit(part)));
  const read = (cuts: readonly number[]): string[] => {
    const splitter = new FrameSplitter(32_768);
    const out: string[] = [];
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      for (const frame of splitter.push(Uint8Array.from(bytes.subarray(from, cut))))
        out.push(Buffer.from(frame).toString('hex'));
      from = cut;
    }
    return out;
  };
  const whole = read([]);
  assert.equal(whole.length, parts.length);
  for (let cut = 1; cut < 600; cut += 1) assert.deepEqual(read([cut]), whole, `cut at ${cut}`);
  assert.deepEqual(read(Array.from({ length: bytes.length - 1 }, (_, at) => at + 1)), whole, 'byte by byte');
});

test('the splitter refuses a length over its limit or that never ends, before it makes room for it', () => {
  for (const bytes of [
    Uint8Array.of(0x81, 0x80, 0x02),
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f),
    Uint8Array.of(0xff, 0xff, 0xff, 0x7f),
  ]) {
    assert.throws(() => [...new FrameSplitter(32_768).push(bytes)], { code: 'PEER_PROTOCOL' });
  }
});
