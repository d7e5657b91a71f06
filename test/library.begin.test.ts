import assert from 'node:assert/strict';
import fs, { closeSync, fstatSync, statfsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { beginNow, type BeginAsk } from '../src/library/begin-now.ts';
import { claimBegun, partNames } from '../src/library/claims.ts';
import { beginIncoming, openIncoming } from '../src/library/incoming.ts';
import { fails, folder, MiB, sample, until } from './library.helpers.ts';
import { give, layoutOf, writerFor, poison } from './library.incoming.helpers.ts';

const bytes = sample(1000);
const layout = layoutOf(bytes);
const { part, prefix } = partNames(layout.root);

/** What this process has open in a folder, removed or not; nothing where the system does not tell. */
async function openIn(base: string): Promise<readonly string[]> {
  const numbers = await readdir('/proc/self/fd').catch(() => []);
  const paths = numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => ''));
  return (await Promise.all(paths)).filter((path) => path.startsWith(`${base}/`));
}

function askFor(base: string, more: Partial<BeginAsk> = {}): BeginAsk {
  return { folder: base, name: 'a', part, prefix, bitmap: null, size: bytes.length, ...more };
}

test('a plain beginning makes the part, and its bitmap where there is one', async (t) => {
  const base = await folder(t);
  const begun = beginNow(askFor(base, { bitmap: { name: `${prefix}.have`, bytes: sample(200) } }));
  assert.ok(begun !== null && begun.bitsFd !== null);
  assert.equal(begun.folder, base);
  assert.equal(fstatSync(begun.fd).size, bytes.length);
  assert.deepEqual((await readdir(base)).toSorted(), [part, `${prefix}.have`].toSorted());
  assert.deepEqual(await readFile(join(base, `${prefix}.have`)), Buffer.from(sample(200)));
  closeSync(begun.fd);
  closeSync(begun.bitsFd);
});

const others: Readonly<Record<string, (base: string) => Promise<unknown>>> = {
  'its name is taken': (base) => writeFile(join(base, 'a'), bytes),
  'its name is a link that points nowhere': (base) => symlink(join(base, 'nothing'), join(base, 'a')),
  'a part waits to be gone on with': (base) => writeFile(join(base, `${prefix}.part`), bytes),
  'a living process has one': (base) => writeFile(join(base, `${prefix}-1-1.part`), bytes),
  'this process has one': (base) => writeFile(join(base, part), bytes),
  'a bitmap was left': (base) => writeFile(join(base, `${prefix}.have`), bytes),
};
for (const [what, make] of Object.entries(others))
  test(`where ${what} nothing is begun, and nothing changes`, async (t) => {
    const base = await folder(t);
    await make(base);
    const before = await readdir(base);
    assert.equal(beginNow(askFor(base)), null);
    assert.deepEqual(await readdir(base), before);
  });

test('without the folder, room for the file, or a disk that takes all, nothing is begun and nothing stays', async (t) => {
  const base = await folder(t);
  assert.equal(beginNow(askFor(join(base, 'none'))), null);
  assert.equal(beginNow(askFor(base, { size: Number.MAX_SAFE_INTEGER })), null);
  const { bavail, bsize } = statfsSync(base);
  assert.equal(beginNow(askFor(base, { size: bavail * bsize + 2 ** 36 })), null);
  // The part is there when the bitmap cannot be made.
  const bitmap = { name: 'none/bitmap', bytes };
  assert.equal(beginNow(askFor(base, { bitmap })), null);
  await writeFile(join(base, 'file'), '');
  assert.equal(beginNow(askFor(join(base, 'file'))), null);
  assert.deepEqual(await readdir(base), ['file']);
});

test('of two that begin at the same moment the one that sees the other steps back, and leaves nothing', async (t) => {
  const base = await folder(t);
  const rival = join(base, `${prefix}-1-1.part`);
  const { openSync } = fs;
  // The other begins between the first look of this one and its part.
  const mocked = t.mock.method(fs, 'openSync', (...args: Parameters<typeof openSync>) => {
    closeSync(openSync(rival, 'w'));
    return openSync(...args);
  });
  syncBuiltinESMExports();
  try {
    assert.equal(beginNow(askFor(base)), null);
  } finally {
    mocked.mock.restore();
    syncBuiltinESMExports();
  }
  assert.deepEqual(await readdir(base), [`${prefix}-1-1.part`]);
  assert.deepEqual(await openIn(base), []);
});

test('what is not plain is not begun ahead, and opened step by step', async (t) => {
  const [base, writer] = [await folder(t), writerFor(t)];
  const options = { folder: base, name: 'a', layout, writer };
  for (const more of [{ name: '../' }, { preallocate: true }]) {
    const begun = await beginIncoming({ ...options, ...more }).catch((thrown: unknown) => thrown);
    assert.ok(begun === null || fails('BAD_NAME')(begun));
  }
  await writeFile(join(base, 'a'), 'another');
  assert.equal(await beginIncoming(options), null);
  const opened = await openIncoming(options);
  await give(opened, 0, bytes);
  assert.equal(await opened.finish(), join(base, 'a (1)'));
});

