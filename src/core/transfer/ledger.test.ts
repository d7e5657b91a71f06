import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { BITSWAP } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { bitswapMessage, type BitswapWant } from '../wire/bitswap.ts';
import { cidOf, DAG_PB, RAW } from './cid.ts';
import { Ledger } from './ledger.ts';

const sha256 = (text: string): Uint8Array => createHash('sha256').update(text).digest();
const cid = (name: string): CID => cidOf(RAW, sha256(name));
const want = (of: CID, more: Partial<BitswapWant> = {}): BitswapWant => ({
  cid: of.bytes,
  priority: 1,
  cancel: false,
  kind: 'block',
  sendDontHave: true,
  ...more,
});
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A ledger over blocks by name and size. */
function ledger(blocks: Readonly<Record<string, number | null>>, room = (): boolean => true) {
  const sizes = new Map(Object.entries(blocks).map(([name, size]) => [hex(sha256(name)), size]));
  const made = new Ledger({ find: (digest) => sizes.get(hex(digest)), room });
  return {
    made,
    take: (...wants: readonly BitswapWant[]): void => made.take(bitswapMessage({ wants })),
    /** What is told: `name+` or `name-`. */
    told: () => made.presences().map(({ cid: of, have }) => `${hex(of)}${have ? '+' : '-'}`),
    sent: (): string[] => {
      const sent: string[] = [];
      for (let owed = made.next(); owed !== null; owed = made.next()) sent.push(hex(owed.cid));
      return sent;
    },
  };
}

test('a block that is there is owed, one that is not is told of where that is wished', () => {
  const { take, told, sent } = ledger({ a: 5_000 });
  take(want(cid('a')), want(cid('b')), want(cid('c'), { sendDontHave: false }));
  assert.deepEqual(told(), [`${hex(cid('b').bytes)}-`]);
  assert.deepEqual(sent(), [hex(cid('a').bytes)]);
  assert.deepEqual([told(), sent()], [[], []]);
});

test('presence is told without the block, but a small block is sent at once', () => {
  const { take, told, sent } = ledger({ large: 5_000, node: null, small: 100 });
  take(
    ...['large', 'node', 'small', 'none'].map((name) =>
      want(cid(name), { kind: 'have', sendDontHave: name === 'none' }),
    ),
  );
  assert.deepEqual(told(), [
    `${hex(cid('large').bytes)}+`,
    `${hex(cid('node').bytes)}+`,
    `${hex(cid('none').bytes)}-`,
  ]);
  assert.deepEqual(sent(), [hex(cid('small').bytes)]);
});

test('blocks go by priority, then in the order of their wants; cancels and full lists take effect', () => {
  const { made, take, sent } = ledger({ a: 5_000, b: 5_000, c: 5_000, d: 5_000 });
  take(want(cid('a')), want(cid('b'), { priority: -5 }), want(cid('c'), { priority: 9 }), want(cid('d')));
  take(want(cid('d'), { cancel: true }), want(cid('x'), { cancel: true }));
  assert.deepEqual(
    sent(),
    ['c', 'a', 'b'].map((name) => hex(cid(name).bytes)),
  );
  take(want(cid('a')), want(cid('b')));
  made.take(bitswapMessage({ wants: [want(cid('c'))], full: true }));
  assert.deepEqual(sent(), [hex(cid('c').bytes)]);
});

test('a block is known by its hash, whatever codec and version the CID says, and named as it was asked for', () => {
  const digest = sha256('a');
  const { made, take } = ledger({ a: 5_000 });
  take(want(cidOf(DAG_PB, digest).toV0()));
  assert.deepEqual([...(made.next()?.prefix ?? [])], [0, 0x70, 0x12, 32]);
  take(want(CID.createV1(0x71, createDigest(0x12, digest))));
  assert.deepEqual([...(made.next()?.prefix ?? [])], [1, 0x71, 0x12, 32]);
});

test('CIDs of other hashes, and those that hold their own bytes, are not here', () => {
  const { take, told, sent } = ledger({ a: 5_000 });
  const others = [
    CID.createV1(RAW, createDigest(0, sha256('a'))),
    CID.createV1(RAW, createDigest(0x13, new Uint8Array(64))),
    CID.createV1(RAW, createDigest(0x12, sha256('a').subarray(0, 20))),
  ];
  take(...others.map((other) => want(other)));
  assert.deepEqual(
    told(),
    others.map((other) => `${hex(other.bytes)}-`),
  );
  assert.deepEqual(sent(), []);
});

test('a want without a valid CID is a breach', () => {
  const { take } = ledger({});
  for (const bytes of [[], [1], [1, 0x55, 0x12, 0x20, 1, 2], [18, 32]])
    assert.throws(
      () => take({ ...want(cid('a')), cid: Uint8Array.from(bytes) }),
      (thrown) => thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL',
    );
});

test('what one peer may be owed and told is bounded, and so is the sum of all', () => {
  const names = Array.from({ length: BITSWAP.maxQueuedPerPeer + 10 }, (_, at) => `f${at}`);
  const { made, take, told } = ledger(Object.fromEntries(names.map((name) => [name, 5_000])));
  take(...names.map((name) => want(cid(name))));
  assert.equal(made.size, BITSWAP.maxQueuedPerPeer);
  assert.equal(told().length, 10);
  for (let round = 0; round < 3; round += 1)
    take(...Array.from({ length: 4_000 }, (_, at) => want(cid(`none ${round} ${at}`))));
  assert.equal(told().length, BITSWAP.maxPresences);
  const full = ledger({ a: 5_000 }, () => false);
  full.take(want(cid('a')));
  assert.deepEqual([full.told(), full.sent()], [[`${hex(cid('a').bytes)}-`], []]);
});

test('a storm of wants and cancels leaves nothing', () => {
  const { made, take } = ledger({ a: 5_000, b: 5_000 });
  for (let round = 0; round < 5_000; round += 1)
    take(want(cid('a')), want(cid('b')), want(cid('a'), { cancel: true }), want(cid('b'), { cancel: true }));
  assert.ok(made.idle);
});
