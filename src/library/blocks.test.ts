import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DIGEST_BYTES } from '../core/transfer/cid.ts';
import { blockCount, type Shape } from '../core/transfer/layout.ts';
import { buildManifest } from '../core/transfer/manifest.ts';
import { cidText, RAW } from '../core/transfer/cid.ts';
import { BlockIndex } from './blocks.ts';
import { Catalog, type Entry } from './catalog.ts';
import { sha256 } from './hash.ts';

const TINY: Shape = { blockBytes: 16, maxLinks: 4, maxFileBytes: 256 };

/** A catalog of files in memory, with what each one's blocks are. */
function house(maxBlocks?: number) {
  const catalog = new Catalog();
  const contents = new Map<string, Uint8Array>();
  let full = 0;
  const index = new BlockIndex({
    catalog,
    readBlock: (cid, at) => {
      const content = contents.get(cid);
      if (content === undefined) return Promise.reject(new Error('gone'));
      return Promise.resolve(content.subarray(at * 16, at * 16 + 16));
    },
    onFull: () => {
      full += 1;
    },
    shape: TINY,
    ...(maxBlocks === undefined ? {} : { maxBlocks }),
  });
  catalog.observer = index;
  const add = (name: string, content: Uint8Array): Entry => {
    const count = blockCount(content.length, 16);
    const digests = new Uint8Array(count * DIGEST_BYTES);
    for (let at = 0; at < count; at += 1)
      digests.set(sha256(content.subarray(at * 16, at * 16 + 16)), at * DIGEST_BYTES);
    const cid =
      count === 1 ? cidText(RAW, digests) : buildManifest(digests, content.length, sha256, TINY).root;
    const common = { name, path: `/x/${name}`, root: '/x', identity: name, seen: 1 };
    const entry = { ...common, size: content.length, cid, digests };
    contents.set(cid, content);
    catalog.add(entry);
    return entry;
  };
  const read = async (block: Uint8Array): Promise<Uint8Array | null> =>
    (await index.find(sha256(block))?.read()) ?? null;
  return { catalog, contents, index, add, read, full: () => full };
}

const sample = (size: number, seed: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => ((at + 1) * (seed * 2654435761 + 40503)) >>> 11);

/** Every block of a file: leaves, and nodes from the root down. */
function blocksOf(content: Uint8Array, { digests }: Entry): readonly Uint8Array[] {
  const leaves = Array.from({ length: digests.length / DIGEST_BYTES }, (_, at) =>
    content.subarray(at * 16, at * 16 + 16),
  );
  return [...leaves, ...buildManifest(digests, content.length, sha256, TINY).nodes];
}

test('every leaf and node of every file is found by its hash, and read as it is', async () => {
  const { add, read, index } = house();
  for (const size of [0, 1, 16, 17, 64, 65, 100, 256]) {
    const content = sample(size, size);
    const entry = add(`f${size}`, content);
    for (const block of blocksOf(content, entry)) {
      // The nodes of tall files are made in turns.
      while (index.find(sha256(block)) === null) await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(Buffer.from((await read(block)) ?? []), Buffer.from(block), String(size));
      assert.equal(index.find(sha256(block))?.file.cid, entry.cid);
    }
  }
  assert.equal(await read(sample(16, 99)), null);
});

test('what is shared no more is found no more, and what two files hold stays while one of them does', async () => {
  const { catalog, add, read } = house();
  const zeros = new Uint8Array(16);
  const [one, other] = [
    add('one', Buffer.concat([zeros, zeros, sample(16, 1)])),
    add('other', Buffer.concat([sample(16, 2), zeros])),
  ];
  assert.ok(await read(zeros));
  catalog.remove(one);
  assert.deepEqual(Buffer.from((await read(zeros)) ?? []), Buffer.from(zeros));
  assert.equal(await read(sample(16, 1)), null);
  catalog.remove(other);
  for (const block of [zeros, sample(16, 2)]) assert.equal(await read(block), null);
});

test('bytes that are not what was hashed are not given', async () => {
  const { contents, add, read } = house();
  const entry = add('one', sample(40, 3));
  contents.set(entry.cid, sample(40, 4));
  assert.equal(await read(sample(40, 3).subarray(0, 16)), null);
  contents.delete(entry.cid);
  assert.equal(await read(sample(40, 3).subarray(0, 16)), null);
});

test('files beyond the bound are left out whole, told once, and come in when there is room', async () => {
  const { catalog, add, read, index, full } = house(20);
  const first = add('first', sample(16 * 12, 1));
  const second = add('second', sample(16 * 12, 2));
  add('third', sample(16 * 12, 3));
  assert.equal(full(), 1);
  assert.ok(await read(sample(16 * 12, 1).subarray(0, 16)));
  assert.equal(await read(sample(16 * 12, 2).subarray(0, 16)), null);
  const [root = new Uint8Array(0)] = buildManifest(second.digests, second.size, sha256, TINY).nodes;
  assert.equal(index.find(sha256(root)), null);
  catalog.remove(first);
  assert.ok(await read(sample(16 * 12, 2).subarray(0, 16)));
});

test('the table grows, and holds what it held', async () => {
  const { add, catalog, read } = house();
  const entries = Array.from({ length: 400 }, (_, at) => add(`f${at}`, sample(64, at + 1)));
  for (const entry of entries.slice(0, 200)) catalog.remove(entry);
  for (let at = 400; at < 900; at += 1) add(`f${at}`, sample(64, at + 1));
  for (let at = 0; at < 900; at += 1) {
    const found = await read(sample(64, at + 1).subarray(16, 32));
    assert.equal(found === null, at < 200, String(at));
  }
});
