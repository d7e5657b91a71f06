import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { encode, type PBLink } from '@ipld/dag-pb';
import fc from 'fast-check';
import { UnixFS } from 'ipfs-unixfs';
import { KelanaError } from '../errors.ts';
import { cidOf, cidText, DAG_PB, RAW } from './cid.ts';
import { FileTree } from './file-tree.ts';
import { leafOf, SHAPE, type Layout, type Shape } from './layout.ts';
import { buildManifest, nodeSteps } from './manifest.ts';
import { BlockPath } from './path.ts';
import { referenceBuild, referenceVerify } from './reference.testkit.ts';
import { ManifestReader, verifyManifest } from './verify.ts';

const TINY: Shape = { blockBytes: 16, maxLinks: 4, maxFileBytes: 16 * 4 ** 3 };
const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

function digestsFor(count: number, seed: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, at) => sha256(Uint8Array.of(seed, at, at >> 8))));
}

const codeOf = (thrown: unknown): unknown => (thrown instanceof KelanaError ? thrown.code : thrown);

function attempt(work: () => Layout): Layout | 'refused' {
  try {
    const { digests, ...rest } = work();
    return { ...rest, digests: Uint8Array.from(digests) };
  } catch (thrown) {
    assert.ok(['PEER_PROTOCOL', 'BAD_BLOCK'].includes(String(codeOf(thrown))), String(thrown));
    return 'refused';
  }
}

function agree(root: string, nodes: readonly Uint8Array[], shape: Shape, size?: number): Layout | 'refused' {
  const options = size === undefined ? { shape } : { shape, size };
  const now = attempt(() => verifyManifest(root, nodes, sha256, options));
  assert.deepEqual(
    now,
    attempt(() => referenceVerify(root, nodes, sha256, options)),
  );
  return now;
}

/** Numbers of all lengths: sizes of 2^31 and more are where protobuf libraries go wrong. */
const shape = fc.record({
  blockBytes: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 2 ** 34 })),
  maxLinks: fc.integer({ min: 2, max: 5 }),
  maxFileBytes: fc.constant(2 ** 45),
});

test('nodes of a file are those that the libraries of IPFS write, one at a time and all together', () => {
  fc.assert(
    fc.property(
      shape,
      fc.integer({ min: 1, max: 90 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (of, count, part) => {
        const size =
          count === 1
            ? Math.floor(part * of.blockBytes)
            : (count - 1) * of.blockBytes + 1 + Math.floor(part * (of.blockBytes - 1));
        const digests = digestsFor(count, 1);
        const { root, nodes } = referenceBuild(digests, size, sha256, of);
        const built = buildManifest(digests, size, sha256, of);
        assert.equal(built.root, root);
        assert.deepEqual(built.nodes, nodes);
        const tree = new FileTree(size, of);
        assert.equal(tree.count, nodes.length);
        for (let number = 0; number < tree.count; number += 1) {
          const { level, index } = tree.place(number);
          assert.equal(tree.numberOf(level, index), number);
        }
        for (const none of [-1, tree.count, 0.5]) assert.throws(() => tree.place(none), RangeError);
        agree(root, nodes, of, size);
      },
    ),
    { numRuns: 60 },
  );
});

test('a manifest is accepted or refused as by the whole tree built anew, whichever of its nodes is another', () => {
  const change = fc.record({
    at: fc.nat(30),
    kind: fc.constantFrom('bit', 'cut', 'longer', 'drop', 'twice', 'swap', 'other', 'none'),
    where: fc.nat(),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 17, max: 16 * 64 }),
      change,
      fc.option(fc.integer({ min: -1, max: 1 })),
      (size, how, off) => {
        const digests = digestsFor(Math.ceil(size / 16), 2);
        const { root, nodes } = buildManifest(digests, size, sha256, TINY);
        const at = how.at % nodes.length;
        const node = Uint8Array.from(nodes[at] ?? []);
        const place = how.where % node.length;
        if (how.kind === 'bit') node[place] = (node[place] ?? 0) ^ (1 << (how.where & 7));
        const sent: readonly Uint8Array[] = {
          bit: nodes.with(at, node),
          cut: nodes.with(at, node.subarray(0, place)),
          longer: nodes.with(at, Uint8Array.of(...node, 0)),
          drop: nodes.toSpliced(at, 1),
          twice: nodes.toSpliced(at, 0, node),
          swap: nodes.with(0, node).with(at, nodes[0] ?? node),
          other: nodes.with(at, buildManifest(digestsFor(5, 3), 70, sha256, TINY).nodes[0] ?? node),
          none: nodes,
        }[how.kind];
        const result = agree(root, sent, TINY, off === null ? undefined : size + off);
        if (how.kind === 'none') assert.equal(result !== 'refused', off === null || off === 0);
      },
    ),
    { numRuns: 200 },
  );
});

