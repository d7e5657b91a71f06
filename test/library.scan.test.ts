import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  appendFile,
  chmod,
  cp,
  mkdir,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { KelanaError } from '../src/core/errors.ts';
import { LIBRARY } from '../src/core/config.ts';
import { leafOf } from '../src/core/transfer/layout.ts';
import { verifyManifest } from '../src/core/transfer/verify.ts';
import { verifyBlock } from '../src/core/transfer/verify.ts';
import { sha256 as digestOf } from '../src/library/hash.ts';
import { hashFile, sha256 } from '../src/library/hash.ts';
import { openLibrary } from '../src/library/library.ts';
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
  sample,
  until,
} from './library.helpers.ts';

const named = (name: string) => ({ kind: 'name', name }) as const;

test("a node's data folder below a shared folder is never shared, and neither is its key", async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/contoh.txt'), 'isi contoh');
  await file(join(base, 'shared/node/identity.key'), 'a private key');
  await file(join(base, 'shared/node/lock.db'), '');
  await file(join(base, 'shared/alone/identity.key'), 'only the name of one');
  const { library } = await opened(t, base);
  assert.deepEqual(
    library
      .list()
      .map(({ name }) => name)
      .sort(),
    ['alone/identity.key', 'contoh.txt'],
  );
});

test('files are found by base name, by path and by CID, in any Unicode form', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/contoh.txt'), 'isi contoh');
  await file(join(base, 'shared/kelas/7b/contoh.txt'), 'isi lain');
  await file(join(base, 'shared/re\u0301sume\u0301.txt'), 'nfd');
  const { library } = await opened(t, base);
  assert.deepEqual(
    library
      .lookup(named('contoh.txt'))
      .map(({ name }) => name)
      .sort(),
    ['contoh.txt', 'kelas/7b/contoh.txt'],
  );
  const [deep] = library.lookup(named('kelas/7b/contoh.txt'));
  assert.deepEqual(deep, { name: 'kelas/7b/contoh.txt', size: 8, cid: cidOfBytes(Buffer.from('isi lain')) });
  assert.deepEqual(library.lookup({ kind: 'cid', cid: deep?.cid ?? '' }), [deep]);
  assert.equal(library.lookup(named('r\u00e9sum\u00e9.txt')).length, 1);
  for (const none of ['contoh', '7b/contoh.txt', 'CONTOH.txt', '', '../contoh.txt'])
    assert.deepEqual(library.lookup(named(none)), []);
  assert.deepEqual(library.lookup({ kind: 'cid', cid: 'no cid' }), []);
  assert.equal(library.list().length, 3);
});

test('a query gives at most 64 matches', async (t) => {
  const base = await folder(t);
  for (let at = 0; at < 70; at += 1) await file(join(base, `shared/${at}/same.txt`), `content ${at}`);
  const { library } = await opened(t, base);
  assert.equal(library.lookup(named('same.txt')).length, LIBRARY.maxMatches);
});

test('links, dotfiles, FIFOs, the data folder and unfit names are not shared, and none of them holds up the scan', async (t) => {
  const base = await folder(t);
  const shared = join(base, 'shared');
  await file(join(base, 'secret.txt'), 'outside');
  await file(join(shared, 'plain.txt'), 'inside');
  await file(join(shared, '.hidden'), 'x');
  await file(join(shared, '.git/config'), 'x');
  await file(join(shared, 'state/key'), 'private');
  await file(join(shared, 'bad\nname'), 'x');
  await file(join(shared, 'back\\slash'), 'x');
  await writeFile(Buffer.from(`${shared}/latin\xe9`, 'latin1'), 'x');
  await symlink(join(base, 'secret.txt'), join(shared, 'link.txt'));
  await symlink(base, join(shared, 'up'));
  execFileSync('mkfifo', [join(shared, 'pipe')]);
  const { library, events } = await opened(t, base, { dataDir: join(shared, 'state') });
  assert.deepEqual(
    library.list().map(({ name }) => name),
    ['plain.txt'],
  );
  assert.equal(library.stats.refused, 3);
  await library.rescan();
  const reports = events.filter((event) => event.type === 'error');
  assert.equal(reports.length, 1, JSON.stringify(reports));
  const [report] = reports;
  assert.equal(report?.code, 'BAD_NAME');
  const { says } = new KelanaError('BAD_NAME', report.params).describe('id');
  assert.match(
    says,
    /^Nama berkas '[^']*' ditolak: .*; begitu pula 2 nama lain, yang juga tidak dibagikan\.$/,
  );
});

