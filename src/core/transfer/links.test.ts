import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, prepare } from '@ipld/dag-pb';
import fc from 'fast-check';
import { CID } from 'multiformats/cid';
import { cidBytes, cidOf, cidText, DAG_PB, fromCid, RAW } from './cid.ts';
import { readNode, type LinkNode } from './links.ts';

/** The same by the library alone. */
function reference(node: Uint8Array): LinkNode | null {
  const { Links, Data } = decode(node);
  const links = Links.map(({ Hash, Name, Tsize }) => ({
    name: Name ?? '',
    cid: Hash.version === 1 ? fromCid(Hash) : null,
    total: Tsize ?? -1,
  }));
  const known = links.flatMap(({ name, cid, total }) => (cid === null ? [] : [{ name, cid, total }]));
  return known.length === links.length ? { links: known, data: Data ?? new Uint8Array(0) } : null;
}

function attempt<T>(work: () => T): T | 'refused' {
  try {
    return work();
  } catch {
    return 'refused';
  }
}

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const codec = fc.constantFrom<typeof RAW | typeof DAG_PB>(RAW, DAG_PB);
const cid = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(codec, digest).map(([code, bytes]) => cidOf(code, bytes)) },
  { weight: 1, arbitrary: digest.map((bytes) => cidOf(DAG_PB, bytes).toV0()) },
);
const link = fc.record(
  {
    Hash: cid,
    Name: fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 10 })),
    Tsize: fc.oneof(fc.nat(300), fc.nat({ max: 2 ** 31 - 1 }), fc.integer({ min: 2 ** 27, max: 2 ** 40 })),
  },
  { requiredKeys: ['Hash', 'Name', 'Tsize'] },
);
const loose = fc.record(
  { Hash: cid, Name: fc.string({ maxLength: 9 }), Tsize: fc.nat() },
  { requiredKeys: ['Hash'] },
);
const node = fc
  .record(
    {
      Links: fc.array(fc.oneof({ weight: 9, arbitrary: link }, loose), { maxLength: 12 }),
      Data: fc.uint8Array(),
    },
    { requiredKeys: ['Links'] },
  )
  .map((one) => encode(prepare(one)));

test('a node is read as the library reads it', () => {
  fc.assert(
    fc.property(node, (bytes) =>
      assert.deepEqual(
        attempt(() => readNode(bytes)),
        attempt(() => reference(bytes)),
      ),
    ),
    { numRuns: 400 },
  );
});

test('so is one in which any byte is another, and one that ends anywhere', () => {
  fc.assert(
    fc.property(node, fc.nat(), fc.nat(255), (bytes, place, value) => {
      const changed = bytes.slice();
      changed[place % Math.max(1, bytes.length)] = value;
      const cut = bytes.slice(0, place % (bytes.length + 1));
      for (const one of [changed, cut])
        assert.deepEqual(
          attempt(() => readNode(one)),
          attempt(() => reference(one)),
        );
    }),
    { numRuns: 1_000 },
  );
});

test('a link that says to be longer or shorter than it is is no link', () => {
  const hash = cidOf(RAW, new Uint8Array(32).fill(7));
  const bytes = encode(prepare({ Links: [{ Hash: hash, Name: 'a', Tsize: 9 }], Data: Uint8Array.of(8, 1) }));
  assert.equal(readNode(bytes)?.links.length, 1);
  for (const more of [-2, -1, 1, 2]) {
    const lies = bytes.slice();
    lies[1] = (lies[1] ?? 0) + more;
    assert.throws(() => decode(lies));
    assert.throws(() => readNode(lies), `${more} bytes`);
  }
});

test('the bytes of a CID are those of the library, for a text with another letter too', () => {
  fc.assert(
    fc.property(
      codec,
      digest,
      fc.nat(58),
      fc.string({ minLength: 1, maxLength: 1 }),
      (code, bytes, place, letter) => {
        const text = cidText(code, bytes);
        assert.deepEqual(cidBytes(text), cidOf(code, bytes).bytes);
        const other = text.slice(0, place) + letter + text.slice(place + 1);
        assert.deepEqual(
          attempt(() => cidBytes(other)),
          attempt(() => CID.parse(other).bytes),
        );
      },
    ),
    { numRuns: 1_000 },
  );
});
