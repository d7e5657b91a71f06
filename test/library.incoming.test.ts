import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { pid } from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { INCOMING } from '../src/core/config.ts';
import { openIncoming } from '../src/library/incoming.ts';
import { sweepParts } from '../src/library/parts.ts';
import { child, fails, file, folder, MiB, sample, smallDisk } from './library.helpers.ts';
import { bitsOf, digestOf, give, layoutOf, writerFor } from './library.incoming.helpers.ts';

const BLOCK = 100;

test('blocks in any order, twice and wrong ones between, end as the file and nothing else', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t, { slots: 3 });
  const bytes = sample(950);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], { minLength: 10 }),
      fc.array(fc.nat(9), { maxLength: 5 }),
      fc.array(fc.nat(9), { maxLength: 5 }),
      async (order, again, wrong) => {
        const name = `f${(count += 1)}`;
        bytes[0] = count;
        const layout = layoutOf(bytes, BLOCK);
        const one = await openIncoming({ folder: base, name, layout, writer });
        const damaged = Uint8Array.from(bytes, (byte) => byte ^ 1);
        const refused = await Promise.all(wrong.map((index) => give(one, index, damaged, BLOCK)));
        assert.ok(refused.every((written) => !written));
        assert.deepEqual(bitsOf(one.have, 10), []);
        const taken = await Promise.all([...order, ...again].map((index) => give(one, index, bytes, BLOCK)));
        assert.ok(taken.every(Boolean));
        assert.equal(await one.finish(), join(base, name));
        assert.ok((await readFile(join(base, name))).equals(bytes));
        assert.equal((await readdir(base)).length, count);
      },
    ),
    { numRuns: 20 },
  );
});

test('what was suspended is there the next time, and each block is hashed before it counts', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const bytes = sample(40 * BLOCK + 7);
  const layout = layoutOf(bytes, BLOCK);
  const opened = () => openIncoming({ folder: base, name: 'a', layout, writer });
  const one = await opened();
  for (const index of [0, 3, 17, 39, 40]) assert.ok(await give(one, index, bytes, BLOCK));
  await one.suspend();
  await assert.rejects(one.finish(), fails('TRANSFER_FAILED'));
  await assert.rejects(give(one, 1, bytes, BLOCK), fails('TRANSFER_FAILED'));
  const part = join(base, `.kelana-${layout.root}.part`);
  const have = join(base, `.kelana-${layout.root}.have`);
  assert.deepEqual(
    (await readdir(base)).map((name) => join(base, name)).sort((a, b) => a.localeCompare(b)),
    [have, part],
  );
  const two = await opened();
  assert.deepEqual(bitsOf(two.have, 41), [0, 3, 17, 39, 40]);
  await two.suspend();
  // A person's edit, a bitmap that claims all, one that is gone, one of another file: never a wrong block, and all the
  // others are still there.
  const edited = await open(part, 'r+');
  await edited.write(Buffer.from([1, 2, 3]), 0, 3, 17 * BLOCK + 5);
  await edited.close();
  const bitmap = await readFile(have);
  for (const damage of [
    () => writeFile(have, Buffer.concat([bitmap.subarray(0, -6), Buffer.alloc(6, 0xff)])),
    () => rename(have, join(base, 'gone')),
    () => writeFile(have, sample(bitmap.length)),
    () => writeFile(have, ''),
  ]) {
    await damage();
    const again = await opened();
    assert.deepEqual(bitsOf(again.have, 41), [0, 3, 39, 40]);
    await again.suspend();
  }
  // Cut short, as by a power cut before the length was on the disk.
  const short = await open(part, 'r+');
  await short.truncate(3 * BLOCK + 50);
  await short.close();
  const last = await opened();
  assert.deepEqual(bitsOf(last.have, 41), [0]);
  assert.equal((await stat(`${part.slice(0, -5)}-${await markIn(base)}.part`)).size, bytes.length);
  for (let index = 1; index < 41; index += 1) assert.ok(await give(last, index, bytes, BLOCK));
  const path = await last.finish();
  assert.ok((await readFile(path)).equals(bytes));
  assert.deepEqual((await readdir(base)).sort(), ['a', 'gone']);
});

