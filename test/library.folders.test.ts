import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { importer, type ImportCandidate } from 'ipfs-unixfs-importer';
import type { CID } from 'multiformats/cid';
import type { Holding } from '../src/core/ports.ts';
import { parseQuery } from '../src/core/search/query.ts';
import { verifyListing } from '../src/core/transfer/listing.ts';
import { sha256 } from '../src/library/hash.ts';
import type { Library } from '../src/library/library.ts';
import { cidOfBytes, fails, file, folder, MiB, opened, sample, until } from './library.helpers.ts';

/** CID of a folder by `ipfs-unixfs-importer`; null content is an empty folder. */
async function imported(tree: Readonly<Record<string, Uint8Array | string | null>>): Promise<string> {
  const source: ImportCandidate[] = Object.entries(tree).map(([path, content]) =>
    content === null ? { path } : { path, content: Buffer.from(content) },
  );
  let root = '';
  const options = { profile: 'unixfs-v1-2025', wrapWithDirectory: true } as const;
  for await (const { cid } of importer(source, { put: (cid: CID) => cid }, options)) root = cid.toString();
  return root;
}

function named(library: Library, name: string): Holding | undefined {
  return library.folders().find((one) => one.name === name);
}

test('each shared folder and all below it have the CIDs that any IPFS client gives them', async (t) => {
  const base = await folder(t);
  const large = sample(2 * MiB + 5);
  const tree = { 'a.txt': 'a', 'b/c.txt': 'c', 'b/d/e.bin': large, 'b/none': null, empty: null };
  for (const [path, content] of Object.entries(tree))
    if (content === null) await mkdir(join(base, 'shared', path), { recursive: true });
    else await file(join(base, 'shared', path), content);
  const { library } = await opened(t, base);
  assert.deepEqual(named(library, 'shared'), {
    name: 'shared',
    size: 2 + large.length,
    cid: await imported(tree),
    kind: 'folder',
    files: 3,
  });
  assert.equal(named(library, 'b')?.cid, await imported({ 'c.txt': 'c', 'd/e.bin': large, none: null }));
  assert.equal(named(library, 'b/d')?.cid, await imported({ 'e.bin': large }));
  assert.equal(named(library, 'b/none')?.cid, await imported({}));
  assert.deepEqual(
    library
      .folders()
      .map(({ name }) => name)
      .sort(),
    ['b', 'b/d', 'b/none', 'empty', 'shared'],
  );
  assert.equal(library.list().length, 3, 'folders are no files');
});

test('a folder is found by name, path and CID, and its listing verifies and leads to every file', async (t) => {
  const base = await folder(t);
  for (let at = 0; at < 40; at += 1) await file(join(base, `shared/foto/${at % 4}/${at}.jpg`), `photo ${at}`);
  const { library } = await opened(t, base);
  const foto = named(library, 'foto');
  assert.ok(foto !== undefined);
  assert.deepEqual(library.lookup(parseQuery('foto', { as: 'name' })), [foto]);
  assert.deepEqual(library.lookup(parseQuery(foto.cid)), [foto]);
  assert.equal(library.lookup(parseQuery('3', { as: 'name' }))[0]?.name, 'foto/3');
  assert.equal(library.lookup(parseQuery('foto/3', { as: 'name' }))[0]?.name, 'foto/3');
  assert.deepEqual(library.lookup(parseQuery('foto', { as: 'name', filters: { types: ['jpg'] } })), []);
  assert.equal(library.lookup(parseQuery('foto/3'))[0]?.name, 'foto/3', 'its path as one types it');
  const [first, ...others] = library.lookup(parseQuery('Foto'));
  assert.deepEqual(first, foto, 'words that are all of its name');
  assert.ok(
    others.every(({ kind }) => kind === undefined),
    'other words are of files',
  );
  const { files, folders } = verifyListing(foto.cid, [...(await library.manifest(foto.cid))], sha256);
  assert.deepEqual(folders.toSorted(), ['0', '1', '2', '3']);
  assert.equal(files.length, 40);
  for (const { path, cid, size } of files) {
    const block = await library.readBlock(cid, 0);
    assert.equal(block.length, size);
    assert.deepEqual(Buffer.from(block), await readFile(join(base, 'shared/foto', path)));
  }
  await assert.rejects(library.readBlock(foto.cid, 0), fails('NOT_SHARED'));
});