test('names of 255 bytes and paths of 1024 are shared, longer paths are refused', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared', 'n'.repeat(255)), 'a');
  const deep = Array.from({ length: 4 }, () => 'd'.repeat(250)).join('/');
  await file(join(base, 'shared', deep, 'fits.txt'), 'b');
  await file(join(base, 'shared', deep, 'x'.repeat(40)), 'c');
  const { library } = await opened(t, base);
  assert.equal(library.lookup(named('n'.repeat(255))).length, 1);
  assert.equal(library.lookup(named('fits.txt')).length, 1);
  assert.equal(library.stats.refused, 1);
});

test('what is shared must be a folder or file, and not of the data folder', async (t) => {
  const base = await folder(t);
  await file(join(base, 'file'), 'x');
  const open = (root: string) => openLibrary({ roots: [root], dataDir: base });
  await assert.rejects(open(join(base, 'none')), fails('NO_FOLDER'));
  await assert.rejects(open(join(base, 'file/below')), fails('NOT_A_FOLDER'));
  execFileSync('mkfifo', [join(base, 'pipe')]);
  await assert.rejects(open(join(base, 'pipe')), fails('NOT_A_FOLDER'));
  await assert.rejects(open(base), fails('BAD_VALUE'));
  await assert.rejects(open(join(base, 'file')), fails('BAD_VALUE'), 'a file of the data folder');
  await file(join(base, 'more/.env'), 'x');
  await assert.rejects(open(join(base, 'more/.env')), fails('BAD_VALUE'));
});

test('the index survives a restart, and only what changed is hashed again', async (t) => {
  const base = await folder(t);
  for (let at = 0; at < 30; at += 1) await file(join(base, `shared/${at}.bin`), sample(1000 + at, at + 1));
  await file(join(base, 'shared/large.bin'), sample(3 * MiB + 7));
  const first = await opened(t, base);
  assert.equal(first.library.stats.hashed, 31);
  const before = [...first.library.list()].sort((a, b) => a.name.localeCompare(b.name));
  await first.library.close();
  await file(join(base, 'shared/3.bin'), 'changed');
  await rm(join(base, 'shared/4.bin'));
  const second = await opened(t, base);
  assert.equal(second.library.stats.hashed, 1);
  const after = new Map(second.library.list().map((holding) => [holding.name, holding]));
  assert.equal(after.size, 30);
  for (const holding of before) {
    if (holding.name === '3.bin' || holding.name === '4.bin') continue;
    assert.deepEqual(after.get(holding.name), holding);
  }
  const cid = after.get('large.bin')?.cid ?? '';
  assert.deepEqual(await joined(second.library.read(cid)), sample(3 * MiB + 7));
});

test('a damaged index is thrown away and made anew', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/a.txt'), 'a');
  await file(join(base, 'data/index.db'), 'this is no database'.repeat(500));
  const { library, events } = await opened(t, base);
  assert.equal(library.stats.hashed, 1);
  assert.deepEqual(events, []);
});

test('new, changed, renamed and removed files are seen at the next scan', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/a.txt'), 'one');
  await file(join(base, 'shared/b.txt'), 'two');
  const { library, shared } = await opened(t, base, { rescanMs: 20 });
  const names = () =>
    library
      .list()
      .map(({ name }) => name)
      .sort();
  assert.deepEqual(names(), ['a.txt', 'b.txt']);
  await rename(join(shared, 'b.txt'), join(shared, 'c.txt'));
  await until(() => names().join() === 'a.txt,c.txt');
  await file(join(shared, 'a.txt'), 'other');
  await until(() => library.lookup(named('a.txt'))[0]?.cid === cidOfBytes(Buffer.from('other')));
  await rm(join(shared, 'c.txt'));
  await until(() => names().join() === 'a.txt');
});

test('a file is not shared until it was left alone for 50 ms', async (t) => {
  const base = await folder(t);
  const path = join(base, 'shared/growing.log');
  await file(path, 'begin');
  const written = Math.floor((await stat(path)).mtimeMs);
  let clock = written + 1;
  const { library } = await opened(t, base, { now: () => clock });
  clock = written + 48;
  await library.rescan();
  assert.deepEqual([library.stats.hashed, library.stats.postponed, library.list().length], [0, 1, 0]);
  clock = written + 52;
  await library.rescan();
  assert.deepEqual([library.stats.hashed, library.stats.postponed, library.list().length], [1, 0, 1]);
});

test('a file that grows while it is hashed is left for the next scan', async (t) => {
  const path = join(await folder(t), 'large.bin');
  await file(path, 'x');
  await truncate(path, 64 * MiB);
  const state: { hashed?: unknown } = {};
  const hashing = hashFile(path).then((hashed) => (state.hashed = hashed));
  while (state.hashed === undefined) await appendFile(path, 'more');
  await hashing;
  assert.equal(state.hashed, 'changing');
  assert.equal(typeof (await hashFile(path)), 'object');
});

