import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { OVERLAY, PRINTS } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { decodeFrame, encodeFrame } from './frames.ts';
import { FAR, MAX_AGE, MAX_SEQ, roundAge, type SyncFrame } from './sync.ts';

const hex8 = fc.uint8Array({ minLength: 8, maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const seq = fc.integer({ min: 1, max: MAX_SEQ });
const age = fc.nat(MAX_AGE / 100).map((tenths) => tenths * 100);
const word = fc.string({ unit: 'binary', maxLength: 40 }).filter((text) => text.isWellFormed());
const signature = fc.uint8Array({ minLength: 64, maxLength: 64 });
const links = fc.oneof(fc.nat(14), fc.constant(FAR));
const heads = fc
  .uniqueArray(hex8, { maxLength: 20 })
  .chain((ids) => fc.tuple(...ids.toSorted().map((id) => fc.record({ id: fc.constant(id), seq, age }))));

const status = fc.record({
  type: fc.constant('status' as const),
  nonce: fc.integer({ min: 1, max: 0xffffffff }),
  echo: fc.nat(0xffffffff),
  hold: fc.nat(0x7fffffff),
  bits: fc.nat(32),
  ask: fc.boolean(),
  digest: hex8,
  ages: fc.array(age, { maxLength: PRINTS.maxLevels + 1 }),
  closed: fc.boolean(),
  // Half bytes go in pairs; whole ones do not.
  near: fc.oneof(
    fc.array(fc.tuple(links, links), { maxLength: 30 }).map((pairs) => pairs.flat()),
    fc.array(fc.nat(255), { maxLength: 60 }).map((near) => [15, ...near]),
  ),
  heads: fc.option(heads),
});
const content = fc.oneof(
  fc.record({
    partial: fc.constant(false),
    gone: fc.constant(false),
    segments: fc.array(hex8, { maxLength: 20 }),
  }),
  fc.record({ partial: fc.boolean(), gone: fc.boolean(), segments: fc.constant<string[]>([]) }),
);
const header = fc
  .tuple(
    content,
    fc.record({
      peer: word.map((text) => `p${text}`.slice(0, 30).toWellFormed()),
      seq,
      label: word,
      addresses: fc.array(word, { maxLength: 16 }),
      signature,
    }),
  )
  .map(([what, rest]) => ({ ...rest, ...what }));
const frames: fc.Arbitrary<SyncFrame> = fc.oneof(
  status,
  fc.record({
    type: fc.constant('headers' as const),
    headers: fc.array(fc.record({ header, age }), { maxLength: 5 }),
    renewed: fc.array(fc.record({ id: hex8, seq, age, signature }), { maxLength: 5 }),
  }),
  fc.record({
    type: fc.constant('wants' as const),
    wants: fc.array(fc.record({ id: hex8, segments: fc.array(hex8, { maxLength: 20 }) }), { maxLength: 10 }),
  }),
  fc.record({
    type: fc.constant('segments' as const),
    segments: fc.array(fc.record({ id: hex8, hash: hex8, bytes: fc.uint8Array({ maxLength: 200 }) }), {
      maxLength: 5,
    }),
  }),
);

const back = (frame: SyncFrame): unknown => {
  const decoded = decodeFrame(encodeFrame({ type: 'sync', frame }));
  return decoded.type === 'sync' ? decoded.frame : decoded;
};

test('every sync frame survives the way to bytes and back', () => {
  fc.assert(
    fc.property(frames, (frame) => assert.deepEqual(back(frame), structuredClone(frame))),
    { numRuns: 1_000 },
  );
});

function refused(bytes: Uint8Array): boolean {
  try {
    decodeFrame(bytes);
    return false;
  } catch (thrown) {
    assert.ok(thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL', String(thrown));
    return true;
  }
}

test('a sync frame cut at any byte is refused', () => {
  fc.assert(
    fc.property(frames, (frame) => {
      const bytes = encodeFrame({ type: 'sync', frame });
      for (let end = 0; end < bytes.length; end += 1)
        assert.ok(refused(bytes.subarray(0, end)), `cut at ${end}`);
    }),
    { numRuns: 100 },
  );
});

test('a sync frame with any byte altered, or random bytes for a body, is refused or read, and nothing else', () => {
  fc.assert(
    fc.property(frames, fc.nat(255), (frame, byte) => {
      const bytes = encodeFrame({ type: 'sync', frame });
      for (let at = 0; at < bytes.length; at += 1) {
        const altered = Uint8Array.from(bytes);
        altered[at] = byte;
        refused(altered);
      }
    }),
    { numRuns: 50 },
  );
  const tag = (16 << 3) | 2;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (body) => {
      refused(Uint8Array.from([(tag & 0x7f) | 0x80, tag >> 7, body.length, ...body]));
    }),
    { numRuns: 5_000 },
  );
});

test('what is over a bound is refused whole', () => {
  const base = { nonce: 1, echo: 0, hold: 0, bits: 0, ask: false, digest: 'aa'.repeat(8) };
  const blank = { ...base, type: 'status' as const, ages: [], closed: false, near: [], heads: null };
  const id = 'ab'.repeat(8);
  const plain = { peer: 'p', seq: 1, partial: false, gone: false, label: '', addresses: [], segments: [] };
  const signed = { ...plain, signature: new Uint8Array(64) };
  const one = (header: object): SyncFrame => ({
    type: 'headers',
    headers: [{ header: { ...signed, ...header }, age: 0 }],
    renewed: [],
  });
  const bad: SyncFrame[] = [
    { ...blank, nonce: 0 },
    { ...blank, digest: 'aa' },
    { ...blank, bits: 33 },
    { ...blank, ages: Array.from({ length: PRINTS.maxLevels + 2 }, () => 0) },
    { ...blank, near: Array.from({ length: PRINTS.maxMembers + 1 }, () => 20) },
    {
      ...blank,
      heads: [
        { id, seq: 1, age: 0 },
        { id, seq: 1, age: 0 },
      ],
    },
    one({ peer: '' }),
    one({ peer: 'x'.repeat(129) }),
    one({ seq: 0 }),
    one({ seq: MAX_SEQ + 1 }),
    one({ label: 'x'.repeat(301) }),
    one({ addresses: Array.from({ length: 17 }, () => 'x') }),
    one({ addresses: ['x'.repeat(257)] }),
    one({ segments: Array.from({ length: PRINTS.maxSegments + 1 }, () => id) }),
    one({ signature: new Uint8Array(65) }),
    one({ partial: true, segments: [id] }),
    one({ gone: true, segments: [id] }),
    { type: 'headers', headers: [], renewed: [{ id: 'ab', seq: 1, age: 0, signature: new Uint8Array(64) }] },
    { type: 'wants', wants: Array.from({ length: 65 }, () => ({ id, segments: [] })) },
    { type: 'wants', wants: [{ id: '', segments: [] }] },
    {
      type: 'segments',
      segments: Array.from({ length: 257 }, () => ({ id, hash: id, bytes: new Uint8Array() })),
    },
    { type: 'segments', segments: [{ id, hash: 'ab', bytes: new Uint8Array() }] },
    { type: 'segments', segments: [{ id, hash: id, bytes: new Uint8Array(PRINTS.maxSegmentBytes + 1) }] },
  ];
  for (const frame of bad)
    assert.ok(refused(encodeFrame({ type: 'sync', frame })), JSON.stringify(frame).slice(0, 200));
});

test('the largest list of heads and the largest segment fit a frame', () => {
  const ids = Array.from({ length: PRINTS.maxMembers }, (_, at) => at.toString(16).padStart(16, '0'));
  const frame: SyncFrame = {
    type: 'status',
    nonce: 1,
    echo: 1,
    hold: 0,
    bits: 0,
    ask: true,
    digest: 'aa'.repeat(8),
    closed: true,
    ages: Array.from({ length: PRINTS.maxLevels + 1 }, () => MAX_AGE),
    near: ids.map(() => 200),
    heads: ids.map((id) => ({ id, seq: MAX_SEQ, age: MAX_AGE })),
  };
  assert.ok(encodeFrame({ type: 'sync', frame }).length <= OVERLAY.maxFrameBytes);
  assert.deepEqual(back(frame), structuredClone(frame));
  const bytes = new Uint8Array(PRINTS.maxSegmentBytes);
  const piece: SyncFrame = {
    type: 'segments',
    segments: [{ id: 'ab'.repeat(8), hash: 'ab'.repeat(8), bytes }],
  };
  assert.ok(encodeFrame({ type: 'sync', frame: piece }).length <= OVERLAY.maxFrameBytes);
});

test('ages are rounded up on their way, never down', () => {
  assert.deepEqual([0, 1, 100, 101, -5, 1e12].map(roundAge), [0, 100, 100, 200, 0, MAX_AGE]);
});
