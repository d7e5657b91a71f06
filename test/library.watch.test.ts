import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { watch } from 'node:fs';
import { appendFile, cp, mkdir, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KelanaError } from '../src/core/errors.ts';
import { LIBRARY } from '../src/core/config.ts';
import type { Library } from '../src/library/library.ts';
import { child, cidOfBytes, file, folder, MiB, opened, outputOf, sample, until } from './library.helpers.ts';

const names = (library: Library): string =>
  library
    .list()
    .map(({ name }) => name)
    .sort()
    .join();

const cidOf = (library: Library, name: string): string | undefined =>
  library.list().find((one) => one.name === name)?.cid;

/** Watched, and so seldom scanned that a scan can explain nothing. */
async function watched(t: TestContext, base: string) {
  return await opened(t, base, { rescanMs: 3_600_000 });
}

test('new, changed, renamed and removed files and folders are known without a scan', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/a.txt'), 'one');
  await file(join(base, 'shared/old/deep/b.txt'), 'two');
  const { library, shared } = await watched(t, base);
  assert.equal(names(library), 'a.txt,old/deep/b.txt');
  const { scans } = library.stats;
  await writeFile(join(shared, 'new.txt'), 'new');
  await until(() => names(library) === 'a.txt,new.txt,old/deep/b.txt');
  await writeFile(join(shared, 'a.txt'), 'other');
  await until(() => cidOf(library, 'a.txt') === cidOfBytes(Buffer.from('other')));
  await rename(join(shared, 'old'), join(shared, 'moved'));
  await until(() => names(library) === 'a.txt,moved/deep/b.txt,new.txt');
  await writeFile(join(shared, 'moved/deep/c.txt'), 'below a folder that was moved');
  await until(() => names(library).includes('moved/deep/c.txt'));
  await rm(join(shared, 'moved'), { recursive: true });
  await until(() => names(library) === 'a.txt,new.txt');
  await mkdir(join(shared, 'moved/deep'), { recursive: true });
  await until(() => library.folders().some(({ name }) => name === 'moved/deep'));
  await writeFile(join(shared, 'moved/deep/again.txt'), 'a folder made anew under an old name');
  await until(() => names(library).includes('moved/deep/again.txt'));
  await rm(join(shared, 'a.txt'));
  await symlink('/etc/hostname', join(shared, 'a.txt'));
  await until(() => names(library) === 'moved/deep/again.txt,new.txt');
  assert.equal(library.stats.scans, scans);
});

test('a change is known within a second, and who listens is told', async (t) => {
  const base = await folder(t);
  for (let at = 0; at < 200; at += 1) await file(join(base, `shared/${at % 10}/${at}.txt`), `content ${at}`);
  const { library, shared } = await watched(t, base);
  const changed = cidOfBytes(Buffer.from('changed'));
  const told = new Promise<void>((resolve) => {
    library.onChange(() => {
      if (library.holding(changed) !== undefined) resolve();
    });
  });
  const { hashed } = library.stats;
  const began = performance.now();
  await writeFile(join(shared, '3/33.txt'), 'changed');
  await told;
  const took = performance.now() - began;
  assert.ok(took < 1_000, `${took} ms`);
  assert.equal(library.stats.hashed, hashed + 1, 'only what changed was hashed again');
});

test('from the first sign of a new folder until it can be found, and no longer, the library says it is reading', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/a.txt'), 'one');
  await file(join(base, 'new/b.txt'), 'two');
  const { library, shared } = await watched(t, base);
  assert.ok(!library.scanning());
  const told: [boolean, boolean][] = [];
  library.onChange(() => {
    told.push([library.scanning(), library.folders().some(({ name }) => name === 'new')]);
  });
  // Hidden files, as of a download, are none of anybody's business.
  await writeFile(join(shared, '.hidden'), 'x');
  await cp(join(base, 'new'), join(shared, 'new'), { recursive: true });
  await until(() => told.at(-1)?.[1] === true && !library.scanning());
  assert.deepEqual(told[0], [true, false], 'others are told first that there is more');
  const gaps = told.filter(([scanning, found]) => !scanning && !found);
  assert.deepEqual(gaps, [], JSON.stringify(told));
  await writeFile(join(shared, '.hidden'), 'y');
  await writeFile(join(shared, 'a.txt'), 'other');
  await until(() => library.scanning());
  await until(() => !library.scanning());
  assert.equal(cidOf(library, 'a.txt'), cidOfBytes(Buffer.from('other')));
});

