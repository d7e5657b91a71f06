import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { TRANSFER } from '../core/config.ts';
import type { PrivateFile } from '../core/messages/ports.ts';
import { collect } from './collect.ts';
import { hashFile } from './hash.ts';
import { openLibrary } from './library.ts';
import { PrivateHoldings } from './private.ts';

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kelana-private-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

function holdings(t: TestContext): PrivateHoldings {
  const made = new PrivateHoldings();
  t.after(() => made.close());
  return made;
}

const NEVER = new AbortController().signal;

/** Hashed and open to one peer, as `send` does it. */
async function allow(own: PrivateHoldings, group: string, path: string): Promise<PrivateFile> {
  const [file] = (await collect(own, 'ani', group, path, NEVER)).files;
  assert.ok(file !== undefined);
  return file;
}

test('a file is open to one peer, under its CID, until its group is closed', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  const bytes = Buffer.alloc(TRANSFER.blockBytes + 5, 7);
  await writeFile(join(dir, 'a.bin'), bytes);
  const file = await allow(own, 'g', join(dir, 'a.bin'));
  const hashed = await hashFile(join(dir, 'a.bin'));
  assert.equal(typeof hashed === 'object' && hashed.cid, file.cid);
  const reader = own.visible('ani', file.cid);
  assert.deepEqual(await reader?.readBlock(file.cid, 1), bytes.subarray(TRANSFER.blockBytes));
  assert.equal((await reader?.manifest(file.cid))?.length, 1);
  await assert.rejects(reader?.readBlock(file.cid, 2) ?? Promise.resolve(), RangeError);
  assert.equal(own.sent('ani', 'g'), 5);
  assert.equal(own.visible('budi', file.cid), undefined);
  own.revoke('ani', 'g');
  assert.equal(own.visible('ani', file.cid), undefined);
});

test('a file that was touched is still given; one whose old time was set back after a write is not', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  const path = join(dir, 'a.bin');
  await writeFile(path, Buffer.alloc(TRANSFER.blockBytes + 5, 7));
  const { atime, mtime } = await stat(path);
  await utimes(path, atime, mtime);
  const { cid } = await allow(own, 'g', path);
  await chmod(path, 0o600);
  const reader = own.visible('ani', cid);
  assert.equal((await reader?.readBlock(cid, 1))?.length, 5);
  const bytes = Buffer.alloc(TRANSFER.blockBytes + 5, 7);
  bytes[TRANSFER.blockBytes] = 8;
  await writeFile(path, bytes);
  await utimes(path, atime, mtime);
  await assert.rejects(reader?.readBlock(cid, 1) ?? Promise.resolve(), { code: 'SOURCE_CHANGED' });
});

test('a file of two groups is open until both are closed', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  await writeFile(join(dir, 'a'), 'isi');
  const { cid } = await allow(own, 'g1', join(dir, 'a'));
  await allow(own, 'g2', join(dir, 'a'));
  own.revoke('ani', 'g1');
  own.revoke('ani', 'g1');
  assert.notEqual(own.visible('ani', cid), undefined);
  own.revoke('ani', 'g2');
  assert.equal(own.visible('ani', cid), undefined);
});

test('a file that is another by now is refused, also after a restart, and never sent as what it was', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  const path = join(dir, 'a');
  await writeFile(path, 'isi');
  const file = await allow(own, 'g', path);
  const later = holdings(t);
  later.restore('ani', 'g', file);
  assert.deepEqual(await later.visible('ani', file.cid)?.readBlock(file.cid, 0), Buffer.from('isi'));
  await writeFile(path, 'lain');
  for (const one of [own, later])
    await assert.rejects(one.visible('ani', file.cid)?.readBlock(file.cid, 0) ?? Promise.resolve(), {
      code: 'SOURCE_CHANGED',
    });
  await rm(path);
  await assert.rejects(later.visible('ani', file.cid)?.readBlock(file.cid, 0) ?? Promise.resolve(), {
    code: 'SOURCE_CHANGED',
  });
});

