import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { writer } from 'protons-runtime';
import { BITSWAP } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { bitswapMessage, decodeBitswap, encodeBitswap, type BitswapMessage } from './bitswap.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const message = fc.record({
  wants: fc.array(
    fc.record({
      cid: bytes(BITSWAP.maxCidBytes),
      priority: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
      cancel: fc.boolean(),
      kind: fc.constantFrom('block' as const, 'have' as const),
      sendDontHave: fc.boolean(),
    }),
    { maxLength: 20 },
  ),
  full: fc.boolean(),
  blocks: fc.array(fc.record({ prefix: bytes(16), data: bytes(300) }), { maxLength: 5 }),
  presences: fc.array(fc.record({ cid: bytes(64), have: fc.boolean() }), { maxLength: 20 }),
});

const plain = ({ wants, full, blocks, presences }: BitswapMessage): unknown => ({
  wants: wants.map((want) => ({ ...want, cid: [...want.cid] })),
  full,
  blocks: blocks.map(({ prefix, data }) => [[...prefix], [...data]]),
  presences: presences.map(({ cid, have }) => [[...cid], have]),
});

test('what is written is read again', () => {
  fc.assert(
    fc.property(message, (one) => {
      assert.deepEqual(plain(decodeBitswap(encodeBitswap(one))), plain(one));
    }),
    { numRuns: 200 },
  );
});

test('garbage, whole or mixed in, is an error of ours or passed over', () => {
  fc.assert(
    fc.property(message, fc.uint8Array({ maxLength: 60 }), fc.nat(), (one, garbage, at) => {
      const whole = encodeBitswap(one);
      const cut = at % (whole.length + 1);
      for (const bad of [garbage, Buffer.concat([whole.subarray(0, cut), garbage, whole.subarray(cut)])]) {
        try {
          decodeBitswap(bad);
        } catch (thrown) {
          assert.ok(thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL', String(thrown));
        }
      }
    }),
    { numRuns: 500 },
  );
});

test('fields of other versions are passed over: blocks of 1.0.0, pending bytes, unknown ones', () => {
  const out = writer();
  out.uint32(18).bytes(Uint8Array.of(1, 2, 3));
  out.uint32(40).int32(-7);
  out.uint32(122).bytes(Uint8Array.of(9));
  assert.deepEqual(decodeBitswap(out.finish()), bitswapMessage({}));
});

test('more than one message may hold is refused', () => {
  const want = {
    cid: new Uint8Array(2),
    priority: 1,
    cancel: false,
    kind: 'block',
    sendDontHave: false,
  } as const;
  const refused = (one: Partial<BitswapMessage>): void =>
    assert.throws(
      () => decodeBitswap(encodeBitswap(bitswapMessage(one))),
      (thrown) => thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL',
    );
  const empty = new Uint8Array(0);
  refused({ wants: Array.from({ length: BITSWAP.maxMessageWants + 1 }, () => want) });
  refused({
    presences: Array.from({ length: BITSWAP.maxMessageWants + 1 }, () => ({ cid: empty, have: true })),
  });
  refused({
    blocks: Array.from({ length: BITSWAP.maxMessageBlocks + 1 }, () => ({ prefix: empty, data: empty })),
  });
  refused({ wants: [{ ...want, cid: new Uint8Array(BITSWAP.maxCidBytes + 1) }] });
  refused({ blocks: [{ prefix: empty, data: new Uint8Array(BITSWAP.maxBlockBytes + 1) }] });
});
