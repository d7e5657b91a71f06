import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { RAW, cidText } from './cid.ts';
import { verifyListing } from './listing.ts';
import { treeSteps, type FolderTree } from './tree.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');
const file = (name: string) => {
  const bytes = Buffer.from(`isi ${name}`);
  return { name, cid: cidText(RAW, sha256(bytes)), size: bytes.length };
};

function treeOf(names: readonly string[], folders: readonly string[] = []): FolderTree {
  const steps = treeSteps(names.map(file), folders, sha256);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

test('a receiver reads the files and folders from the nodes as they were put in', () => {
  const segment = fc.stringMatching(/^[a-z0-9][a-zA-Z0-9 ._-]{0,8}[a-z]$/);
  const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
  const names = fc
    .uniqueArray(path, { maxLength: 20 })
    .filter((all) => all.every((name) => !all.some((other) => other.startsWith(`${name}/`))));
  fc.assert(
    fc.property(names, fc.uniqueArray(segment, { maxLength: 3 }), (files, empty) => {
      const bare = empty.map((name) => `${name}/kosong-juga/~`);
      const { cid, nodes, entries } = treeOf(files, bare);
      const read = verifyListing(cid, nodes, sha256);
      assert.deepEqual(read.files.map(({ path: name }) => name).sort(), [...files].sort());
      assert.equal(read.files.length + read.folders.length, entries);
      for (const folder of bare) assert.ok(read.folders.includes(folder));
      assert.deepEqual(
        read.files.map(({ path: name, cid: of, size }) => ({ name, cid: of, size })),
        read.files.map(({ path: name }) => file(name)),
      );
    }),
  );
});

test('the order in which files are named does not change the CID, and each node comes once', () => {
  const names = ['a', 'x/b', 'y/b', 'x/z/c', ...Array.from({ length: 3_000 }, (_, at) => `banyak/${at}`)];
  const { cid, nodes } = treeOf(names, ['kosong']);
  assert.equal(treeOf(names.toReversed(), ['kosong', 'x']).cid, cid);
  assert.notEqual(treeOf(names).cid, cid);
  assert.equal(new Set(nodes.map((node) => Buffer.from(sha256(node)).toString('hex'))).size, nodes.length);
});
