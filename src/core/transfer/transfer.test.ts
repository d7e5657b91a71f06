import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { decode, encode } from '@ipld/dag-pb';
import fc from 'fast-check';
import { UnixFS } from 'ipfs-unixfs';
import { importBytes } from 'ipfs-unixfs-importer';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced } from 'ipfs-unixfs-importer/layout';
import { base32 } from 'multiformats/bases/base32';
import { CID } from 'multiformats/cid';
import { cidBytes, cidOf, cidText, DAG_PB, fromCidBytes, parseCid, RAW, type Codec } from './cid.ts';
import { leafOf, SHAPE, type Shape } from './layout.ts';
import { buildManifest, type Manifest } from './manifest.ts';
import { join, mostNodes } from './reference.testkit.ts';
import { verifyBlock, verifyManifest } from './verify.ts';

const MiB = 1024 * 1024;
const TINY: Shape = { blockBytes: 16, maxLinks: 4, maxFileBytes: 16 * 4 ** 4 };
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();

function digestsOf(bytes: Uint8Array, blockBytes: number): Uint8Array {
  const digests: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += blockBytes)
    digests.push(sha256(bytes.subarray(at, at + blockBytes)));
  return Buffer.concat(digests);
}

function build(bytes: Uint8Array, shape: Shape): Manifest {
  return buildManifest(digestsOf(bytes, shape.blockBytes), bytes.length, sha256, shape);
}

function sample(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += 1) bytes[at] = (at * 2654435761) >>> 13;
  return bytes;
}

/** What IPFS itself computes, with its nodes. */
async function reference(bytes: Uint8Array, shape: Shape) {
  const stored = new Map<string, Uint8Array>();
  const put = (cid: { toString(): string }, block: unknown) => {
    if (block instanceof Uint8Array) stored.set(cid.toString(), block);
    return cid;
  };
  const store = { put } as unknown as Parameters<typeof importBytes>[1];
  const { cid } = await importBytes(bytes, store, {
    cidVersion: 1,
    rawLeaves: true,
    reduceSingleLeafToSelf: true,
    chunker: fixedSize({ chunkSize: shape.blockBytes }),
    layout: balanced({ maxChildrenPerNode: shape.maxLinks }),
  });
  return { root: cid.toString(), stored };
}

for (const size of [0, 1, MiB - 1, MiB, MiB + 1, 2 * MiB, 5 * MiB + 3]) {
  test(`a file of ${size} bytes has the CID that IPFS gives it`, async () => {
    const bytes = sample(size);
    const { root } = await reference(bytes, SHAPE);
    assert.equal(build(bytes, SHAPE).root, root);
  });
}

test('trees of two and three levels are those of IPFS, node by node', async () => {
  const wide: Shape = { blockBytes: 16, maxLinks: 1024, maxFileBytes: SHAPE.maxFileBytes };
  for (const [size, shape] of [
    [16 * 1024, wide],
    [16 * 1025, wide],
    [16 * 1024 * 3 + 5, wide],
    [16 * 4, TINY],
    [16 * 4 + 1, TINY],
    [16 * 16 + 1, TINY],
    [16 * 64 + 1, TINY],
    [16 * 256, TINY],
  ] as const) {
    const bytes = sample(size);
    const { root, stored } = await reference(bytes, shape);
    const mine = build(bytes, shape);
    assert.equal(mine.root, root, String(size));
    for (const node of mine.nodes) {
      assert.ok(stored.has(cidText(DAG_PB, sha256(node))), `a node of the tree for ${size} bytes`);
    }
  }
});

test('what was built verifies, for any size', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 16 * 256 }), fc.boolean(), (bytes, claim) => {
      const { root, nodes } = build(bytes, TINY);
      const layout = verifyManifest(root, nodes, sha256, {
        shape: TINY,
        ...(claim || nodes.length === 0 ? { size: bytes.length } : {}),
      });
      assert.equal(layout.size, bytes.length);
      for (let index = 0; index < layout.count; index += 1) {
        const block = bytes.subarray(index * 16, index * 16 + 16);
        assert.ok(verifyBlock(leafOf(layout, index), block, sha256));
      }
      assert.throws(() => leafOf(layout, layout.count), RangeError);
    }),
    { numRuns: 60 },
  );
});

const refused = (thrown: unknown): boolean => {
  const code = (thrown as { code?: unknown }).code;
  return code === 'PEER_PROTOCOL' || code === 'BAD_BLOCK';
};

