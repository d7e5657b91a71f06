import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { encode } from '@ipld/dag-pb';
import fc from 'fast-check';
import { UnixFS } from 'ipfs-unixfs';
import { importBytes, type ImporterOptions } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced, trickle } from 'ipfs-unixfs-importer/layout';
import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import { KelanaError } from '../errors.ts';
import { cidOf, DAG_PB, RAW, sha256Of } from './cid.ts';
import { blockKey, UnixfsWalk, type WalkLimits } from './unixfs.ts';

const KiB = 1024;
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const LIMITS: WalkLimits = {
  maxFileBytes: 1024 * KiB,
  maxBlockBytes: 64 * KiB,
  maxDepth: 6,
  maxLinks: 64,
  maxAhead: 256,
  windowBytes: 4 * KiB,
  windowBlocks: 8,
};

type Store = Map<string, Uint8Array>;

const keyOf = (cid: CID): string => blockKey(sha256Of(cid) ?? new Uint8Array(0));

async function imported(bytes: Uint8Array, options: ImporterOptions): Promise<{ root: CID; stored: Store }> {
  const stored: Store = new Map();
  const put = (cid: CID, block: unknown): CID => {
    if (block instanceof Uint8Array) stored.set(keyOf(cid), block);
    return cid;
  };
  const { cid } = await importBytes(bytes, { put }, options);
  return { root: cid, stored };
}

interface Walked {
  readonly bytes: Uint8Array;
  readonly size: number | null;
  /** Blocks that were asked for, in all and on their way at once at most. */
  readonly asked: number;
  readonly most: number;
}

/** Walks with a peer that has `stored`; `pick` chooses which of the blocks on their way comes next. */
function walked(root: CID, stored: Store, limits = LIMITS, pick = (_count: number): number => 0): Walked {
  const walk = new UnixfsWalk(root, 'x', limits);
  const parts: Uint8Array[] = [];
  const coming: CID[] = [];
  let [asked, most, idle] = [0, 0, -1];
  for (;;) {
    for (const part of walk.ready()) parts.push(part);
    if (walk.done) break;
    const wants = walk.wants();
    asked += wants.length;
    coming.push(...wants);
    most = Math.max(most, coming.length);
    const [cid] = coming.splice(pick(coming.length), 1);
    if (cid === undefined) {
      if (idle === parts.length) throw new Error('stuck');
      idle = parts.length;
      continue;
    }
    idle = -1;
    walk.take(keyOf(cid), stored.get(keyOf(cid)) ?? new Uint8Array(0));
  }
  return { bytes: Buffer.concat(parts), size: walk.size, asked, most };
}

const sample = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => ((at + 1) * (seed * 2654435761 + 40503)) >>> 11);

test('a file of any layout comes out as it went in, whatever the order of arrival', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        size: fc.integer({ min: 0, max: 20 * KiB }),
        // Few different bytes make equal blocks.
        equal: fc.boolean(),
        chunk: fc.integer({ min: 64, max: 2 * KiB }),
        links: fc.integer({ min: 8, max: 32 }),
        rawLeaves: fc.boolean(),
        trickled: fc.boolean(),
        alone: fc.boolean(),
        order: fc.infiniteStream(fc.nat()),
      }),
      async ({ size, equal, chunk, links, rawLeaves, trickled, alone, order }) => {
        const bytes = equal ? new Uint8Array(size) : sample(size, size);
        const { root, stored } = await imported(bytes, {
          rawLeaves,
          cidVersion: rawLeaves ? 1 : 0,
          reduceSingleLeafToSelf: !alone,
          chunker: fixedSize({ chunkSize: chunk }),
          layout: trickled ? trickle({ maxChildrenPerNode: links }) : balanced({ maxChildrenPerNode: links }),
        });
        const got = walked(root, stored, LIMITS, (count) => (order.next().value ?? 0) % Math.max(1, count));
        assert.deepEqual(Buffer.from(got.bytes), Buffer.from(bytes));
        assert.equal(got.size, size);
        assert.ok(got.most <= LIMITS.windowBlocks + 1, `${got.most} on their way`);
      },
    ),
    { numRuns: 100 },
  );
});

test('a row of equal blocks is asked for once', async () => {
  const { root, stored } = await imported(new Uint8Array(64 * 60), {
    chunker: fixedSize({ chunkSize: 64 }),
    layout: balanced({ maxChildrenPerNode: 64 }),
  });
  const got = walked(root, stored);
  assert.deepEqual([got.bytes.length, got.asked], [64 * 60, 2]);
});

test('blocks that a peer did not send are asked for again', () => {
  const bytes = sample(100, 1);
  const walk = new UnixfsWalk(cidOf(RAW, sha256(bytes)), 'x', LIMITS);
  assert.equal(walk.wants().length, 1);
  assert.equal(walk.wants().length, 0);
  walk.again();
  const [again] = walk.wants();
  assert.ok(again !== undefined);
  walk.take('00', sample(10, 2));
  assert.deepEqual([...walk.ready()], []);
  walk.take(keyOf(again), bytes);
  assert.equal(walk.size, 100);
  assert.deepEqual([...walk.ready()], [bytes]);
  assert.ok(walk.done);
});

interface Node {
  readonly cid: CID;
  readonly size: number;
}