test('a part that is begun is nobody else’s until it is let go of', async (t) => {
  const [base, writer] = [await folder(t), writerFor(t)];
  const options = { folder: base, name: 'a', layout, writer };
  const begun = await beginIncoming(options);
  assert.ok(begun !== null);
  assert.equal(await beginIncoming(options), null);
  await assert.rejects(openIncoming(options), fails('DOWNLOAD_BUSY'));
  assert.equal(claimBegun(base, layout.root), null);
  await begun.abort();
  assert.deepEqual(await readdir(base), []);
  const again = await openIncoming({ ...options, writer: writerFor(t) });
  assert.ok(await give(again, 0, bytes));
  await again.finish();
  assert.deepEqual(await readdir(base), ['a']);
});

test('through a link to the folder, and with several blocks, it ends as the file and nothing else', async (t) => {
  const [base, writer] = [await folder(t), writerFor(t)];
  await mkdir(join(base, 'in'));
  await symlink(join(base, 'in'), join(base, 'link'));
  const large = sample(2 * MiB + 1);
  const options = { folder: join(base, 'link'), name: 'a', layout: layoutOf(large), writer };
  const begun = await beginIncoming(options);
  assert.ok(begun !== null);
  assert.ok(await give(begun, 2, large));
  await begun.suspend();
  const names = await readdir(join(base, 'in'));
  assert.deepEqual(names.map((name) => name.replace(/.*\./, '')).toSorted(), ['have', 'part']);
  const resumed = await openIncoming(options);
  assert.deepEqual([...resumed.have], [4]);
  for (const index of [0, 1]) assert.ok(await give(resumed, index, large));
  assert.equal(await resumed.finish(), join(base, 'in', 'a'));
  assert.deepEqual(await readdir(join(base, 'in')), ['a']);
  assert.ok((await readFile(join(base, 'in', 'a'))).equals(large));
});

test('the thread may end between the beginning and the first block', async (t) => {
  const [base, writer] = [await folder(t), writerFor(t)];
  const begun = await beginIncoming({ folder: base, name: 'a', layout, writer });
  assert.ok(begun !== null);
  // It throws on what no file can be, and starts anew with the next block: the descriptor outlives it.
  const poisoned = poison(writer);
  await assert.rejects(give(begun, 0, bytes), fails('CANNOT_WRITE'));
  await writer.forget(poisoned);
  assert.ok(await give(begun, 0, bytes));
  assert.ok((await readFile(await begun.finish())).equals(bytes));
});

test('a thread that dies over a beginning is none, and the next one begins', async (t) => {
  const [base, writer] = [await folder(t), writerFor(t)];
  const options = { folder: base, name: 'a', layout, writer };
  // Nothing that a file can be: the thread throws on it before it comes to the beginning.
  const poisoned = poison(writer);
  assert.equal(await beginIncoming(options), null);
  await writer.forget(poisoned);
  const begun = await beginIncoming(options);
  assert.ok(begun !== null);
  assert.ok(await give(begun, 0, bytes));
  assert.equal(await begun.finish(), join(base, 'a'));
});

test('a beginning that a hanging disk answers too late leaves nothing', async (t) => {
  const [base, other] = [await folder(t), await folder(t)];
  const writer = writerFor(t, { diskTimeoutMs: 5 });
  const blocks = 96;
  const slow = await open(join(other, 'slow'), 'w+');
  t.after(() => slow.close());
  const file = writer.open({
    fd: slow.fd,
    bitsFd: null,
    bitsAt: 0,
    have: new SharedArrayBuffer(blocks / 8),
    digests: new SharedArrayBuffer(32 * blocks),
    size: blocks * MiB,
    blockBytes: MiB,
  });
  const busy = assert.rejects(writer.reserve(file, 0, blocks), { code: 'ETIMEDOUT' });
  // Behind what the thread is still at.
  const two = sample(MiB + 1);
  const options = { folder: base, name: 'a', layout: layoutOf(two), writer };
  await assert.rejects(openIncoming(options), fails('CANNOT_WRITE'));
  await busy;
  // Answers come in the order of the questions: once there is one, the late one was there too.
  await until(async () => (await writer.forget(file).catch(() => 'hangs')) === undefined);
  await until(async () => (await readdir(base)).length === 0 && (await openIn(base)).length === 0);
  const again = await openIncoming({ ...options, writer: writerFor(t) });
  for (const index of [0, 1]) assert.ok(await give(again, index, two));
  await again.finish();
  assert.deepEqual(await readdir(base), ['a']);
});
