import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { IncomingFolder } from '../src/core/transfer/ports.ts';
import { checkEntries } from '../src/library/folder-names.ts';
import { foldedTwins } from '../src/library/folder-tree.ts';
import { openIncomingFolder, type FolderEntry } from '../src/library/incoming-folder.ts';
import type { Writer } from '../src/library/writer.ts';
import { child, fails, folder, MiB, sample } from './library.helpers.ts';
import { bitsOf, entryOf, give, layoutOf, writerFor } from './library.incoming.helpers.ts';

/** A folder as a list of files; its CID need only be different for each. */
class Sent {
  readonly entries: readonly FolderEntry[];
  readonly bytes: readonly Uint8Array[];
  readonly cid: string;

  constructor(files: Readonly<Record<string, Uint8Array | string>>) {
    this.bytes = Object.values(files).map((content) => Buffer.from(content));
    this.entries = Object.keys(files).map((path, index) =>
      entryOf(path, this.bytes[index] ?? Buffer.alloc(0)),
    );
    this.cid = layoutOf(Buffer.from(JSON.stringify(this.entries.map(({ path, cid }) => [path, cid])))).root;
  }

  open(to: string, writer: Writer, name = 'foto'): Promise<IncomingFolder> {
    return openIncomingFolder({ folder: to, name, cid: this.cid, entries: this.entries, writer });
  }

  /** All of these in one slot. */
  async give(incoming: IncomingFolder, indices: readonly number[]): Promise<readonly number[]> {
    const slot = await incoming.slot();
    let offset = 0;
    const pieces = indices.map((index) => {
      const bytes = this.bytes[index] ?? Buffer.alloc(0);
      slot.bytes.set(bytes, offset);
      offset += bytes.length;
      return { index, offset: offset - bytes.length };
    });
    return incoming.write(pieces, slot);
  }
}

async function tree(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

const SMALL = { 'a.txt': 'satu', 'sub/b.txt': 'dua', 'sub/deep/c.txt': 'tiga', kosong: '' };

test('a folder appears whole under its name, and not before', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const sent = new Sent(SMALL);
  const one = await sent.open(base, writer);
  // Nobody has to send an empty file.
  assert.deepEqual(bitsOf(one.have, 4), [3]);
  assert.deepEqual(await sent.give(one, [0, 1]), []);
  await assert.rejects(one.finish(), fails('TRANSFER_FAILED'));
  assert.match((await readdir(base)).join(), /^\.kelana-[a-z2-7]+-\d+-\d+\.dir$/);
  assert.deepEqual(await sent.give(one, [2]), []);
  const path = await one.finish();
  assert.equal(path, join(base, 'foto'));
  assert.equal(await one.finish(), path);
  assert.deepEqual(await tree(path), Object.keys(SMALL).sort());
  assert.equal(await readFile(join(path, 'sub/deep/c.txt'), 'utf8'), 'tiga');
  assert.deepEqual(await readdir(base), ['foto']);
  await assert.rejects(sent.give(one, [0]), fails('TRANSFER_FAILED'));
});

test('wrong bytes are named and not written; the rest of their batch is', async (t) => {
  const writer = writerFor(t, { slots: 1 });
  const sent = new Sent(SMALL);
  const one = await sent.open(await folder(t), writer);
  const slot = await one.slot();
  slot.bytes.set(Buffer.from('satuduX'));
  const wrong = await one.write(
    [
      { index: 0, offset: 0 },
      { index: 1, offset: 4 },
    ],
    slot,
  );
  assert.deepEqual(wrong, [1]);
  assert.deepEqual(bitsOf(one.have, 4), [0, 3]);
  for (const piece of [
    { index: 9, offset: 0 },
    { index: 0, offset: MiB - 3 },
    { index: 0, offset: -1 },
    { index: 0, offset: 0.5 },
  ])
    await assert.rejects(one.write([piece], await one.slot()), RangeError);
  await one.abort();
});