test('of a folder come all regular files but hidden ones, and no link is followed', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  const root = join(dir, 'foto');
  await mkdir(join(root, 'x'), { recursive: true });
  await mkdir(join(root, 'hampa', 'juga'), { recursive: true });
  await writeFile(join(dir, 'luar'), 'rahasia');
  await writeFile(join(root, 'b'), 'b');
  await writeFile(join(root, 'x', 'a'), 'a');
  await writeFile(join(root, '.h'), 'h');
  await symlink(join(dir, 'luar'), join(root, 'tautan'));
  const seen: string[] = [];
  const found = await collect(own, 'ani', 'g', `${root}/`, NEVER, ({ name }) => seen.push(name));
  assert.deepEqual(
    [found.name, found.folder, found.files.map(({ name }) => name)],
    ['foto', true, ['b', 'x/a']],
  );
  assert.deepEqual(seen.sort(), ['b', 'x/a']);
  assert.deepEqual(found.folders, ['hampa/juga']);
});

test('a folder has the CID that it would have if it were shared, and its directory is open to one peer', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  const root = join(dir, 'foto');
  await mkdir(join(root, 'x', 'hampa'), { recursive: true });
  await mkdir(join(dir, 'data'));
  await writeFile(join(root, 'x', 'a'), 'a');
  await writeFile(join(root, 'b'), Buffer.alloc(TRANSFER.blockBytes + 1));
  const library = await openLibrary({ roots: [root], dataDir: join(dir, 'data'), rescanMs: 0 });
  t.after(() => library.close());
  await library.ready;
  const { cid, ...sent } = await collect(own, 'ani', 'g', root, NEVER);
  assert.equal(cid, library.cidAt(root));
  const nodes = (await own.visible('ani', cid)?.manifest(cid)) ?? [];
  assert.deepEqual([...nodes], [...(await library.manifest(cid))]);
  assert.equal(own.visible('budi', cid), undefined);
  const later = holdings(t);
  assert.equal(await later.allowFolder('ani', 'g', sent), cid, 'the same after a restart');
  for (const one of [own, later]) {
    await assert.rejects(one.visible('ani', cid)?.readBlock(cid, 0) ?? Promise.resolve(), RangeError);
    one.revoke('ani', 'g');
    assert.equal(one.visible('ani', cid), undefined);
  }
});

test('a file or folder that is named by a link is the one it leads to, and an abort ends the hashing', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  await mkdir(join(dir, 'asli'));
  for (let at = 0; at < 300; at += 1) await writeFile(join(dir, 'asli', `${at}`), `isi ${at}`);
  await symlink(join(dir, 'asli'), join(dir, 'tautan'));
  await symlink(join(dir, 'asli', '7'), join(dir, 'tujuh'));
  const found = await collect(own, 'ani', 'g', join(dir, 'tautan'), NEVER);
  assert.deepEqual([found.name, found.files.length], ['tautan', 300]);
  assert.equal((await allow(own, 'g', join(dir, 'tujuh'))).name, 'tujuh');
  own.revoke('ani', 'g');
  const stop = new AbortController();
  await assert.rejects(
    collect(own, 'ani', 'g', join(dir, 'asli'), stop.signal, () => stop.abort(new Error('cukup'))),
    /cukup/,
  );
  for (const { cid } of [found, ...found.files]) assert.equal(own.visible('ani', cid), undefined);
});

test('what cannot be sent is told, and leaves nothing open', async (t) => {
  const [dir, own] = [await folder(t), holdings(t)];
  await mkdir(join(dir, 'hampa'));
  await assert.rejects(collect(own, 'ani', 'g', join(dir, 'hampa'), NEVER), { code: 'BAD_VALUE' });
  await assert.rejects(collect(own, 'ani', 'g', join(dir, 'tiada'), NEVER), { code: 'CANNOT_READ' });
  await assert.rejects(collect(own, 'ani', 'g', '/', NEVER), { code: 'BAD_NAME' });
  const mixed = join(dir, 'campur');
  await mkdir(mixed);
  await writeFile(join(mixed, 'baik'), 'x');
  await writeFile(join(mixed, 'buruk\nnama'), 'x');
  await assert.rejects(collect(own, 'ani', 'g', mixed, NEVER), { code: 'BAD_NAME' });
  assert.equal(own.sent('ani', 'g'), 0);
});
