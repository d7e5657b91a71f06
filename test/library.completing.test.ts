import assert from 'node:assert/strict';
import {
  lstat,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { IncomingFolder } from '../src/core/transfer/ports.ts';
import { complete } from '../src/library/folder-complete.ts';
import { openIncomingFolder } from '../src/library/incoming-folder.ts';
import type { Writer } from '../src/library/writer.ts';
import { fails, folder, MiB, sample } from './library.helpers.ts';
import { bitsOf, entryOf, give, layoutOf, writerFor } from './library.incoming.helpers.ts';

const BIG = sample(2 * MiB + 1, 9);
/** `a.txt` and `besar.bin` come first; the others complete them. */
const FILES = [
  ['a.txt', Buffer.from('satu')],
  ['besar.bin', BIG],
  ['sub/b.txt', Buffer.from('dua')],
  ['sub/deep/c.txt', Buffer.from('tiga')],
] as const;
const ALL = [0, 1, 2, 3] as const;
const ENTRIES = FILES.map(([path, bytes]) => entryOf(path, bytes));
const CID = layoutOf(Buffer.from('a folder')).root;
const TREE = FILES.map(([path]) => path);

/** A downloads folder in which a part of a folder is to be completed. */
class Half {
  readonly base: string;
  readonly writer: Writer;
  /** Where the part lies. */
  readonly there: string;
  readonly out: string;

  constructor(base: string, writer: Writer) {
    this.base = join(base, 'down');
    this.writer = writer;
    this.there = join(this.base, 'foto');
    this.out = join(base, 'out');
  }

  open(places: readonly number[] = ALL): Promise<IncomingFolder> {
    const entries = places.flatMap((place) => ENTRIES[place] ?? []);
    const whole = { entries: ENTRIES, folders: [] };
    const { base, writer } = this;
    return openIncomingFolder({ folder: base, name: 'foto', cid: CID, entries, whole, places, writer });
  }

  async put(into: IncomingFolder, places: readonly number[]): Promise<void> {
    for (const place of places) {
      const [, bytes] = FILES[place] ?? assert.fail();
      if (bytes === BIG) {
        const file = await into.file(place, layoutOf(BIG));
        for (const block of [0, 1, 2]) await give(file, block, BIG);
        await file.finish();
        continue;
      }
      const slot = await into.slot();
      slot.bytes.set(bytes);
      assert.deepEqual(await into.write([{ index: place, offset: 0 }], slot), []);
    }
  }

  /** The rest has come, and is not in its place yet. */
  async ready(): Promise<IncomingFolder> {
    const rest = await this.open();
    assert.deepEqual(bitsOf(rest.have, 4), [0, 1]);
    await this.put(rest, [2, 3]);
    return rest;
  }

  async isWhole(path: string): Promise<void> {
    assert.deepEqual(await names(path), TREE);
    for (const [at, bytes] of FILES) assert.deepEqual(await readFile(join(path, at)), Buffer.from(bytes), at);
  }
}

async function names(root: string): Promise<string[]> {
  const found = await readdir(root, { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

async function halfFor(t: TestContext): Promise<Half> {
  const half = new Half(await folder(t), writerFor(t));
  const first = await half.open([0, 1]);
  await half.put(first, [0, 1]);
  assert.equal(await first.finish(), half.there);
  await mkdir(half.out);
  return half;
}

test('where anything is in the way, the whole gets a name of its own, and nothing is written through a link', async (t) => {
  const ways: Record<string, (half: Half) => Promise<void>> = {
    'a link for a folder': ({ there, out }) => symlink(out, join(there, 'sub')),
    'a link for the folder itself': async ({ there, out }) => {
      await rename(there, join(out, 'foto'));
      await symlink(join(out, 'foto'), there);
    },
    'a file more': ({ there }) => writeFile(join(there, 'lagi.txt'), 'lagi'),
    'another file in the place of one': async ({ there }) => {
      await mkdir(join(there, 'sub'));
      await writeFile(join(there, 'sub/b.txt'), 'lain');
    },
    'a file in the place of a folder': ({ there }) => writeFile(join(there, 'sub'), 'lain'),
  };
  for (const [what, change] of Object.entries(ways)) {
    const half = await halfFor(t);
    const rest = await half.ready();
    await change(half);
    const [before, outside] = [await names(half.there), await names(half.out)];
    const path = await rest.finish();
    assert.equal(path, join(half.base, 'foto (1)'), what);
    await half.isWhole(path);
    assert.deepEqual([await names(half.there), await names(half.out)], [before, outside], what);
    assert.deepEqual((await readdir(half.base)).sort(), ['foto', 'foto (1)'], what);
    // A copy: what somebody does to the one is not done to the other.
    const [one, other] = [await stat(join(half.there, 'a.txt')), await stat(join(path, 'a.txt'))];
    assert.notEqual(one.ino, other.ino);
  }
});

test('what was changed or moved meanwhile is fetched again, that alone, before the folder is called whole', async (t) => {
  const edited = sample(2 * MiB + 1, 8);
  const ways: Record<string, [(there: string, half: Half) => Promise<void>, number[], string]> = {
    'a small one': [(there) => writeFile(join(there, 'a.txt'), 'dust'), [0], 'foto (1)'],
    'a large one, with its old time': [
      async (there) => {
        const path = join(there, 'besar.bin');
        const { atime, mtime } = await stat(path);
        await writeFile(path, edited);
        await utimes(path, atime, mtime);
      },
      [1],
      'foto (1)',
    ],
    'one that is gone': [(there) => rm(join(there, 'a.txt')), [0], 'foto'],
    'the folder is elsewhere': [(there, { out }) => rename(there, join(out, 'weg')), [0, 1], 'foto'],
  };
  for (const [what, [change, lost, name]] of Object.entries(ways)) {
    const half = await halfFor(t);
    const rest = await half.ready();
    await change(half.there, half);
    await assert.rejects(rest.finish(), (thrown) => {
      fails('TRANSFER_FAILED')(thrown);
      return (thrown as { params?: { refusal?: string } }).params?.refusal === 'gone';
    });
    const again = await half.open();
    const large = lost.includes(1) ? null : await again.file(1, layoutOf(BIG));
    assert.equal(large === null, lost.includes(1));
    assert.deepEqual(
      bitsOf(again.have, 4),
      ALL.filter((place) => !lost.includes(place)),
      what,
    );
    await half.put(again, lost);
    const path = await again.finish();
    assert.equal(path, join(half.base, name), what);
    await half.isWhole(path);
  }
});

test('a file that came into its place meanwhile, and is the right one, is in nobody’s way', async (t) => {
  const half = await halfFor(t);
  const rest = await half.ready();
  await mkdir(join(half.there, 'sub'));
  await writeFile(join(half.there, 'sub/b.txt'), 'dua');
  assert.equal(await rest.finish(), half.there);
  await half.isWhole(half.there);
  assert.deepEqual(await readdir(half.base), ['foto']);
});

test('what comes in between the look and the link is not replaced, and nothing is lost for it', async (t) => {
  const base = await folder(t);
  const [root, there] = [join(base, 'root'), join(base, 'there')];
  const [entry] = [entryOf('sub/b.txt', Buffer.from('dua'))];
  const tree = { files: new Set(['sub/b.txt']), folders: new Set(['sub']) };
  for (const path of [root, there]) await mkdir(join(path, 'sub'), { recursive: true });
  await writeFile(join(root, 'sub/b.txt'), 'dua');
  await writeFile(join(there, 'sub/b.txt'), 'lain');
  assert.equal(await complete(there, root, [entry], tree, true), false);
  assert.equal(await readFile(join(there, 'sub/b.txt'), 'utf8'), 'lain');
  assert.equal(await readFile(join(root, 'sub/b.txt'), 'utf8'), 'dua');
  await rm(join(there, 'sub'), { recursive: true });
  await mkdir(join(base, 'out'));
  await symlink(join(base, 'out'), join(there, 'sub'));
  const none = new Set<string>();
  for (const some of [tree, { ...tree, folders: none }, { ...tree, files: none }])
    assert.equal(await complete(there, root, [entry], some, true), false);
  assert.deepEqual(await readdir(join(base, 'out')), []);
  await rm(there, { recursive: true });
  assert.equal(await complete(there, root, [entry], tree, true), false);
  assert.ok((await lstat(join(root, 'sub/b.txt'))).isFile());
});

test('a part with a large file of other bytes is another folder', async (t) => {
  const half = await halfFor(t);
  await writeFile(join(half.there, 'besar.bin'), sample(2 * MiB + 1, 8));
  const all = await half.open();
  assert.deepEqual(bitsOf(all.have, 4), []);
  await half.put(all, ALL);
  assert.equal(await all.finish(), join(half.base, 'foto (1)'));
});

test('a hidden folder that holds what was never fetched is given no name', async (t) => {
  const half = await halfFor(t);
  const rest = await half.ready();
  const hidden = (await readdir(half.base)).find((name) => name.endsWith('.dir')) ?? assert.fail();
  await writeFile(join(half.base, hidden, 'sub/asing.txt'), 'asing');
  await assert.rejects(rest.finish(), fails('BAD_NAME'));
  assert.deepEqual(await names(half.there), ['a.txt', 'besar.bin']);
});
