import assert from 'node:assert/strict';
import test from 'node:test';
import { buildManifest } from '../core/transfer/manifest.ts';
import { sha256 } from './hash.ts';
import { Manifests } from './manifests.ts';

const GiB = 2 ** 30;

function file(gib: number, seed = 0): { cid: string; digests: Uint8Array; size: number } {
  return { cid: `${gib}-${seed}`, digests: new Uint8Array(gib * 1024 * 32).fill(seed), size: gib * GiB };
}

/** One that counts the nodes it hashes. */
function counting(most?: number): { manifests: Manifests; hashed: () => number } {
  let hashed = 0;
  const counted = (bytes: Uint8Array): Uint8Array => ((hashed += 1), sha256(bytes));
  return { manifests: new Manifests(counted, most), hashed: () => hashed };
}

test('the nodes are those of the file, and a file of one block has none', async () => {
  const { manifests, hashed } = counting();
  for (const gib of [1, 3]) {
    const { cid, digests, size } = file(gib, 5);
    const nodes = await manifests.of(cid, digests, size);
    assert.deepEqual([...nodes], buildManifest(digests, size, sha256).nodes);
    assert.equal(nodes.at(nodes.length), undefined);
  }
  assert.equal(hashed(), 3, 'a file of one node needs no hash');
  assert.equal((await manifests.of('small', new Uint8Array(0), 7)).length, 0);
});

test('nodes of a large file are hashed once for all who ask, and others get their turn meanwhile', async () => {
  const { manifests, hashed } = counting();
  const { cid, digests, size } = file(256);
  let turns = 0;
  let over = false;
  const count = (): void => {
    turns += 1;
    if (!over) setImmediate(count);
  };
  setImmediate(count);
  const all = await Promise.all(Array.from({ length: 50 }, () => manifests.of(cid, digests, size)));
  over = true;
  assert.equal(hashed(), 256);
  assert.ok(turns > 1, `${turns} turns`);
  for (let round = 0; round < 50; round += 1) all.push(await manifests.of(cid, digests, size));
  for (const nodes of all) assert.equal(nodes.at(0)?.length, all[0]?.at(0)?.length);
  assert.equal(hashed(), 256, 'kept');
});

test('what is kept is bounded; what was asked for longest ago goes first', async () => {
  const { manifests, hashed } = counting(32 * 10);
  const [one, two, three] = [file(4, 1), file(4, 2), file(4, 3)];
  const ask = async ({ cid, digests, size }: typeof one): Promise<number> => {
    const before = hashed();
    await manifests.of(cid, digests, size);
    return hashed() - before;
  };
  assert.deepEqual([await ask(one), await ask(two), await ask(one), await ask(three)], [4, 4, 0, 4]);
  assert.deepEqual([await ask(one), await ask(three), await ask(two)], [0, 0, 4]);
  assert.equal(await ask(file(20)), 20);
  assert.equal(await ask(file(20)), 20, 'larger than all that is kept');
});

test('what cannot be made fails for who asked, and not for the next', async () => {
  const { manifests } = counting();
  const { cid, digests, size } = file(2);
  await assert.rejects(manifests.of('x', digests.subarray(1), size), { code: 'INTERNAL' });
  assert.equal((await manifests.of(cid, digests, size)).length, 3);
});