test('it is never put into or over what is there, and the very same is not fetched', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const sent = new Sent(SMALL);
  await mkdir(join(base, 'foto'));
  await writeFile(join(base, 'foto (1)'), 'a file');
  const one = await sent.open(base, writer);
  await sent.give(one, [0, 1, 2]);
  const path = await one.finish();
  assert.equal(path, join(base, 'foto (2)'));
  const again = await sent.open(base, writer);
  assert.equal(again.path, path);
  assert.deepEqual(bitsOf(again.have, 4), [0, 1, 2, 3]);
  assert.equal(await again.finish(), path);
  // One byte of one file, one file more, one link: no longer the same.
  const changes = [
    () => writeFile(join(path, 'sub/b.txt'), 'dux'),
    () => writeFile(join(path, 'more'), ''),
    () => symlink('/etc/hostname', join(path, 'sub/link')),
  ];
  for (const change of changes) {
    await change();
    const other = await sent.open(base, writer);
    assert.equal(other.path, null);
    await other.abort();
  }
  assert.deepEqual((await readdir(base)).sort(), ['foto', 'foto (1)', 'foto (2)']);
  assert.deepEqual(await readdir(join(base, 'foto')), []);
});

test('a part of a folder is completed in its place, from whichever part came, and never over another file', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const big = sample(2 * MiB + 1, 9);
  const sent = new Sent({ ...SMALL, 'sub/besar.bin': big });
  const whole = { entries: sent.entries, folders: ['sub', 'sub/deep', 'hampa'] };
  const open = (places: readonly number[]): Promise<IncomingFolder> =>
    openIncomingFolder({
      folder: base,
      name: 'foto',
      cid: sent.cid,
      entries: places.flatMap((place) => sent.entries[place] ?? []),
      folders: places.length === 5 ? whole.folders : [],
      whole,
      places,
      writer,
    });
  const only = async (place: number): Promise<string> => {
    const one = await open([place]);
    const slot = await one.slot();
    slot.bytes.set(sent.bytes[place] ?? Buffer.alloc(0));
    await one.write([{ index: 0, offset: 0 }], slot);
    return await one.finish();
  };
  assert.equal(await only(0), join(base, 'foto'));
  assert.equal(await only(2), join(base, 'foto'));
  assert.deepEqual(await tree(base), ['foto/a.txt', 'foto/sub/deep/c.txt']);
  const rest = await open([0, 1, 2, 3, 4]);
  assert.deepEqual(bitsOf(rest.have, 5), [0, 2, 3]);
  await sent.give(rest, [1]);
  const layout = layoutOf(big);
  const file = await rest.file(4, layout);
  await give(file, 0, big);
  // Stopped in the middle and taken up: what the part has is kept, and what lies in its place stays there.
  await rest.suspend();
  const again = await open([0, 1, 2, 3, 4]);
  const resumed = await again.file(4, layout);
  assert.deepEqual([bitsOf(again.have, 5), bitsOf(resumed.have, 3)], [[0, 1, 2, 3], [0]]);
  for (const block of [1, 2]) await give(resumed, block, big);
  await resumed.finish();
  assert.equal(await again.finish(), join(base, 'foto'));
  assert.deepEqual(await tree(base), sent.entries.map(({ path }) => `foto/${path}`).toSorted());
  assert.ok(existsSync(join(base, 'foto', 'hampa')));
  assert.equal((await open([1])).path, join(base, 'foto'));
  // With another file of the same name it is another folder.
  await writeFile(join(base, 'foto', 'a.txt'), 'lain');
  assert.equal(await only(0), join(base, 'foto (1)'));
  assert.equal(await readFile(join(base, 'foto', 'a.txt'), 'utf8'), 'lain');
});

test('empty folders are twins as well, of each other and of those with files', () => {
  const twins = (paths: readonly string[], more: readonly string[]): readonly string[] =>
    checkEntries(
      paths.map((path) => entryOf(path, Buffer.from(path))),
      more,
    ).twins.map(({ one, other }) => `${one} ${other}`);
  assert.deepEqual(twins(['a.txt'], ['foto', 'Foto']), ['Foto foto']);
  assert.deepEqual(twins(['foto/a.txt'], ['FOTO']), ['FOTO foto']);
  assert.deepEqual(twins(['foto/a.txt'], ['foto', 'foto/lain']), []);
});