interface Forged {
  readonly node: Uint8Array | null;
  readonly size: number;
  readonly total: number;
  readonly children: readonly Forged[];
}

/** Right in most places, so that some come close. */
const slip = (right: number) =>
  fc.oneof({ weight: 30, arbitrary: fc.constant(right) }, fc.nat(right + 1), fc.constant(right + 1));

function forged(depth: number): fc.Arbitrary<Forged> {
  if (depth === 0)
    return fc
      .oneof({ weight: 12, arbitrary: fc.constant(16) }, fc.integer({ min: 0, max: 17 }))
      .map((size) => ({ node: null, size, total: size, children: [] }));
  const child = fc.oneof({ weight: 15, arbitrary: forged(depth - 1) }, forged(Math.max(0, depth - 2)));
  const children = fc.oneof(
    { weight: 9, arbitrary: fc.array(child, { minLength: 4, maxLength: 4 }) },
    fc.array(child, { maxLength: 5 }),
  );
  return children.chain((of) =>
    fc
      .tuple(
        fc.tuple(...of.map(({ size }) => slip(size))),
        fc.tuple(...of.map(({ total }) => slip(total))),
        fc.oneof({ weight: 25, arbitrary: fc.constant('file' as const) }, fc.constant('directory' as const)),
        fc.oneof({ weight: 25, arbitrary: fc.constant('') }, fc.constant('a')),
      )
      .map(([sizes, totals, type, name]) => {
        const unixfs = new UnixFS({ type, blockSizes: sizes.map(BigInt) });
        const links: PBLink[] = of.map(({ node }, at) => ({
          Name: name,
          Tsize: totals[at] ?? 0,
          Hash: node === null ? cidOf(RAW, sha256(Uint8Array.of(at))) : cidOf(DAG_PB, sha256(node)),
        }));
        const node = encode({ Data: unixfs.marshal(), Links: links });
        const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
        return { node, size: sum(sizes), total: node.length + sum(totals), children: of };
      }),
  );
}

test('so is whatever tree somebody makes up under a CID of its own', () => {
  const seen = { accepted: 0, refused: 0 };
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 }).chain(forged), fc.boolean(), (top, claim) => {
      const nodes: Uint8Array[] = [];
      for (
        let level: readonly Forged[] = [top];
        level.length > 0;
        level = level.flatMap((one) => one.children)
      )
        for (const { node } of level) if (node !== null) nodes.push(node);
      const root = cidText(DAG_PB, sha256(top.node ?? new Uint8Array(0)));
      const result = agree(root, nodes, TINY, claim ? top.size : undefined);
      seen[result === 'refused' ? 'refused' : 'accepted'] += 1;
    }),
    { numRuns: 300 },
  );
  assert.ok(seen.accepted > 9 && seen.refused > 9, JSON.stringify(seen));
});

/** Nodes that were asked for, root first. */
function walk(path: BlockPath, nodes: readonly Uint8Array[], block: number, asked: number[] = []): void {
  path.root(nodes[0] ?? new Uint8Array(0));
  path.toward(block);
  for (let next = path.next(); next !== null; next = path.next()) {
    asked.push(next);
    path.take(nodes[next] ?? new Uint8Array(0));
  }
}

test('a path leads to the hash and size of any block, by one node of each level', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 16 * 64 }), fc.nat(), (size, random) => {
      const count = Math.max(1, Math.ceil(size / 16));
      const { root, nodes } = buildManifest(digestsFor(count, 4), size, sha256, TINY);
      const path = new BlockPath(root, sha256, { size, shape: TINY });
      const asked: number[] = [];
      const block = random % count;
      if (nodes.length > 0) walk(path, nodes, block, asked);
      const layout = verifyManifest(root, nodes, sha256, { size, shape: TINY });
      assert.deepEqual(path.leaf(), leafOf(layout, block));
      assert.equal(asked.length, Math.max(0, new FileTree(size, TINY).height - 1));
    }),
  );
});

