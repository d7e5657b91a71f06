import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pid } from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { openDataFolder } from '../src/library/datafolder.ts';
import { openDownload } from '../src/library/download.ts';
import { sweepParts } from '../src/library/parts.ts';
import { child, cidOfBytes, fails, file, folder, MiB, sample, smallDisk } from './library.helpers.ts';

async function download(to: string, name: string, bytes: Buffer): Promise<string> {
  const one = await openDownload({ folder: to, name, size: bytes.length, cid: cidOfBytes(bytes) });
  for (let index = 0; index * MiB < bytes.length; index += 1)
    await one.write(index, bytes.subarray(index * MiB, (index + 1) * MiB));
  return one.finish();
}

test('blocks may come in any order, twice and at once', async (t) => {
  const base = await folder(t);
  const bytes = sample(1000);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.shuffledSubarray(
        Array.from({ length: 10 }, (_, index) => index),
        { minLength: 10 },
      ),
      fc.array(fc.nat(9), { maxLength: 5 }),
      async (order, again) => {
        const name = `f${(count += 1)}`;
        bytes[0] = count;
        const one = await openDownload({
          folder: base,
          name,
          size: 1000,
          cid: cidOfBytes(bytes),
          blockBytes: 100,
        });
        await Promise.all(
          [...order, ...again].map((index) =>
            one.write(index, bytes.subarray(index * 100, index * 100 + 100)),
          ),
        );
        assert.equal(await one.finish(), join(base, name));
        assert.ok((await readFile(join(base, name))).equals(bytes));
      },
    ),
    { numRuns: 20 },
  );
});

test('nothing has the name before the end, and nothing is left after an abort', async (t) => {
  const to = join(await folder(t), 'new/downloaded');
  const bytes = sample(2 * MiB + 5);
  const one = await openDownload({
    folder: to,
    name: 'a/b/large.bin',
    size: bytes.length,
    cid: cidOfBytes(bytes),
  });
  assert.equal(one.path, undefined);
  await one.write(0, bytes.subarray(0, MiB));
  assert.match((await readdir(to)).join(), /^\.kelana-[a-z2-7]{8}-\d+-\d+-[0-9a-f]{16}\.part$/);
  await assert.rejects(one.finish(), fails('TRANSFER_FAILED'));
  await assert.rejects(one.write(1, bytes.subarray(0, 10)), RangeError);
  await assert.rejects(one.write(7, bytes.subarray(0, 10)), RangeError);
  await assert.rejects(one.write(-1, bytes.subarray(0, 10)), RangeError);
  await one.abort();
  await one.abort();
  await assert.rejects(one.write(1, bytes.subarray(MiB, 2 * MiB)), fails('TRANSFER_FAILED'));
  await assert.rejects(one.finish(), fails('TRANSFER_FAILED'));
  assert.deepEqual(await readdir(to), []);
});

test('a different file keeps its name, the same file is reused without writing', async (t) => {
  const to = await folder(t);
  const [first, second] = [sample(MiB + 1), sample(MiB + 1, 5)];
  assert.equal(await download(to, 'a.bin', first), join(to, 'a.bin'));
  assert.equal(await download(to, 'a.bin', second), join(to, 'a (1).bin'));
  for (const [bytes, name] of [
    [first, 'a.bin'],
    [second, 'a (1).bin'],
  ] as const) {
    const again = await openDownload({
      folder: to,
      name: 'a.bin',
      size: bytes.length,
      cid: cidOfBytes(bytes),
    });
    assert.equal(again.path, join(to, name));
    assert.equal(await again.finish(), join(to, name));
  }
  await mkdir(join(to, 'b'));
  await symlink('/etc/hostname', join(to, 'b (1)'));
  assert.equal(await download(to, 'b', first), join(to, 'b (2)'));
  assert.ok((await readFile(join(to, 'a.bin'))).equals(first));
  assert.deepEqual((await readdir(to)).sort(), ['a (1).bin', 'a.bin', 'b', 'b (1)', 'b (2)']);
});

test('two downloads of one file at once end as one file, of two different ones as two', async (t) => {
  const to = await folder(t);
  const same = await Promise.all([download(to, 'a', sample(500)), download(to, 'a', sample(500))]);
  assert.deepEqual(same, [join(to, 'a'), join(to, 'a')]);
  const other = await Promise.all([download(to, 'b', sample(500)), download(to, 'b', sample(500, 2))]);
  assert.deepEqual(other.sort(), [join(to, 'b'), join(to, 'b (1)')]);
  assert.equal((await readdir(to)).length, 3);
});

test('an empty file is a file', async (t) => {
  const to = await folder(t);
  const path = await download(to, 'empty', Buffer.alloc(0));
  assert.equal((await stat(path)).size, 0);
});