/** Nodes with valid hashes and whatever content: what a hostile peer can offer under a CID of its own. */
function forge(stored: Store) {
  const keep = (codec: typeof RAW | typeof DAG_PB, block: Uint8Array): CID => {
    const digest = sha256(block);
    stored.set(blockKey(digest), block);
    return cidOf(codec, digest);
  };
  return {
    leaf: (bytes: Uint8Array): Node => ({ cid: keep(RAW, bytes), size: bytes.length }),
    node: (
      children: readonly Node[],
      more: {
        type?: NonNullable<ConstructorParameters<typeof UnixFS>[0]>['type'] & string;
        data?: Uint8Array;
        sizes?: readonly number[];
      } = {},
    ): Node => {
      const sizes = more.sizes ?? children.map(({ size }) => size);
      const unixfs = new UnixFS({
        type: more.type ?? 'file',
        blockSizes: sizes.map(BigInt),
        ...(more.data === undefined ? {} : { data: more.data }),
      });
      const Links = children.map(({ cid, size }) => ({ Name: '', Tsize: size, Hash: cid }));
      const size = sizes.reduce((sum, one) => sum + one, more.data?.length ?? 0);
      return { cid: keep(DAG_PB, encode({ Data: unixfs.marshal(), Links })), size };
    },
    garbage: (): Node => ({ cid: keep(DAG_PB, sample(200, 3)), size: 200 }),
  };
}

test('a node may hold bytes of its own before its children, and a CID may hold its block', () => {
  const stored: Store = new Map();
  const { leaf, node } = forge(stored);
  const tiny = { cid: CID.createV1(RAW, createDigest(0, sample(5, 9))), size: 5 };
  const inner = node([leaf(sample(30, 4)), tiny], { data: sample(7, 5) });
  const root = node([inner, leaf(sample(3, 6))], { data: sample(11, 8), type: 'raw' });
  const expected = [sample(11, 8), sample(7, 5), sample(30, 4), sample(5, 9), sample(3, 6)];
  assert.deepEqual(Buffer.from(walked(root.cid, stored).bytes), Buffer.concat(expected));
});

test('hostile trees are refused, with little work', () => {
  const stored: Store = new Map();
  const { leaf, node, garbage } = forge(stored);
  const small = leaf(sample(16, 1));
  const nest = (levels: number): Node => (levels === 0 ? small : node([nest(levels - 1)]));
  const bomb = (levels: number): Node =>
    levels === 0 ? leaf(new Uint8Array(0)) : node(Array.from({ length: 64 }, () => bomb(levels - 1)));
  const cases: Record<string, Node> = {
    'too deep': nest(8),
    'too wide': node(Array.from({ length: 65 }, () => small)),
    'a bomb of empty leaves': bomb(2),
    'a size too small': node([small], { sizes: [15] }),
    'a size too large': node([small, small], { sizes: [16, 17] }),
    'a node that is smaller than said': node([node([small, small]), small], { sizes: [48, 16] }),
    'beyond the largest file': node([small, small], { sizes: [1024 * KiB, 16] }),
    'fewer sizes than links': node([small, small], { sizes: [32] }),
    'a folder below': node([node([small], { type: 'directory', sizes: [] })], { sizes: [16] }),
    'a block too large': leaf(new Uint8Array(65 * KiB)),
    garbage: garbage(),
    'garbage below': node([garbage(), small]),
  };
  for (const [what, { cid }] of Object.entries(cases)) {
    const before = performance.now();
    assert.throws(
      () => walked(cid, stored),
      (thrown) => thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL',
      what,
    );
    assert.ok(performance.now() - before < 500, what);
  }
});

test('nodes beyond what may be held are opened when the file comes to them, and no file is too wide for that', () => {
  const stored: Store = new Map();
  const { leaf, node } = forge(stored);
  const row = Array.from({ length: 60 }, (_, at) =>
    node(Array.from({ length: 60 }, (__, below) => leaf(sample(20, at * 60 + below)))),
  );
  const root = node(row);
  const got = walked(root.cid, stored);
  assert.equal(got.bytes.length, 60 * 60 * 20);
  assert.equal(got.asked, 1 + 60 + 3600);
});

test('what is no file says so', () => {
  const stored: Store = new Map();
  const { node } = forge(stored);
  const notFile = (cid: CID): void =>
    assert.throws(
      () => walked(cid, stored),
      (thrown) => thrown instanceof KelanaError && thrown.code === 'NOT_A_FILE',
      cid.toString(),
    );
  notFile(node([], { type: 'directory' }).cid);
  notFile(node([], { type: 'hamt-sharded-directory' }).cid);
  notFile(node([], { type: 'symlink', data: sample(4, 1) }).cid);
  notFile(CID.createV1(0x71, createDigest(0x12, sha256(sample(4, 1)))));
  notFile(CID.createV1(RAW, createDigest(0x13, new Uint8Array(64))));
});

test('random nodes under a matching hash give a valid file or an error of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (block) => {
      const digest = sha256(block);
      try {
        walked(cidOf(DAG_PB, digest), new Map([[blockKey(digest), block]]));
      } catch (thrown) {
        assert.ok(thrown instanceof KelanaError, String(thrown));
      }
    }),
    { numRuns: 300 },
  );
});