async function markIn(base: string): Promise<string> {
  for (const name of await readdir(base)) {
    const mark = /^\.kelana-[a-z2-7]+-(\d+-\d+)\.part$/.exec(name)?.[1];
    if (mark !== undefined) return mark;
  }
  throw new Error('nobody owns a part');
}

test('a hole is no block, and a block of zeros is one', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const bytes = Buffer.concat([sample(BLOCK), Buffer.alloc(2 * BLOCK), sample(BLOCK)]);
  const layout = layoutOf(bytes, BLOCK);
  const one = await openIncoming({ folder: base, name: 'a', layout, writer });
  assert.deepEqual(bitsOf(one.have, 4), []);
  assert.ok(await give(one, 1, bytes, BLOCK));
  await one.suspend();
  const two = await openIncoming({ folder: base, name: 'a', layout, writer, preallocate: true });
  // Block 2 has the bytes of a hole, but nobody ever said that they came.
  assert.deepEqual(bitsOf(two.have, 4), [1]);
  for (const index of [0, 2, 3]) assert.ok(await give(two, index, bytes, BLOCK));
  assert.ok((await readFile(await two.finish())).equals(bytes));
});

test('preallocation takes the room of the file, and leaves what is there', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const bytes = sample(3 * MiB);
  const layout = layoutOf(bytes);
  const one = await openIncoming({ folder: base, name: 'a', layout, writer });
  await give(one, 1, bytes);
  await one.suspend();
  const part = join(base, `.kelana-${layout.root}.part`);
  assert.ok((await stat(part)).blocks * 512 < 2 * MiB);
  const two = await openIncoming({ folder: base, name: 'a', layout, writer, preallocate: true });
  assert.deepEqual(bitsOf(two.have, 3), [1]);
  await two.suspend();
  assert.ok((await stat(part)).blocks * 512 >= 3 * MiB);
  const three = await openIncoming({ folder: base, name: 'a', layout, writer });
  assert.deepEqual(bitsOf(three.have, 3), [1]);
  await three.abort();
  assert.deepEqual(await readdir(base), []);
});

test('a different file keeps its name, the same file is not fetched, and leftovers of it go', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const bytes = sample(3 * BLOCK);
  const layout = layoutOf(bytes, MiB);
  await writeFile(join(base, 'a.bin'), 'of someone else');
  const one = await openIncoming({ folder: base, name: 'x/a.bin', layout, writer });
  await give(one, 0, bytes);
  const path = await one.finish();
  assert.equal(path, join(base, 'a (1).bin'));
  assert.equal(await one.finish(), path);
  // As a crash leaves it between link(2) and unlink(2): the same inode under both names.
  await link(path, join(base, `.kelana-${layout.root}-4194304-77.part`));
  await writeFile(join(base, `.kelana-${layout.root}.have`), 'x');
  const two = await openIncoming({ folder: base, name: 'a.bin', layout, writer });
  assert.equal(two.path, path);
  assert.equal(await two.finish(), path);
  assert.deepEqual(bitsOf(two.have, layout.count), [0]);
  await two.abort();
  assert.deepEqual((await readdir(base)).sort(), ['a (1).bin', 'a.bin']);
});

test('a part that has a second name is never written to', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const bytes = sample(3 * BLOCK);
  const layout = layoutOf(bytes, BLOCK);
  await writeFile(join(base, 'edited'), 'what a person made of it');
  await link(join(base, 'edited'), join(base, `.kelana-${layout.root}-4194304-77.part`));
  const one = await openIncoming({ folder: base, name: 'edited', layout, writer });
  for (const index of [0, 1, 2]) await give(one, index, bytes, BLOCK);
  assert.equal(await one.finish(), join(base, 'edited (1)'));
  assert.equal(await readFile(join(base, 'edited'), 'utf8'), 'what a person made of it');
  assert.equal((await lstat(join(base, 'edited'))).nlink, 1);
});

