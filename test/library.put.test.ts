import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Bytes } from '../src/core/ports.ts';
import { publishByName } from '../src/library/files.ts';
import {
  child,
  cidOfBytes,
  fails,
  file,
  folder,
  joined,
  MiB,
  opened,
  outputOf,
  pieces,
  sample,
  smallDisk,
  until,
} from './library.helpers.ts';

async function uploads(t: Parameters<typeof folder>[0], base: string) {
  const at = join(base, 'files');
  return { at, ...(await opened(t, base, { roots: [], writable: at })) };
}

test('what is put is on the disk, in the library and has the CID of its bytes, however it is cut', async (t) => {
  const base = await folder(t);
  const { at, library } = await uploads(t, base);
  const bytes = sample(2 * MiB + 777);
  let count = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }),
      fc.integer({ min: 0, max: bytes.length }),
      async (cuts, size) => {
        const bounds = [0, ...cuts.filter((cut) => cut < size).sort((a, b) => a - b), size];
        const parts = bounds.slice(1).map((end, index) => bytes.subarray(bounds[index] ?? 0, end));
        const name = `file ${(count += 1)}`;
        const holding = await library.put(name, pieces(...parts));
        const whole = bytes.subarray(0, size);
        assert.deepEqual(holding, { name, size, cid: cidOfBytes(whole) });
        assert.ok((await readFile(join(at, name))).equals(whole));
        assert.ok((await joined(library.read(holding.cid))).equals(whole));
        assert.deepEqual(library.lookup({ kind: 'name', name }), [holding]);
      },
    ),
    { numRuns: 12 },
  );
  const { hashed } = library.stats;
  await library.rescan();
  assert.equal(library.stats.hashed, hashed, 'a scan does not hash again what put has hashed');
  assert.equal(library.list().length, count);
});

test('the same name with the same bytes is the same file, with other bytes it is refused', async (t) => {
  const base = await folder(t);
  const { at, library } = await uploads(t, base);
  const first = await library.put('a.txt', pieces('isi'));
  assert.deepEqual(await library.put('a.txt', pieces('i', 's', 'i')), first);
  await assert.rejects(library.put('a.txt', pieces('lain')), fails('FILE_EXISTS'));
  await assert.rejects(library.put('a.txt', pieces('ISI')), fails('FILE_EXISTS'));
  await mkdir(join(at, 'folder'));
  await assert.rejects(library.put('folder', pieces('x')), fails('FILE_EXISTS'));
  await file(join(base, 'outside'), 'isi');
  await symlink(join(base, 'outside'), join(at, 'link'));
  await assert.rejects(library.put('link', pieces('isi')), fails('FILE_EXISTS'));
  assert.deepEqual((await readdir(at)).sort(), ['a.txt', 'folder', 'link']);
  assert.equal(await readFile(join(at, 'a.txt'), 'utf8'), 'isi');
});

test('names that are no plain name are refused before a byte is taken', async (t) => {
  const base = await folder(t);
  const { at, library } = await uploads(t, base);
  let taken = 0;
  const source = async function* (): Bytes {
    taken += 1;
    yield Buffer.from('x');
  };
  for (const name of ['', '..', '../x', 'a/b', '/etc/passwd', 'a\0', '.kelana-x', 'n'.repeat(300)])
    await assert.rejects(library.put(name, source()), fails('BAD_NAME'));
  assert.equal(taken, 0);
  assert.deepEqual(await readdir(at), []);
  assert.equal((await library.put('.env 😀', pieces('kept'))).name, '.env 😀');
  await library.rescan();
  assert.equal(library.list().length, 1);
});

test('of many puts of one name at once exactly one content wins and no temporary file is left', async (t) => {
  const base = await folder(t);
  const { at, library } = await uploads(t, base);
  for (let round = 0; round < 10; round += 1) {
    const name = `race ${round}`;
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => library.put(name, pieces(`content ${index % 4}`))),
    );
    const cids = new Set(results.flatMap((one) => (one.status === 'fulfilled' ? [one.value.cid] : [])));
    assert.equal(cids.size, 1);
    const [cid] = cids;
    assert.equal(results.filter((one) => one.status === 'fulfilled').length, 2);
    for (const one of results) if (one.status === 'rejected') fails('FILE_EXISTS')(one.reason);
    assert.equal(cidOfBytes(await readFile(join(at, name))), cid);
  }
  assert.equal((await readdir(at)).length, 10);
});