test('a file written just before the start is there when the library is ready', async (t) => {
  const base = await folder(t);
  await mkdir(join(base, 'shared'));
  await writeFile(join(base, 'shared/fresh.txt'), 'fresh');
  const { library } = await opened(t, base);
  assert.equal(library.lookup(named('fresh.txt')).length, 1);
});

test('any range is read in pieces that end at block bounds', async (t) => {
  const base = await folder(t);
  const bytes = sample(2 * MiB + 12_345);
  await file(join(base, 'shared/large.bin'), bytes);
  const { library } = await opened(t, base);
  const cid = cidOfBytes(bytes);
  assert.equal(library.list()[0]?.cid, cid);
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: bytes.length + 10 }),
      fc.integer({ min: 0, max: 2 * MiB }),
      async (start, length) => {
        const got = await joined(library.read(cid, { start, end: start + length }));
        assert.ok(got.equals(bytes.subarray(start, start + length + 1)));
      },
    ),
    { numRuns: 30 },
  );
  const lengths: number[] = [];
  for await (const piece of library.read(cid, { start: 10, end: 2 * MiB })) lengths.push(piece.length);
  assert.deepEqual(lengths, [MiB - 10, MiB, 1]);
  await assert.rejects(joined(library.read(cid, { start: 5, end: 4 })), RangeError);
  await assert.rejects(joined(library.read('bafkreinone')), fails('NOT_SHARED'));
});

test('blocks and manifest of a file verify against its CID', async (t) => {
  const base = await folder(t);
  const bytes = sample(3 * MiB + 1);
  await file(join(base, 'shared/large.bin'), bytes);
  await file(join(base, 'shared/empty'), '');
  const { library } = await opened(t, base);
  for (const { cid, size } of library.list()) {
    const layout = verifyManifest(cid, await library.manifest(cid), sha256, { size });
    for (let index = 0; index < layout.count; index += 1) {
      assert.ok(verifyBlock(leafOf(layout, index), await library.readBlock(cid, index), digestOf));
    }
    await assert.rejects(library.readBlock(cid, layout.count), RangeError);
    await assert.rejects(library.readBlock(cid, -1), RangeError);
  }
  const cid = cidOfBytes(bytes);
  const pieces = library.pieces(cid, 1);
  const parts = new Uint8Array(pieces?.size ?? 0);
  for (let at = 0; at < parts.length; at += MiB / 4) await pieces?.read(parts.subarray(at, at + MiB / 4), at);
  assert.equal(Buffer.compare(parts, bytes.subarray(MiB, 2 * MiB)), 0);
  assert.throws(() => library.pieces(cid, 4), RangeError);
  const into = new Uint8Array(MiB);
  const block = await library.readBlock(cid, 3, into);
  assert.equal(block.buffer, into.buffer);
  assert.equal(block.length, 1);
});

test('a changed file fails with SOURCE_CHANGED and has a new CID after the next scan', async (t) => {
  const base = await folder(t);
  const bytes = sample(2 * MiB);
  await file(join(base, 'shared/a.bin'), bytes);
  const { library, shared } = await opened(t, base);
  const cid = cidOfBytes(bytes);
  await library.readBlock(cid, 0);
  const reading = library.read(cid)[Symbol.asyncIterator]();
  await reading.next();
  // The same length, so that only the time of the write tells.
  const other = sample(2 * MiB, 99);
  await file(join(shared, 'a.bin'), other);
  await assert.rejects(async () => reading.next(), fails('SOURCE_CHANGED'));
  await assert.rejects(library.readBlock(cid, 1), fails('NOT_SHARED'));
  await library.rescan();
  assert.equal(library.list()[0]?.cid, cidOfBytes(other));
});

test('when one copy changes, another with the same bytes is read in its place', async (t) => {
  const base = await folder(t);
  const bytes = sample(2 * MiB);
  await file(join(base, 'shared/a.bin'), bytes);
  await file(join(base, 'shared/b.bin'), bytes);
  const { library, shared } = await opened(t, base);
  const cid = cidOfBytes(bytes);
  const whole = joined(library.read(cid));
  const [pieces, piece] = [library.pieces(cid, 1), new Uint8Array(MiB / 2)];
  for (const at of [0, MiB / 2, 0]) await pieces?.read(piece, at);
  await file(join(shared, 'a.bin'), 'changed');
  await pieces?.read(piece, MiB / 2);
  assert.equal(Buffer.compare(piece, bytes.subarray(1.5 * MiB)), 0);
  assert.ok((await whole).equals(bytes));
  assert.ok((await joined(library.read(cid))).equals(bytes));
  await rm(join(shared, 'b.bin'));
  await symlink('/etc/hostname', join(shared, 'b.bin'));
  await library.rescan();
  assert.deepEqual(
    library.list().map(({ name }) => name),
    ['a.bin'],
  );
});