test('a change gives new CIDs to the folders above it and to no other, soon', async (t) => {
  const base = await folder(t);
  for (const path of ['a/b/c.txt', 'a/d.txt', 'e/f.txt']) await file(join(base, 'shared', path), path);
  const { library, shared } = await opened(t, base, { rescanMs: 3_600_000 });
  const cids = () => new Map(library.folders().map(({ name, cid }) => [name, cid]));
  const before = cids();
  let told = 0;
  library.onChange(() => (told += 1));
  await writeFile(join(shared, 'a/b/c.txt'), 'changed');
  const expected = await imported({ 'a/b/c.txt': 'changed', 'a/d.txt': 'a/d.txt', 'e/f.txt': 'e/f.txt' });
  await until(() => cids().get('shared') === expected);
  await until(() => told > 0);
  const after = cids();
  const changed = [...after.keys()].filter((name) => after.get(name) !== before.get(name));
  assert.deepEqual(changed.sort(), ['a', 'a/b', 'shared']);
  await rename(join(shared, 'e'), join(shared, 'g'));
  await until(() => named(library, 'g')?.cid === before.get('e') && named(library, 'e') === undefined);
  await rm(join(shared, 'a'), { recursive: true });
  const rest = await imported({ 'g/f.txt': 'e/f.txt' });
  await until(() => named(library, 'shared')?.cid === rest);
});

test('a large folder is sharded, and what is left out of sharing is not in it', async (t) => {
  const base = await folder(t);
  const tree: Record<string, string> = {};
  for (let at = 0; at < 1_200; at += 1) tree[`${'a long name '.repeat(15)}${at}.txt`] = `content ${at}`;
  for (const [path, content] of Object.entries(tree)) await file(join(base, 'shared', path), content);
  await file(join(base, 'shared/.hidden'), 'x');
  await file(join(base, 'shared/a.tmp'), 'x');
  const { library } = await opened(t, base);
  const whole = named(library, 'shared');
  assert.equal(whole?.cid, await imported(tree));
  const nodes = await library.manifest(whole?.cid ?? '');
  assert.ok(nodes.length > 100);
  assert.equal(verifyListing(whole?.cid ?? '', [...nodes], sha256).files.length, 1_200);
});

test('a folder in a shared folder may be shared too, and stays when the other goes', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/in/a.txt'), 'a');
  await file(join(base, 'shared/b.txt'), 'b');
  const { library, shared } = await opened(t, base);
  await library.addRoot(join(shared, 'in'));
  assert.equal(library.list().length, 2);
  assert.equal(named(library, 'shared')?.cid, await imported({ 'in/a.txt': 'a', 'b.txt': 'b' }));
  await library.removeRoot(shared);
  assert.deepEqual(
    library.list().map(({ name }) => name),
    ['a.txt'],
  );
  assert.deepEqual(
    library.folders().map(({ name, cid }) => [name, cid]),
    [['in', await imported({ 'a.txt': 'a' })]],
  );
  await library.addRoot(shared);
  assert.deepEqual(
    library
      .list()
      .map(({ name }) => name)
      .sort(),
    ['b.txt', 'in/a.txt'],
  );
  assert.equal(named(library, 'shared')?.cid, await imported({ 'in/a.txt': 'a', 'b.txt': 'b' }));
  assert.equal(library.holding(cidOfBytes(Buffer.from('a')))?.name, 'in/a.txt');
});

test('the folder of uploads is no folder to others', async (t) => {
  const base = await folder(t);
  await file(join(base, 'in/upload.txt'), 'a');
  const { library } = await opened(t, base, { writable: join(base, 'in') });
  assert.deepEqual(
    library.folders().map(({ name }) => name),
    ['shared'],
  );
  assert.deepEqual(
    library.roots().map(({ path }) => path),
    [join(base, 'shared')],
  );
});