test('hostile names and unfit folders are refused with their reason', async (t) => {
  const base = await folder(t);
  const bytes = sample(10);
  for (const name of ['../x', '/etc/x', 'a/..', '', 'a\\b', 'x\0', '.kelana-a.part', 'n'.repeat(256)])
    await assert.rejects(download(base, name, bytes), fails('BAD_NAME'));
  await file(join(base, 'file'), 'x');
  await symlink(join(base, 'nowhere'), join(base, 'dangling'));
  await assert.rejects(download(join(base, 'file'), 'a', bytes), fails('NOT_A_FOLDER'));
  await assert.rejects(download(join(base, 'file/below'), 'a', bytes), fails('NOT_A_FOLDER'));
  await assert.rejects(download(join(base, 'dangling'), 'a', bytes), fails('NOT_A_FOLDER'));
  await mkdir(join(base, 'real'));
  await symlink(join(base, 'real'), join(base, 'linked'));
  assert.equal(await download(join(base, 'linked'), 'a', bytes), join(base, 'real/a'));
  const name = `${'é'.repeat(120)}.txt`;
  await download(base, name, bytes);
  const second = await download(base, name, sample(10, 2));
  assert.ok(Buffer.byteLength(second.slice(base.length + 1)) <= 255);
});

test('a disk too small is said before the first byte, one that fills up with the block', async (t) => {
  const base = await folder(t);
  const enormous = openDownload({ folder: base, name: 'a', size: 2 ** 52, cid: cidOfBytes(sample(1)) });
  await assert.rejects(enormous, fails('CANNOT_WRITE'));
  const disk = await smallDisk(t);
  if (disk === null) return t.skip('a small disk cannot be mounted here');
  const bytes = sample(2 * MiB);
  const one = await openDownload({ folder: disk, name: 'a', size: bytes.length, cid: cidOfBytes(bytes) });
  await one.write(0, bytes.subarray(0, MiB));
  await writeFile(join(disk, 'other'), sample(3 * MiB)).catch(() => undefined);
  await assert.rejects(one.write(1, bytes.subarray(MiB)), fails('CANNOT_WRITE'));
  await assert.rejects(one.finish(), fails('TRANSFER_FAILED'));
  await one.abort();
  assert.deepEqual(await readdir(disk), ['other']);
});

test('temporary files of dead processes are swept, those of living ones and of people are not', async (t) => {
  const base = await folder(t);
  const bytes = sample(10);
  const one = await openDownload({ folder: base, name: 'a', size: 10, cid: cidOfBytes(bytes) });
  // The pid of this process with another start time: the number was given out again.
  for (const name of [
    `.kelana-abcdefgh-${pid}-1-00ff.part`,
    '.kelana-put-4194304-77-00ff.part',
    '.kelana-x.part',
    'a.part',
  ])
    await file(join(base, name), 'x');
  assert.equal(await sweepParts(base), 2);
  await one.write(0, bytes);
  await one.finish();
  assert.deepEqual((await readdir(base)).sort(), ['.kelana-x.part', 'a', 'a.part']);
  assert.equal(await sweepParts(join(base, 'none')), 0);
});

test('a data folder belongs to one process at a time, and is free again however that one ends', async (t) => {
  const base = await folder(t);
  const path = join(base, 'deep/data');
  const run = child(
    t,
    `import { openDataFolder } from '../src/library/datafolder.ts';
     await openDataFolder('${path}');
     console.log('held');
     setInterval(() => undefined, 1000);`,
  );
  assert.ok(run.stdout);
  await once(run.stdout, 'data');
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  await assert.rejects(openDataFolder(path), (thrown: unknown) => {
    fails('DATA_IN_USE')(thrown);
    return thrown instanceof Error && thrown.message.includes(String(run.pid));
  });
  const gone = once(run, 'exit');
  run.kill('SIGKILL');
  await gone;
  // Ten at once after a crash: one gets it.
  const results = await Promise.allSettled(Array.from({ length: 10 }, () => openDataFolder(path)));
  const held = results.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  assert.equal(held.length, 1);
  await assert.rejects(openDataFolder(path), fails('DATA_IN_USE'));
  await held[0]?.release();
  await held[0]?.release();
  const again = await openDataFolder(path);
  assert.equal(again.path, path);
  await again.release();
});

test('a data folder that cannot be one is refused', async (t) => {
  const base = await folder(t);
  await file(join(base, 'file'), 'x');
  await assert.rejects(openDataFolder(join(base, 'file')), fails('NOT_A_FOLDER'));
  await assert.rejects(openDataFolder(join(base, 'file/below')), fails('NOT_A_FOLDER'));
  await assert.rejects(openDataFolder('/proc/none'), fails('CANNOT_WRITE'));
  await file(join(base, 'bad/lock.db'), 'not a database'.repeat(1000));
  await assert.rejects(openDataFolder(join(base, 'bad')), fails('CANNOT_WRITE'));
});