test('an empty file needs no block, and one that is falsely called empty gets none', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const empty = await openIncoming({ folder: base, name: 'e', layout: layoutOf(Buffer.alloc(0)), writer });
  assert.deepEqual(bitsOf(empty.have, 1), [0]);
  assert.equal((await stat(await empty.finish())).size, 0);
  const layout = { ...layoutOf(sample(5)), size: 0 };
  const liar = await openIncoming({ folder: base, name: 'f', layout, writer });
  assert.equal(await give(liar, 0, Buffer.alloc(0)), false);
  await assert.rejects(liar.finish(), fails('TRANSFER_FAILED'));
  await liar.suspend();
  assert.deepEqual(await readdir(base), ['e']);
});

test('bad names, unfit folders and blocks that there are not are refused', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t, { slots: 1 });
  const layout = layoutOf(sample(10));
  for (const name of ['../x', '/etc/x', 'a/..', '', 'a\\b', 'x\0', '.kelana-a.part', 'n'.repeat(256)])
    await assert.rejects(openIncoming({ folder: base, name, layout, writer }), fails('BAD_NAME'));
  await file(join(base, 'file'), 'x');
  await assert.rejects(
    openIncoming({ folder: join(base, 'file'), name: 'a', layout, writer }),
    fails('NOT_A_FOLDER'),
  );
  const huge = { ...layout, size: 2 ** 52 };
  await assert.rejects(
    openIncoming({ folder: base, name: 'a', layout: huge, writer }),
    fails('CANNOT_WRITE'),
  );
  const one = await openIncoming({ folder: base, name: 'a', layout, writer });
  for (const index of [-1, 1, 0.5, Number.NaN])
    await assert.rejects(give(one, index, sample(10)), RangeError);
  await one.suspend();
  assert.deepEqual(await readdir(base), ['file']);
});

test('one process at a time: a living one is named, a dead one is taken over', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const bytes = sample(2 * MiB);
  const layout = layoutOf(bytes);
  const one = await openIncoming({ folder: base, name: 'a', layout, writer });
  await assert.rejects(openIncoming({ folder: base, name: 'a', layout, writer }), fails('DOWNLOAD_BUSY'));
  await one.abort();
  const run = child(
    t,
    `import { openIncoming } from '../src/library/incoming.ts';
     import { Writer } from '../src/library/writer.ts';
     import { give, layoutOf } from './library.incoming.helpers.ts';
     import { sample } from './library.helpers.ts';
     const bytes = sample(${2 * MiB});
     const file = await openIncoming({ folder: '${base}', name: 'a', layout: layoutOf(bytes), writer: new Writer() });
     await give(file, 1, bytes);
     console.log('held');
     setInterval(() => undefined, 1000);`,
  );
  assert.ok(run.stdout);
  await once(run.stdout, 'data');
  await assert.rejects(openIncoming({ folder: base, name: 'a', layout, writer }), (thrown: unknown) => {
    fails('DOWNLOAD_BUSY')(thrown);
    return thrown instanceof Error && thrown.message.includes(String(run.pid));
  });
  assert.equal(await sweepParts(base, { now: Date.now() + 2 * INCOMING.keepMs }), 0);
  const gone = once(run, 'exit');
  run.kill('SIGKILL');
  await gone;
  const two = await openIncoming({ folder: base, name: 'a', layout, writer });
  assert.deepEqual(bitsOf(two.have, 2), [1]);
  await give(two, 0, bytes);
  await two.finish();
  assert.deepEqual(await readdir(base), ['a']);
});