test('the size of a file is written whole, also where it needs the 32nd bit', () => {
  const GiB = 1024 ** 3;
  for (const size of [2 * GiB - 1, 2 * GiB, 2 * GiB + 1, 3 * GiB, 4 * GiB - 1, 4 * GiB, 6 * GiB + 7]) {
    const digests = new Uint8Array(Math.ceil(size / SHAPE.blockBytes) * 32);
    const { root, nodes } = buildManifest(digests, size, sha256);
    assert.equal(buildManifest(digests, size, sha256).root, root);
    const { Data: data = new Uint8Array(0) } = decode(nodes[0] ?? new Uint8Array(0));
    const { blockSizes, type } = UnixFS.unmarshal(data);
    assert.deepEqual([type, blockSizes.reduce((sum, each) => sum + each, 0n)], ['file', BigInt(size)]);
    // Field 3, as protobuf says it: seven bits a byte, the lowest first.
    let rest = BigInt(size);
    const expected = [0x08, 2, 0x18];
    for (; rest > 127n; rest >>= 7n) expected.push(Number(rest & 127n) | 128);
    expected.push(Number(rest), 0x20);
    assert.deepEqual([...data.subarray(0, expected.length)], expected);
    assert.equal(verifyManifest(root, nodes, sha256, { size, peer: 'a' }).size, size);
  }
});

test('any flipped bit in any node is refused', () => {
  const { root, nodes } = build(sample(16 * 20), TINY);
  for (const [index, node] of nodes.entries()) {
    for (let bit = 0; bit < node.length * 8; bit += 1) {
      const bad = node.slice();
      bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const sent = nodes.with(index, bad);
      assert.throws(() => verifyManifest(root, sent, sha256, { shape: TINY }), refused);
    }
  }
});

test('a manifest that is short, long, out of order or of another size is refused', () => {
  const bytes = sample(16 * 20);
  const { root, nodes } = build(bytes, TINY);
  const other = build(sample(16 * 30), TINY);
  const check = (sent: readonly Uint8Array[], size?: number): void => {
    const options = size === undefined ? { shape: TINY } : { shape: TINY, size };
    assert.throws(() => verifyManifest(root, sent, sha256, options), refused);
  };
  check([]);
  check(nodes.slice(1));
  check(nodes.slice(0, -1));
  check([...nodes, ...nodes.slice(-1)]);
  check([...nodes.slice(0, 1), ...nodes.slice(1).toReversed()]);
  check(other.nodes);
  for (const size of [0, 1, bytes.length - 1, bytes.length + 1, -1, 0.5, Number.NaN, 2 ** 60])
    check(nodes, size);
});

test('a single block needs a size, and one that fits', () => {
  const { root } = build(sample(9), TINY);
  assert.equal(verifyManifest(root, [], sha256, { shape: TINY, size: 9 }).count, 1);
  for (const size of [undefined, 17, -1])
    assert.throws(
      () => verifyManifest(root, [], sha256, size === undefined ? { shape: TINY } : { shape: TINY, size }),
      refused,
    );
  assert.throws(() => verifyManifest(root, [new Uint8Array(3)], sha256, { shape: TINY, size: 9 }), refused);
  const leaf = { digest: sha256(sample(9)), size: 9 };
  assert.ok(verifyBlock(leaf, sample(9), sha256));
  assert.ok(!verifyBlock(leaf, sample(8), sha256));
  assert.ok(!verifyBlock({ ...leaf, size: 8 }, sample(8), sha256));
});

/** A node with a valid hash and whatever content: what a hostile peer can offer under a CID of its own. */
function forge(children: readonly { node?: Uint8Array; size: bigint; tsize?: number }[], type = 'file') {
  const unixfs = new UnixFS({ type: type as 'file', blockSizes: children.map((child) => child.size) });
  const node = encode({
    Data: unixfs.marshal(),
    Links: children.map((child) => ({
      Name: '',
      Tsize: child.tsize ?? Number(child.size),
      Hash: child.node === undefined ? cidOf(RAW, sha256(sample(16))) : cidOf(DAG_PB, sha256(child.node)),
    })),
  });
  return node;
}