test('a path with a wrong node, a shorter one, other sizes, or another size than was announced is refused', () => {
  const size = 16 * 40 + 3;
  const { root, nodes } = buildManifest(digestsFor(41, 5), size, sha256, TINY);
  const tree = new FileTree(size, TINY);
  const path = (of = root, announced = size) => new BlockPath(of, sha256, { size: announced, shape: TINY });
  const refused = (sent: readonly Uint8Array[], code: string, on = path()): void =>
    assert.throws(
      () => walk(on, sent, 17),
      (thrown) => codeOf(thrown) === code,
    );
  const middle = tree.numberOf(2, 1);
  const low = tree.numberOf(1, 4);
  for (const at of [0, middle, low]) {
    const node = Uint8Array.from(nodes[at] ?? []);
    refused(nodes.with(at, node.subarray(0, -1)), 'BAD_BLOCK');
    refused(nodes.with(at, new Uint8Array(0)), 'BAD_BLOCK');
    refused(nodes.with(at, new Uint8Array(65 * 1024)), 'PEER_PROTOCOL');
    refused(nodes.with(at, nodes[low - 1] ?? node), 'BAD_BLOCK');
  }
  for (const announced of [0, 16, size - 1, size + 1, 1_000])
    refused(nodes, 'PEER_PROTOCOL', path(root, announced));
  assert.throws(() => path('bafy', size), { code: 'PEER_PROTOCOL' });
  assert.throws(() => path(root, -1), { code: 'PEER_PROTOCOL' });
  // A root that says that one of its nodes has more, and one whose nodes are those of another file.
  const longer = buildManifest(digestsFor(44, 5), 16 * 44, sha256, TINY);
  refused(nodes.with(0, longer.nodes[0] ?? nodes[0] ?? new Uint8Array(0)), 'BAD_BLOCK');
  const unixfs = new UnixFS({ type: 'file', blockSizes: [256n, 256n, BigInt(size - 512)] });
  const links = [1, 2, 3].map((at) => ({
    Name: '',
    Tsize: 300,
    Hash: cidOf(DAG_PB, sha256(nodes[at] ?? new Uint8Array(0))),
  }));
  const odd = encode({ Data: unixfs.marshal(), Links: links });
  refused(nodes.with(0, odd), 'PEER_PROTOCOL', path(cidText(DAG_PB, sha256(odd))));
});

test('a node too many or too few is refused as soon as that is known', () => {
  const { root, nodes } = buildManifest(digestsFor(41, 6), 16 * 41, sha256, TINY);
  const reader = new ManifestReader(root, sha256, { shape: TINY });
  for (const node of nodes) {
    assert.throws(() => reader.end(), { code: 'PEER_PROTOCOL' });
    reader.take(node);
  }
  assert.throws(() => reader.take(nodes[0] ?? new Uint8Array(0)), { code: 'PEER_PROTOCOL' });
  assert.equal(reader.end().count, 41);
  const raw = new ManifestReader(cidText(RAW, sha256(new Uint8Array(3))), sha256, { size: 3 });
  assert.throws(() => raw.take(new Uint8Array(3)), { code: 'PEER_PROTOCOL' });
});

/** A file of zeros has two different nodes: it can be made up at once. */
function zeros(gib: number): { root: string; nodes: readonly Uint8Array[]; size: number } {
  const tree = new FileTree(gib * 2 ** 30);
  const block = sha256(new Uint8Array(SHAPE.blockBytes));
  const hashes = Buffer.concat(Array.from({ length: 1024 }, () => block));
  const low = tree.write(1, 0, hashes, 0);
  const top = tree.write(2, 0, Buffer.concat(Array.from({ length: gib }, () => sha256(low))), 0);
  return {
    root: cidText(DAG_PB, sha256(top)),
    nodes: [top, ...Array.from({ length: gib }, () => low)],
    size: tree.size,
  };
}

test('the nodes of a file of 1 TiB are hashed once each when they are made, one a step, and once when they are read', () => {
  const { root, nodes, size } = zeros(1024);
  let hashed = 0;
  const counted = (bytes: Uint8Array): Uint8Array => ((hashed += 1), sha256(bytes));
  const path = new BlockPath(root, counted, { size });
  walk(path, nodes, 777_777);
  assert.equal(hashed, 2);
  const reader = new ManifestReader(root, counted, { size });
  for (const [at, node] of nodes.entries()) {
    reader.take(node);
    assert.equal(hashed, 2 + at + 1);
  }
  const layout = reader.end();
  assert.equal(layout.count, 1024 * 1024);
  assert.equal(layout.digests.buffer.byteLength, 32 * 1024 * 1024);
  hashed = 0;
  let steps = 0;
  const making = nodeSteps(layout.digests, size, counted);
  let step = making.next();
  for (; step.done !== true; step = making.next()) {
    steps += 1;
    assert.equal(hashed, steps);
  }
  assert.equal(steps, 1024);
  const made = step.value;
  assert.equal(made.length, 1025);
  for (const at of [0, 1, 500, 1024])
    assert.deepEqual(Buffer.from(made.at(at) ?? []), Buffer.from(nodes[at] ?? []));
  for (const none of [-1, 1025, 0.5]) assert.equal(made.at(none), undefined);
  assert.equal(hashed, 1024, 'a node that is given is not hashed');
});
