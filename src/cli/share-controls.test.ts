import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { openLibrary } from '../library/library.ts';
import { Shares } from '../library/shares.ts';
import { shareControls } from './share-controls.ts';

async function opened(t: TestContext) {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'kelana-share-')));
  for (const name of ['data', 'given', 'more']) await mkdir(join(base, name));
  for (let at = 0; at < 300; at += 1) {
    const folder = join(base, 'more', String(at % 100));
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${at}.txt`), `isi ${at}`);
  }
  const shares = await Shares.open(join(base, 'data', 'shares.json'));
  const library = await openLibrary({
    roots: [join(base, 'given')],
    dataDir: join(base, 'data'),
    rescanMs: 0,
  });
  t.after(async () => {
    await library.close();
    await rm(base, { recursive: true, force: true });
  });
  await library.ready;
  return { base, library, shares, controls: shareControls(library, shares) };
}

test('who leaves during the first scan has it kept, and can take it back while it goes on', async (t) => {
  const { base, library, shares, controls } = await opened(t);
  const more = join(base, 'more');
  const leave = new AbortController();
  const events = controls.share(more, leave.signal)[Symbol.asyncIterator]();
  const first = await events.next();
  assert.equal(first.done === true ? '' : first.value.type, 'scan');
  assert.deepEqual(shares.list(), [more], 'also where the node ends now');
  leave.abort();
  assert.equal((await events.next()).done, true);
  assert.deepEqual(await controls.unshare(more), { path: more, removed: true, returns: false });
  await library.rescan();
  assert.deepEqual(shares.list(), []);
  assert.deepEqual(JSON.parse(await readFile(join(base, 'data', 'shares.json'), 'utf8')), []);
  assert.deepEqual(library.list(), []);
  assert.deepEqual(
    library.folders().map(({ name }) => name),
    ['given'],
  );
});

test('what the start names comes back with the next one, also where it was shared by command too', async (t) => {
  const { base, controls } = await opened(t);
  const given = join(base, 'given');
  for await (const event of controls.share(given, new AbortController().signal))
    if (event.type === 'failed') throw event.error;
  assert.deepEqual(await controls.unshare(given), { path: given, removed: true, returns: true });
});

test('who shares what another takes back meanwhile is told so', async (t) => {
  const { base, controls } = await opened(t);
  const more = join(base, 'more');
  const events = controls.share(more, new AbortController().signal)[Symbol.asyncIterator]();
  await events.next();
  await controls.unshare(more);
  await assert.rejects(
    async () => {
      while ((await events.next()).done !== true);
    },
    { code: 'SHARE_ENDED' },
  );
});