test('hostile trees under a CID of their own are refused at once', () => {
  const leaf = { size: 16n };
  const chain = (levels: number): Uint8Array[] => {
    let nodes = [forge([leaf, leaf])];
    for (let at = 0; at < levels; at += 1)
      nodes = [forge([{ node: nodes[0] ?? new Uint8Array(), size: 32n }]), ...nodes];
    return nodes;
  };
  const inner = forge([leaf, leaf]);
  const cases: Record<string, readonly Uint8Array[]> = {
    'too deep': chain(40),
    'a needless level': chain(1),
    'too many links': [forge([leaf, leaf, leaf, leaf, leaf])],
    'sizes that overflow': [
      forge([
        { size: 2n ** 63n, tsize: 1 },
        { size: 2n ** 63n, tsize: 1 },
      ]),
    ],
    'sizes beyond the largest file': [forge([{ size: 4096n }, leaf])],
    'a block too large': [forge([{ size: 17n }, leaf])],
    'a short block in the middle': [forge([{ size: 15n }, leaf])],
    'an empty block': [forge([leaf, { size: 0n }])],
    'one block only': [forge([leaf])],
    'no links': [forge([])],
    'a folder': [forge([leaf, leaf], 'directory')],
    'a wrong total': [forge([leaf, { size: 16n, tsize: 99 }])],
    'a node beside a block': [forge([{ node: inner, size: 32n }, leaf]), inner],
    'a node whose size lies': [
      forge([
        { node: inner, size: 64n },
        { node: inner, size: 32n },
      ]),
      inner,
      inner,
    ],
    'no protobuf at all': [new Uint8Array([0xff, 0xff, 0xff])],
    'an oversized node': [new Uint8Array(65 * 1024)],
    'too many nodes': Array.from({ length: mostNodes(TINY) + 1 }, () => inner),
  };
  for (const [name, nodes] of Object.entries(cases)) {
    const root = cidText(DAG_PB, sha256(nodes[0] ?? new Uint8Array()));
    const before = performance.now();
    assert.throws(() => verifyManifest(root, nodes, sha256, { shape: TINY }), refused, name);
    assert.ok(performance.now() - before < 200, `${name} took too long`);
  }
});

test('random bytes under a matching hash never get through', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (node) => {
      const root = cidText(DAG_PB, sha256(node));
      assert.throws(() => verifyManifest(root, [node], sha256, { shape: TINY }), refused);
    }),
    { numRuns: 300 },
  );
});

test('a CID is read in every base and version that names the same bytes', () => {
  const digest = sha256(sample(5));
  const text = cidText(RAW, digest);
  assert.equal(parseCid(text)?.text, text);
  assert.equal(parseCid(text)?.codec, RAW);
  const v0 = cidOf(DAG_PB, digest).toV0().toString();
  assert.match(v0, /^Qm/);
  assert.equal(parseCid(v0)?.text, cidText(DAG_PB, digest));
  const [first, second] = [cidOf(RAW, digest), cidOf(DAG_PB, sha256(sample(6)))];
  for (const cid of [first, second]) {
    assert.equal(cidText(cid.code as Codec, cid.multihash.digest), cid.toString());
    assert.deepEqual(cidBytes(cid.toString()), cid.bytes);
    assert.equal(fromCidBytes(cid.bytes)?.text, cid.toString());
    assert.equal(fromCidBytes(cid.bytes.subarray(0, 35)), null);
  }
  assert.equal(fromCidBytes(cidOf(DAG_PB, digest).toV0().bytes)?.text, cidText(DAG_PB, digest));
  for (const bad of ['', 'contoh.txt', text.slice(0, -1), `${text}a`, text.toUpperCase(), 'b'.repeat(10_000)])
    assert.equal(parseCid(bad), null, bad.slice(0, 20));
});

test('a CID as kelana writes it is read as any library does, and a text that differs in a letter is another or none', () => {
  const read = (text: string): CID | null => {
    try {
      return CID.parse(text, base32.decoder);
    } catch {
      return null;
    }
  };
  const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(
      digests,
      fc.constantFrom<Codec>(RAW, DAG_PB),
      fc.nat(58),
      fc.constantFrom('a', 'b', 'z', '0', '1', '2', '7', 'A', 'Ä', ' '),
      (digest, codec, at, letter) => {
        const text = cidText(codec, digest);
        assert.deepEqual(parseCid(text), { codec, digest, text });
        assert.equal(parseCid(text), parseCid(text));
        const other = text.slice(0, at) + letter + text.slice(at + 1);
        const parsed = parseCid(other);
        const known = read(other);
        if (parsed !== null) assert.deepEqual(cidOf(parsed.codec, parsed.digest).bytes, known?.bytes);
        else if (known !== null)
          assert.ok(![RAW, DAG_PB].includes(known.code) || known.multihash.code !== 0x12);
      },
    ),
    { numRuns: 500 },
  );
});

test('numbers of any size stand in a node as UnixFS has them, also past 32 bits', () => {
  const sizes = [0, 127, 128, 2 ** 31, 2 ** 32 + 5, 2 ** 45];
  const child = cidOf(RAW, sha256(new Uint8Array()));
  const { node } = join(
    sizes.map((size) => ({ cid: child, size, total: size })),
    sha256,
  );
  const read = UnixFS.unmarshal(decode(node).Data ?? new Uint8Array());
  assert.deepEqual([read.type, read.blockSizes.map(Number)], ['file', sizes]);
});
