import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { FOLDER, TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import {
  BlockFrameReader,
  decodeAsk,
  encodeAsk,
  encodeFrame,
  FRAME,
  HEAD_BYTES,
  LAST,
  type Ask,
  type Head,
} from './blocks.ts';

const u32 = fc.nat(0xffff_ffff);
const cid = fc.uint8Array({ minLength: 1, maxLength: 64 });
const asks: fc.Arbitrary<Ask> = fc.oneof(
  fc.record({ type: fc.constant('manifest' as const), request: u32, cid }),
  fc.record({ type: fc.constant('node' as const), request: u32, number: u32, cid }),
  fc.record({ type: fc.constant('have' as const), request: u32, cid }),
  fc.record({
    type: fc.constant('blocks' as const),
    request: fc.nat(2 ** 31),
    first: fc.nat(2 ** 31),
    count: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    cid,
  }),
  fc.record({ type: fc.constant('cancel' as const), request: u32, count: u32 }),
  fc.record({ type: fc.constant('peers' as const), request: u32, port: fc.nat(0xffff), cid }),
);
const frames = fc.array(
  fc.record({
    type: fc.constantFrom(FRAME.data, FRAME.manifest, FRAME.have),
    flags: fc.nat(3),
    request: u32,
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 8 },
);

/** Reads all of `pieces`; the memory of payloads is the reader's own or the test's, by turns. */
function read(pieces: readonly Uint8Array[], straight: boolean): { head: Head; payload: Uint8Array }[] {
  const seen: { head: Head; payload: Uint8Array }[] = [];
  const reader = new BlockFrameReader({
    room: ({ length, request }) => (request % 2 === 0 ? new Uint8Array(length) : null),
    frame: (head, payload) => void seen.push({ head, payload: payload.slice() }),
  });
  for (const piece of pieces) {
    if (!straight) {
      reader.push(piece);
      continue;
    }
    // As a socket that reads into the reader's memory does.
    for (let at = 0; at < piece.length;) {
      const target = reader.target();
      assert.ok(target.length > 0);
      const take = Math.min(target.length, piece.length - at);
      target.set(piece.subarray(at, at + take));
      at += take;
      reader.advance(take);
    }
  }
  return seen;
}

test('requests survive the way to bytes and back', () => {
  fc.assert(
    fc.property(asks, (ask) => {
      const [frame] = read([encodeAsk(ask)], false);
      assert.ok(frame);
      assert.deepEqual({ ...decodeAsk(frame.head, frame.payload) }, { ...ask });
    }),
    { numRuns: 500 },
  );
});

test('frames are the same however their bytes are cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(40), { minLength: 1 }), fc.boolean(), (sent, cuts, straight) => {
      const bytes = Buffer.concat(sent.map((f) => encodeFrame(f.type, f.flags, f.request, f.payload)));
      const pieces: Uint8Array[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
        const size = 1 + (cuts[turn % cuts.length] ?? 0);
        pieces.push(bytes.subarray(at, at + size));
        at += size;
      }
      const seen = read(pieces, straight);
      assert.deepEqual(
        seen.map(({ head, payload }) => [head.type, head.flags, head.request, [...payload]]),
        sent.map((f) => [f.type, f.flags, f.request, [...f.payload]]),
      );
    }),
    { numRuns: 500 },
  );
});

test('a frame cut at every byte is one frame', () => {
  const frame = encodeFrame(
    FRAME.data,
    LAST,
    7,
    Uint8Array.from({ length: 100 }, (_, at) => at),
  );
  for (let at = 0; at <= frame.length; at += 1) {
    const seen = read([frame.subarray(0, at), frame.subarray(at)], at % 2 === 0);
    assert.equal(seen.length, 1);
    assert.deepEqual(seen[0]?.payload, frame.subarray(HEAD_BYTES));
  }
});

test('garbage is refused, and never takes memory that it only announces', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, straight) => {
      try {
        for (const { head, payload } of read([bytes], straight)) decodeAsk(head, payload);
      } catch (thrown) {
        assert.ok(thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL');
      }
    }),
    { numRuns: 2000 },
  );
  for (const [type, most] of [
    [FRAME.data, TRANSFER.blockBytes],
    [FRAME.manifest, FOLDER.maxNodeBytes],
    [FRAME.refused, 1],
    [FRAME.wantManifest, 68],
  ] as const) {
    const head = encodeFrame(type, 0, 1, new Uint8Array(0));
    new DataView(head.buffer).setUint32(8, most + 1);
    assert.throws(() => read([head], false), { code: 'PEER_PROTOCOL' });
    new DataView(head.buffer).setUint32(8, 0xffff_ffff);
    assert.throws(() => read([head], true), { code: 'PEER_PROTOCOL' });
  }
});

test('a request for more blocks than there are numbers is refused', () => {
  for (const [request, first, count] of [
    [1, 0xffff_ffff, 2],
    [0xffff_ffff, 0, 2],
    [1, 0, 0],
  ] as const) {
    const bytes = encodeAsk({ type: 'blocks', request, first, count, cid: new Uint8Array(36) });
    const [frame] = read([bytes], false);
    assert.ok(frame);
    assert.throws(() => decodeAsk(frame.head, frame.payload), { code: 'PEER_PROTOCOL' });
  }
});