test('a file that is written piece by piece is shared as it is in the end', async (t) => {
  const base = await folder(t);
  const { library, shared } = await watched(t, base);
  const path = join(shared, 'growing.bin');
  const pieces = Array.from({ length: 40 }, (_, at) => sample(MiB / 8, at + 1));
  for (const piece of pieces) await appendFile(path, piece);
  const whole = cidOfBytes(Buffer.concat(pieces));
  await until(() => cidOf(library, 'growing.bin') === whole);
});

test('what rules leave out may change as it likes: the node is not said to have more files', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/.kelanaignore'), '*.log');
  const { library, shared } = await watched(t, base);
  await until(() => !library.scanning());
  for (const name of ['x.tmp', 'x.log', 'x.txt']) {
    const heard = Promise.withResolvers<void>();
    const watcher = watch(shared, (_event, changed) => changed === name && heard.resolve());
    t.after(() => watcher.close());
    await writeFile(join(shared, name), 'again and again');
    await heard.promise;
    let said = library.scanning();
    // Long enough for the rules to be asked.
    for (let turn = 0; turn < 50 && !said; turn += 1) {
      await stat(shared);
      said = library.scanning();
    }
    assert.equal(said, name === 'x.txt', name);
  }
});

test('a name that cannot be shared is told of once when it comes, also in a folder that comes', async (t) => {
  const base = await folder(t);
  const { library, shared, events } = await watched(t, base);
  const told = (): string[] =>
    events.flatMap((event) => (event.type === 'error' && event.code === 'BAD_NAME' ? event.detail : []));
  await writeFile(join(shared, 'a\tb.txt'), 'x');
  await until(() => told().length === 1);
  await mkdir(join(base, 'new'));
  await writeFile(join(base, 'new/c\\d.txt'), 'x');
  await rename(join(base, 'new'), join(shared, 'new'));
  await until(() => told().length === 2);
  await appendFile(join(shared, 'a\tb.txt'), 'y');
  await writeFile(join(shared, 'good.txt'), 'x');
  await until(() => names(library) === 'good.txt');
  assert.equal(told().length, 2);
  assert.match(told()[0] ?? '', /^1 file names cannot be shared; the first is 'a/);
  const [first] = events.flatMap((event) => (event.type === 'error' ? event : []));
  const { says } = new KelanaError('BAD_NAME', first?.params).describe('id');
  assert.equal(says, "Nama berkas 'a\\u{9}b.txt' ditolak: berisi karakter kendali.");
});

test('thousands of files that come at once are all there in the end', async (t) => {
  const base = await folder(t);
  const { library, shared } = await watched(t, base);
  const source = join(base, 'source');
  for (let at = 0; at < 1_000; at += 1) await file(join(source, `${at % 20}/${at}.txt`), `content ${at}`);
  await cp(source, join(shared, 'copied'), { recursive: true });
  await until(() => library.list().length === 1_000);
  await rm(join(shared, 'copied'), { recursive: true });
  await until(() => library.list().length === 0 && library.folders().length === 1);
});

test('a change while a large file is hashed does not wait for it', async (t) => {
  const base = await folder(t);
  const { library, shared } = await watched(t, base);
  execFileSync('truncate', ['-s', '900G', join(shared, 'large.bin')]);
  await utimes(join(shared, 'large.bin'), 1, 1);
  for (let at = 0; at < 50; at += 1) await file(join(shared, `small/${at}.txt`), `small ${at}`);
  await until(() => library.list().length === 50);
  await writeFile(join(shared, 'small/7.txt'), 'changed');
  await until(() => cidOf(library, 'small/7.txt') === cidOfBytes(Buffer.from('changed')));
  assert.equal(library.list().length, 50, 'the large file is still being hashed');
  const began = performance.now();
  await library.close();
  assert.ok(performance.now() - began < 5_000, 'and closing does not wait for it');
});

test('where the kernel has no room for watches, scans do the work, and it is said once', async (t) => {
  const base = await folder(t);
  for (let at = 0; at < 20; at += 1) await file(join(base, `shared/${at}/a.txt`), `content ${at}`);
  await mkdir(join(base, 'data'));
  // The limit counts for one user namespace, so nobody else meets it.
  const source = `import { writeFile } from 'node:fs/promises';
    import { openLibrary } from '../src/library/library.ts';
    const errors = [];
    const library = await openLibrary({ roots: ['${base}/shared'], dataDir: '${base}/data', rescanMs: 50,
      emit: (event) => event.type === 'error' && errors.push(event.code) });
    await library.ready;
    for (const at of [0, 19]) {
      await writeFile('${base}/shared/' + at + '/late.txt', 'late' + at);
      while (!library.list().some(({ name }) => name === at + '/late.txt')) await new Promise((go) => setTimeout(go, 10));
    }
    await library.rescan();
    await library.close();
    console.log(JSON.stringify({ errors, files: library.list().length }));`;
  const limited = child(t, source, {
    through: [
      'unshare',
      '--user',
      '--map-root-user',
      'sh',
      '-c',
      'echo 5 > /proc/sys/user/max_inotify_watches && exec "$@"',
      'sh',
    ],
  });
  const { code, out, err } = await outputOf(limited);
  if (code !== 0 && /unshare|Permission|Read-only|max_inotify/.test(err))
    return t.skip('no user namespaces on this machine');
  assert.equal(code, 0, err);
  assert.deepEqual(JSON.parse(out), { errors: ['WATCH_LIMIT'], files: 22 });
});

test('a shared folder that is not there yet is waited for, and its hashes outlive its absence', async (t) => {
  const base = await folder(t);
  const stick = join(base, 'stick');
  await file(join(stick, 'a.txt'), 'on a stick');
  const first = await opened(t, base, { kept: [stick], rescanMs: 20 });
  assert.equal(names(first.library), 'a.txt');
  await rename(stick, join(base, 'away'));
  await until(() => names(first.library) === '');
  assert.deepEqual(
    first.library.roots().find(({ path }) => path === stick),
    { path: stick, missing: true },
  );
  await first.library.close();
  const second = await opened(t, base, { kept: [stick], rescanMs: 20 });
  assert.equal(names(second.library), '');
  await rename(join(base, 'away'), stick);
  await until(() => names(second.library) === 'a.txt');
  assert.equal(second.library.stats.hashed, 0);
});

test('a single file is shared alone, and watched', async (t) => {
  const base = await folder(t);
  await file(join(base, 'one/laporan.pdf'), 'laporan');
  await file(join(base, 'one/rahasia.txt'), 'not shared');
  const { library } = await watched(t, base);
  const path = join(base, 'one/laporan.pdf');
  assert.equal(await library.addRoot(path), path);
  assert.equal(names(library), 'laporan.pdf');
  await writeFile(path, 'laporan baru');
  await writeFile(join(base, 'one/lagi.txt'), 'not shared either');
  await until(() => cidOf(library, 'laporan.pdf') === cidOfBytes(Buffer.from('laporan baru')));
  assert.equal(names(library), 'laporan.pdf');
  assert.ok(library.folders().every(({ name }) => name === 'shared'));
  assert.equal(await library.removeRoot(path), path);
  assert.equal(names(library), '');
});

test('a folder that becomes the data folder of a node is shared no more before its key can be', async (t) => {
  const base = await folder(t);
  const { library, shared } = await watched(t, base);
  await file(join(shared, 'node/catatan.txt'), 'note');
  await until(() => names(library) === 'node/catatan.txt');
  await writeFile(join(shared, 'node/lock.db'), '');
  await until(() => names(library) === 'node/catatan.txt,node/lock.db');
  let leaked = false;
  library.onChange(() => (leaked ||= names(library).includes('identity.key')));
  await writeFile(join(shared, 'node/identity.key'), 'a private key');
  await until(() => names(library) === '');
  assert.equal(leaked, false);
});

test('names by the thousand in one folder are kept as names, more as "everything"', async () => {
  const { Changes } = await import('../src/library/changes.ts');
  const changes = new Changes();
  for (let at = 0; at < LIBRARY.maxChanges; at += 1) changes.add('/a', `${at}`);
  changes.add('/a', '0');
  const taken = changes.take();
  assert.ok(taken !== 'all' && taken.get('/a')?.size === LIBRARY.maxChanges);
  assert.ok(changes.empty);
  for (let at = 0; at <= LIBRARY.maxChanges; at += 1) changes.add(`/${at}`, 'x');
  assert.equal(changes.take(), 'all');
});