test('a file that becomes a link after the scan is not followed', async (t) => {
  const base = await folder(t);
  await file(join(base, 'secret'), 'outside');
  await file(join(base, 'shared/a.txt'), 'inside!');
  const { library, shared } = await opened(t, base);
  const cid = library.list()[0]?.cid ?? '';
  await rm(join(shared, 'a.txt'));
  await symlink(join(base, 'secret'), join(shared, 'a.txt'));
  await assert.rejects(library.readBlock(cid, 0), fails('SOURCE_CHANGED'));
});

test('more files than are kept open can be read at once', async (t) => {
  const base = await folder(t);
  for (let at = 0; at < 100; at += 1) await file(join(base, `shared/${at}.bin`), `content ${at}`);
  const { library } = await opened(t, base);
  for (let round = 0; round < 3; round += 1) {
    await Promise.all(
      library.list().map(async ({ name, cid }) => {
        const content = Buffer.from(await library.readBlock(cid, 0)).toString();
        assert.equal(content, `content ${name.replace('.bin', '')}`);
      }),
    );
  }
});

test('a file that cannot be read is passed over and reported once', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/open.txt'), 'open');
  await file(join(base, 'shared/closed.txt'), 'closed');
  await mkdir(join(base, 'data'));
  await chmod(join(base, 'shared/closed.txt'), 0);
  await chmod(base, 0o777);
  await chmod(join(base, 'data'), 0o777);
  // Root reads everything, so another user has to look.
  const run = child(
    t,
    `import { openLibrary } from '../src/library/library.ts';
     const events = [];
     const library = await openLibrary({ roots: ['${base}/shared'], dataDir: '${base}/data', rescanMs: 0,
       emit: (event) => events.push(event) });
     await library.ready; await library.rescan();
     const refused = await library.addRoot('${base}/shared/closed.txt').catch(({ code }) => code);
     const roots = library.roots().length;
     await library.close();
     console.log(JSON.stringify({ files: library.list().map((one) => one.name), events, refused, roots }));`,
    getuid?.() === 0 ? { uid: 65_534 } : {},
  );
  const { code, out, err } = await outputOf(run).catch(() => ({ code: 126, out: '', err: 'EACCES' }));
  if (code !== 0 && /EACCES|MODULE_NOT_FOUND/.test(err))
    return t.skip('the checkout is not readable to another user');
  assert.equal(code, 0, err);
  const seen = JSON.parse(out) as {
    files: string[];
    events: { code: string; detail: string }[];
    refused: string;
    roots: number;
  };
  assert.deepEqual([seen.refused, seen.roots], ['CANNOT_READ', 1], 'nor is one shared that is named');
  assert.deepEqual(seen.files, ['open.txt']);
  assert.deepEqual(
    seen.events.map((event) => event.code),
    ['CANNOT_READ'],
  );
  assert.match(seen.events[0]?.detail ?? '', /closed\.txt.*EACCES/);
});

test('folders are added and removed while the library is open', async (t) => {
  const base = await folder(t);
  await file(join(base, 'more/b.txt'), 'b');
  await file(join(base, 'shared/a.txt'), 'a');
  const { library } = await opened(t, base);
  assert.equal(await library.addRoot(join(base, 'more')), join(base, 'more'));
  assert.equal(library.list().length, 2);
  assert.equal(await library.removeRoot(join(base, 'shared')), join(base, 'shared'));
  assert.deepEqual(
    library.list().map(({ name }) => name),
    ['b.txt'],
  );
  assert.equal(await library.removeRoot(join(base, 'nowhere')), null);
});

test('a file copied with its old time is hashed at once and closing during a scan ends it', async (t) => {
  const base = await folder(t);
  await file(join(base, 'source.bin'), sample(5 * MiB));
  await mkdir(join(base, 'shared'));
  await cp(join(base, 'source.bin'), join(base, 'shared/copy.bin'));
  const old = new Date('2001-01-01');
  await utimes(join(base, 'shared/copy.bin'), old, old);
  const { library } = await opened(t, base);
  assert.equal(library.list().length, 1);
  const scanning = library.rescan();
  await library.close();
  await scanning;
  await library.close();
});