test('a moved downloads folder is gone on with where it is now', async (t) => {
  const base = await folder(t);
  const writer = writerFor(t);
  const bytes = sample(3 * BLOCK);
  const layout = layoutOf(bytes, BLOCK);
  const one = await openIncoming({ folder: join(base, 'old'), name: 'a', layout, writer });
  await give(one, 2, bytes, BLOCK);
  await one.suspend();
  await mkdir(join(base, 'new'));
  await rename(join(base, 'old'), join(base, 'new/place'));
  const two = await openIncoming({ folder: join(base, 'new/place'), name: 'a', layout, writer });
  assert.deepEqual(bitsOf(two.have, 3), [2]);
  await two.abort();
  assert.deepEqual(await readdir(join(base, 'new/place')), []);
});

test('a sweep takes what is old and wanted by nobody, and leaves the rest', async (t) => {
  const base = await folder(t);
  const cid = (seed: number) => layoutOf(sample(10, seed)).root;
  const [young, old, queued, mine, orphan] = [cid(1), cid(2), cid(3), cid(4), cid(5)] as const;
  const long = new Date(Date.now() - 2 * INCOMING.keepMs);
  const names = [
    `.kelana-${young}.part`,
    `.kelana-${old}-4194304-77.part`,
    `.kelana-${old}.have`,
    `.kelana-${queued}.part`,
    `.kelana-${queued}.have`,
    `.kelana-${orphan}.have`,
    `.kelana-abcdefgh-${pid}-1-00ff.part`,
    '.kelana-x.part',
    `x.kelana-${old}.part`,
  ];
  for (const name of names) {
    await writeFile(join(base, name), 'x');
    await utimes(join(base, name), long, long);
  }
  await mkdir(join(base, `.kelana-${mine}.dir/below`), { recursive: true });
  // Names were given just now, so only the clock makes them old.
  assert.equal(await sweepParts(base, { queued: new Set([queued]) }), 2);
  const later = Date.now() + INCOMING.keepMs + 1_000;
  assert.equal(await sweepParts(base, { queued: new Set([queued]), now: later }), 4);
  assert.deepEqual(
    (await readdir(base)).sort(),
    [`.kelana-${queued}.have`, `.kelana-${queued}.part`, '.kelana-x.part', `x.kelana-${old}.part`].sort(),
  );
  assert.equal(await sweepParts(join(base, 'none')), 0);
});

test('a disk that fills up says so, and what is there is gone on with when there is room', async (t) => {
  const disk = await smallDisk(t);
  if (disk === null) return t.skip('a small disk cannot be mounted here (only root may)');
  const writer = writerFor(t);
  const bytes = sample(2 * MiB);
  const layout = layoutOf(bytes);
  const big = layoutOf(sample(4 * MiB));
  await assert.rejects(openIncoming({ folder: disk, name: 'b', layout: big, writer }), fails('CANNOT_WRITE'));
  assert.deepEqual(await readdir(disk), []);
  const one = await openIncoming({ folder: disk, name: 'a', layout, writer });
  assert.ok(await give(one, 0, bytes));
  await writeFile(join(disk, 'other'), sample(3 * MiB)).catch(() => undefined);
  await assert.rejects(give(one, 1, bytes), (thrown: unknown) => {
    fails('CANNOT_WRITE')(thrown);
    return thrown instanceof Error && thrown.message.includes('ENOSPC');
  });
  await assert.rejects(one.finish(), fails('TRANSFER_FAILED'));
  await one.suspend();
  await assert.rejects(openIncoming({ folder: disk, name: 'a', layout, writer }), fails('CANNOT_WRITE'));
  await writeFile(join(disk, 'other'), '');
  const two = await openIncoming({ folder: disk, name: 'a', layout, writer });
  assert.deepEqual(bitsOf(two.have, 2), [0]);
  assert.ok(await give(two, 1, bytes));
  assert.deepEqual(digestOf(await readFile(await two.finish())), digestOf(bytes));
  assert.deepEqual((await readdir(disk)).sort(), ['a', 'other']);
});