test('what came into its place meanwhile is not kept beside it as well', async (t) => {
  const [base, writer] = [await folder(t), writerFor(t)];
  const sent = new Sent(SMALL);
  const options = { folder: base, name: 'foto', cid: sent.cid, entries: sent.entries, writer };
  const open = (): Promise<IncomingFolder> =>
    openIncomingFolder({ ...options, whole: { entries: sent.entries, folders: [] } });
  const one = await open();
  await sent.give(one, [0, 1]);
  await one.suspend();
  await mkdir(join(base, 'foto'));
  await writeFile(join(base, 'foto', 'a.txt'), SMALL['a.txt']);
  const two = await open();
  assert.deepEqual(bitsOf(two.have, 4), [0, 1, 3]);
  const copies = (await tree(base)).filter((path) => path.endsWith('/a.txt'));
  assert.deepEqual(copies, ['foto/a.txt']);
  await sent.give(two, [2]);
  assert.equal(await two.finish(), join(base, 'foto'));
  assert.deepEqual(await tree(base), sent.entries.map(({ path }) => `foto/${path}`).toSorted());
});

test('several who fetch different files of one folder do not lose what the others have of it', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const big = sample(2 * MiB + 1, 9);
  const sent = new Sent({ ...SMALL, 'sub/besar.bin': big });
  const whole = { entries: sent.entries, folders: [] };
  const open = (...places: number[]): Promise<IncomingFolder> => {
    const entries = places.flatMap((place) => sent.entries[place] ?? []);
    return openIncomingFolder({ folder: base, name: 'foto', cid: sent.cid, entries, whole, places, writer });
  };
  const put = async (into: IncomingFolder, index: number, place: number): Promise<void> => {
    const slot = await into.slot();
    slot.bytes.set(sent.bytes[place] ?? Buffer.alloc(0));
    await into.write([{ index, offset: 0 }], slot);
  };
  const one = await open(1, 2, 4);
  await put(one, 0, 1);
  await give(await one.file(2, layoutOf(big)), 0, big);
  await one.suspend();
  const other = await open(0);
  assert.deepEqual(bitsOf(other.have, 1), []);
  await other.abort();
  const again = await open(0);
  await put(again, 0, 0);
  assert.equal(await again.finish(), join(base, 'foto'));
  assert.deepEqual(await tree(join(base, 'foto')), ['a.txt']);
  const back = await open(1, 2, 4);
  const file = await back.file(2, layoutOf(big));
  assert.deepEqual([bitsOf(back.have, 3), bitsOf(file.have, 3)], [[0], [0]], 'all of it is still there');
  await put(back, 1, 2);
  for (const block of [1, 2]) await give(file, block, big);
  await file.finish();
  assert.equal(await back.finish(), join(base, 'foto'));
  assert.deepEqual(await tree(base), [
    'foto/a.txt',
    'foto/sub/b.txt',
    'foto/sub/besar.bin',
    'foto/sub/deep/c.txt',
  ]);
});