test('a source that fails, and an abort while it stalls, leave nothing', async (t) => {
  const base = await folder(t);
  const { at, library } = await uploads(t, base);
  const failing = async function* (): Bytes {
    yield sample(MiB + 5);
    throw new Error('the client went away');
  };
  await assert.rejects(library.put('a', failing()), /went away/);
  const controller = new AbortController();
  const stalling = async function* (): Bytes {
    yield sample(3 * MiB);
    controller.abort('stop');
    await new Promise(() => undefined);
  };
  await assert.rejects(library.put('b', stalling(), controller.signal), fails('TRANSFER_FAILED'));
  await assert.rejects(library.put('c', pieces('x'), controller.signal), fails('TRANSFER_FAILED'));
  assert.deepEqual(await readdir(at), []);
  assert.deepEqual(library.list(), []);
});

test('a library without a folder for uploads takes none', async (t) => {
  const { library } = await opened(t, await folder(t));
  await assert.rejects(library.put('a', pieces('x')), fails('CANNOT_WRITE'));
});

test('a full disk fails with CANNOT_WRITE, leaves nothing, and the next small file fits', async (t) => {
  const base = await folder(t);
  const disk = await smallDisk(t);
  if (disk === null) return t.skip('a small disk cannot be mounted here');
  const { library } = await opened(t, base, { roots: [], writable: disk });
  const sink = library.put('large', pieces(sample(2 * MiB), sample(2 * MiB), sample(2 * MiB)));
  await assert.rejects(sink, (thrown: unknown) => {
    fails('CANNOT_WRITE')(thrown);
    return thrown instanceof Error && thrown.message.includes('ENOSPC');
  });
  assert.deepEqual(await readdir(disk), []);
  await library.put('small', pieces('fits'));
});

test('kill -9 during a put leaves no visible file, and the next start cleans up', async (t) => {
  const base = await folder(t);
  const at = join(base, 'files');
  await mkdir(join(base, 'data'));
  const run = child(
    t,
    `import { openLibrary } from '../src/library/library.ts';
     const library = await openLibrary({ roots: [], writable: '${at}', dataDir: '${base}/data' });
     async function* source() {
       for (;;) {
         yield new Uint8Array(1 << 20);
         await new Promise((resolve) => setTimeout(resolve, 5));
       }
     }
     void library.put('endless.bin', source());`,
  );
  const parts = async () => (await readdir(at).catch(() => [])).filter((name) => name.endsWith('.part'));
  await until(async () => (await parts()).length === 1);
  const other = await opened(t, base, { roots: [], writable: at });
  assert.equal((await parts()).length, 1, 'what a living process writes stays');
  await other.library.close();
  const gone = once(run, 'exit');
  run.kill('SIGKILL');
  await gone;
  const { library } = await opened(t, base, { roots: [], writable: at });
  assert.deepEqual(await readdir(at), []);
  assert.deepEqual(library.list(), []);
});

test('256 MiB go in and out with flat memory', async (t) => {
  const base = await folder(t);
  await mkdir(join(base, 'data'));
  const run = child(
    t,
    `import { openLibrary } from '../src/library/library.ts';
     const library = await openLibrary({ roots: [], writable: '${base}/files', dataDir: '${base}/data' });
     await library.ready;
     let peak = 0;
     const look = () => { peak = Math.max(peak, process.memoryUsage.rss()); };
     const chunk = new Uint8Array(65536).fill(7);
     async function* source() {
       for (let at = 0; at < 4096; at += 1) { if (at % 64 === 0) look(); yield chunk; }
     }
     look();
     const before = peak;
     const { cid } = await library.put('large.bin', source());
     let size = 0;
     for await (const piece of library.read(cid)) { size += piece.length; look(); }
     await library.close();
     console.log(JSON.stringify({ grown: (peak - before) / 1048576, size }));`,
  );
  const { code, out, err } = await outputOf(run);
  assert.equal(code, 0, err);
  const { grown, size } = JSON.parse(out) as { grown: number; size: number };
  assert.equal(size, 256 * MiB);
  t.diagnostic(`memory grew by ${grown.toFixed(1)} MiB`);
  assert.ok(grown < 128, `memory grew by ${grown} MiB`);
});

test('without hard links a file is published too, and never over another', async (t) => {
  const base = await folder(t);
  await file(join(base, 'temporary'), 'new');
  await file(join(base, 'taken'), 'old');
  assert.equal(await publishByName(join(base, 'temporary'), join(base, 'taken')), false);
  assert.equal(await publishByName(join(base, 'temporary'), join(base, 'free')), true);
  assert.equal(await readFile(join(base, 'taken'), 'utf8'), 'old');
  assert.equal(await readFile(join(base, 'free'), 'utf8'), 'new');
});
