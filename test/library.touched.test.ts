import assert from 'node:assert/strict';
import { chmod, link, open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test, { type TestContext } from 'node:test';
import { file, folder, joined, MiB, opened, sample, until } from './library.helpers.ts';

const PAST = new Date('2020-02-02');

/** A library of one file of three blocks. */
async function withFile(t: TestContext, rescanMs: number) {
  const base = await folder(t);
  const path = join(base, 'shared/a.bin');
  await file(path, sample(2 * MiB + 7));
  await utimes(path, PAST, PAST);
  const all = await opened(t, base, { rescanMs });
  const cid = all.library.list()[0]?.cid ?? '';
  return { ...all, base, path, cid };
}

/** Other bytes in the second block, in place, with the old time: as `rsync --inplace -t` leaves it. */
async function edit(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(Buffer.from('XXXX'), 0, 4, MiB + 10);
  await handle.close();
  await utimes(path, PAST, PAST);
}

test('an edit that keeps size and time is no wrong block to anybody, and a new file at the next look', async (t) => {
  const { library, path, cid } = await withFile(t, 0);
  await joined(library.read(cid));
  await edit(path);
  const piece = new Uint8Array(100);
  await assert.rejects(async () => await library.pieces(cid, 1)?.read(piece, MiB - 100), {
    code: 'SOURCE_CHANGED',
  });
  await assert.rejects(library.readBlock(cid, 1), { code: 'NOT_SHARED' });
  await library.rescan();
  const now = library.list()[0]?.cid ?? '';
  assert.notEqual(now, cid);
  assert.equal((await joined(library.read(now))).toString('latin1', MiB + 10, MiB + 14), 'XXXX');
});

test('such an edit is seen in a watched folder', async (t) => {
  const { library, path, cid } = await withFile(t, 3_600_000);
  await edit(path);
  await until(() => library.list()[0] !== undefined && library.list()[0]?.cid !== cid);
});

test('a file with a new mode stays shared, is read once more, and is no news to others', async (t) => {
  const { library, path, cid } = await withFile(t, 0);
  let told = 0;
  library.onChange(() => (told += 1));
  const { hashed } = library.stats;
  await chmod(path, 0o600);
  assert.deepEqual(await joined(library.read(cid)), sample(2 * MiB + 7));
  await until(async () => {
    await library.rescan();
    return library.stats.hashed === hashed + 1;
  });
  await library.rescan();
  assert.equal(library.stats.hashed, hashed + 1);
  assert.deepEqual([library.list()[0]?.cid, told], [cid, 0]);
});

test('a file with a new link, which no watcher tells of, is read once more when somebody fetches it', async (t) => {
  const { library, base, path, cid } = await withFile(t, 3_600_000);
  const { hashed } = library.stats;
  await link(path, join(base, 'elsewhere.bin'));
  assert.deepEqual(await joined(library.read(cid)), sample(2 * MiB + 7));
  await until(() => library.stats.hashed === hashed + 1);
  assert.deepEqual(await joined(library.read(cid)), sample(2 * MiB + 7));
  assert.deepEqual([library.list()[0]?.cid, library.stats.hashed], [cid, hashed + 1]);
});

test('an index without times of change is believed, and has them from then on', async (t) => {
  const { library, base, cid } = await withFile(t, 0);
  await library.close();
  const rows = (change: string): unknown => {
    const db = new DatabaseSync(join(base, 'data/index.db'));
    if (change !== '') db.exec(change);
    const row = db.prepare('SELECT identity FROM file').get()?.['identity'];
    db.close();
    return row;
  };
  const identity = String(rows(''));
  const old = identity.split(':').slice(0, 3).join(':');
  assert.equal(rows(`UPDATE file SET identity = '${old}'`), old);
  const again = await opened(t, base, { rescanMs: 0 });
  assert.deepEqual([again.library.stats.hashed, again.library.list()[0]?.cid], [0, cid]);
  await again.library.close();
  assert.equal(rows(''), identity);
});

test('a small file is read at once only as it was hashed; what became of it says the read of its block', async (t) => {
  const base = await folder(t);
  const [small, large] = [join(base, 'shared/kecil.txt'), join(base, 'shared/besar.bin')];
  await file(small, Buffer.from('isi'));
  await file(large, sample(MiB));
  const { library } = await opened(t, base, { rescanMs: 0 });
  const cidOf = (name: string): string => library.list().find((one) => one.name === name)?.cid ?? '';
  const [cid, other] = [cidOf('kecil.txt'), cidOf('besar.bin')];
  const into = new Uint8Array(8);
  assert.equal(library.readNow(cid, 0, into), 3);
  assert.equal(Buffer.from(into).toString('latin1', 0, 3), 'isi');
  assert.equal(library.readNow(cid, 1, into), null, 'it has one block');
  assert.equal(library.readNow(cid, 0, into.subarray(0, 2)), null, 'no room');
  assert.equal(library.readNow(other, 0, new Uint8Array(MiB)), null, 'a large one');
  assert.equal(library.readNow('bafkreinobody', 0, into), null);
  await utimes(small, PAST, PAST);
  const changed = await open(small, 'r+');
  await changed.write('XXX');
  await changed.close();
  assert.equal(library.readNow(cid, 0, into), null);
  await assert.rejects(library.readBlock(cid, 0), { code: 'SOURCE_CHANGED' });
});