test('a folder is gone on with: what is there is hashed, what does not belong is removed', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const big = sample(2 * MiB + 5);
  const sent = new Sent({ ...SMALL, 'sub/besar.bin': big, 'sub/lain.bin': sample(2 * MiB, 9) });
  const one = await sent.open(base, writer);
  await sent.give(one, [0, 1]);
  const layouts = sent.bytes.map((bytes) => layoutOf(bytes));
  const [, , , , large, other] = layouts;
  assert.ok(large !== undefined && other !== undefined);
  const file = await one.file(4, large);
  await assert.rejects(one.file(4, large), fails('DOWNLOAD_BUSY'));
  await assert.rejects(one.file(5, large), RangeError);
  assert.ok(await give(file, 1, big));
  const second = await one.file(5, other);
  for (const index of [0, 1]) assert.ok(await give(second, index, sent.bytes[5] ?? big));
  await second.finish();
  assert.deepEqual(bitsOf(one.have, 6), [0, 1, 3, 5]);
  await one.suspend();
  await assert.rejects(give(file, 0, big), fails('TRANSFER_FAILED'));
  const [hidden = ''] = await readdir(base);
  assert.match(hidden, /^\.kelana-[a-z2-7]+\.dir$/);
  await writeFile(join(base, hidden, 'sub/b.txt'), 'dux');
  await writeFile(join(base, hidden, 'stray'), 'x');
  await mkdir(join(base, hidden, 'sub/none'));
  await symlink(base, join(base, hidden, 'sub/link'));

  const two = await sent.open(base, writer);
  // Large files are looked at when they are opened.
  assert.deepEqual(bitsOf(two.have, 6), [0, 3]);
  const resumed = await two.file(4, large);
  assert.deepEqual(bitsOf(resumed.have, 3), [1]);
  const whole = await two.file(5, other);
  assert.deepEqual(bitsOf(whole.have, 2), [0, 1]);
  assert.notEqual(whole.path, null);
  for (const index of [0, 2]) assert.ok(await give(resumed, index, big));
  await resumed.finish();
  assert.deepEqual(await sent.give(two, [1, 2]), []);
  const path = await two.finish();
  assert.deepEqual(await tree(path), [...Object.keys(SMALL), 'sub/besar.bin', 'sub/lain.bin'].sort());
  assert.ok((await readFile(join(path, 'sub/besar.bin'))).equals(big));
  assert.deepEqual(await readdir(base), ['foto']);
});

test('a large file that was changed in its place is fetched again where it is wrong', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const big = sample(3 * MiB);
  const sent = new Sent({ 'besar.bin': big, kecil: 'x' });
  const layout = layoutOf(big);
  const one = await sent.open(base, writer);
  const file = await one.file(0, layout);
  for (const index of [0, 1, 2]) await give(file, index, big);
  await file.finish();
  await one.suspend();
  const [hidden = ''] = await readdir(base);
  const edited = Buffer.from(big);
  edited[MiB + 7] = (edited[MiB + 7] ?? 0) ^ 1;
  await writeFile(join(base, hidden, 'besar.bin'), edited);
  const two = await sent.open(base, writer);
  const again = await two.file(0, layout);
  assert.deepEqual(bitsOf(again.have, 3), [0, 2]);
  await give(again, 1, big);
  await again.finish();
  await sent.give(two, [1]);
  assert.ok((await readFile(join(await two.finish(), 'besar.bin'))).equals(big));
});

test('names that cannot be stored as they are refuse the whole folder before anything is written', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const long = 'n'.repeat(256);
  for (const path of [
    '../x',
    '/x',
    'a/../b',
    'a//b',
    '.',
    'a\\b',
    'x\0',
    '.kelana-x',
    'a/.kelana-x/b',
    long,
    'a\nb',
  ])
    await assert.rejects(new Sent({ ok: 'x', [path]: 'y' }).open(base, writer), fails('BAD_NAME'), path);
  await assert.rejects(new Sent({ a: 'x', 'a/b': 'y' }).open(base, writer), fails('BAD_NAME'));
  const [entry] = new Sent({ a: 'x' }).entries;
  assert.ok(entry !== undefined);
  for (const entries of [
    [entry, entry],
    [{ ...entry, size: -1 }],
    [{ ...entry, size: MiB + 1 }],
    [{ ...entry, size: Number.NaN }],
  ])
    await assert.rejects(
      openIncomingFolder({ folder: base, name: 'f', cid: entry.cid, entries, writer }),
      fails('BAD_NAME'),
    );
  for (const name of ['..', '.kelana-x', 'a/..'])
    await assert.rejects(new Sent({ a: 'x' }).open(base, writer, name), fails('BAD_NAME'));
  assert.deepEqual(await readdir(base), []);
});

test('names that differ in case are kept where the disk tells them apart, and refused where it does not', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const sent = new Sent({ 'A/x': '1', 'a/x': '2', 'e\u0301': '3', '\u00e9': '4' });
  const folds = (await foldedTwins(base, [{ one: 'x', other: 'X' }])) !== null;
  if (folds) return assert.rejects(sent.open(base, writer), fails('BAD_NAME'));
  const one = await sent.open(base, writer);
  await sent.give(one, [0, 1, 2, 3]);
  assert.deepEqual(await tree(await one.finish()), sent.entries.map(({ path }) => path).sort());
  // What a disk that folds does: the second name is there as soon as the first is.
  assert.deepEqual(await foldedTwins(base, [{ one: 'same', other: 'same' }]), { one: 'same', other: 'same' });
  assert.deepEqual(await readdir(base), ['foto']);
});

test('killed with a folder half written, the next process goes on with it', async (t) => {
  const base = await folder(t);
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [`d${index % 7}/f${index}`, `i ${index}`]),
  );
  const run = child(
    t,
    `import { openIncomingFolder } from '../src/library/incoming-folder.ts';
     import { Writer } from '../src/library/writer.ts';
     const entries = ${JSON.stringify(new Sent(files).entries.map((entry) => ({ ...entry, digest: null })))};
     for (const entry of entries) entry.digest = Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from('i ' + entry.path.split('f')[1])));
     const one = await openIncomingFolder({ folder: '${base}', name: 'foto', cid: '${new Sent(files).cid}', entries, writer: new Writer() });
     for (let index = 0; index < 120; index += 1) {
       const slot = await one.slot();
       slot.bytes.set(Buffer.from('i ' + index));
       await one.write([{ index, offset: 0 }], slot);
     }
     console.log('held');
     setInterval(() => undefined, 1000);`,
  );
  assert.ok(run.stdout);
  await once(run.stdout, 'data');
  const sent = new Sent(files);
  const writer = writerFor(t);
  await assert.rejects(sent.open(base, writer), fails('DOWNLOAD_BUSY'));
  const gone = once(run, 'exit');
  run.kill('SIGKILL');
  await gone;
  const two = await sent.open(base, writer);
  assert.equal(bitsOf(two.have, 300).length, 120);
  await sent.give(
    two,
    Array.from({ length: 180 }, (_, index) => index + 120),
  );
  assert.deepEqual(await tree(await two.finish()), Object.keys(files).sort());
  assert.deepEqual(await readdir(base), ['foto']);
});

const NAMES = join(import.meta.dirname, '../../shared/testdata/names.jsonl');

test('no hostile name leaves the folder', async (t) => {
  if (!existsSync(NAMES)) return t.skip(`the list of hostile names is not here (${NAMES})`);
  const base = await folder(t);
  const to = join(base, 'deep/downloaded');
  const writer = writerFor(t);
  const names = (await readFile(NAMES, 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((line) => Buffer.from((JSON.parse(line) as { name_hex: string }).name_hex, 'hex').toString('utf8'));
  const good: Record<string, string> = {};
  for (const name of new Set(names)) {
    const some = { [`in/${name}/x`]: name, ...(name.includes('/') ? {} : { [name]: name }) };
    try {
      // Alone first: one that is refused would refuse all.
      checkEntries(new Sent(some).entries);
      Object.assign(good, some);
    } catch (thrown) {
      fails('BAD_NAME')(thrown);
    }
  }
  assert.ok(Object.keys(good).length > 200);
  const sent = new Sent(good);
  const all = await sent.open(to, writer);
  for (let at = 0; at < sent.entries.length; at += 100)
    await sent.give(
      all,
      Array.from({ length: Math.min(100, sent.entries.length - at) }, (_, index) => at + index),
    );
  const path = await all.finish();
  assert.deepEqual(await tree(path), Object.keys(good).sort());
  assert.deepEqual(await readdir(base), ['deep']);
  assert.deepEqual(await readdir(join(base, 'deep')), ['downloaded']);
  assert.deepEqual(await readdir(to), ['foto']);
});
