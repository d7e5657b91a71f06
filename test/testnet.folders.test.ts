import assert from 'node:assert/strict';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { KelanaError } from '../src/core/errors.ts';
import type { Provider } from '../src/core/ports.ts';
import { parseQuery } from '../src/core/search/query.ts';
import { memoryOf } from '../src/core/transfer/ports.ts';
import { MiB, sample, settledFile, sha256, until } from './support/basics.ts';
import { withBlocks } from './support/sessions.ts';
import { openDownloads } from '../src/cli/transfers-app.ts';
import { get, startTestnet, type TestNode } from './testnet.ts';

/** Small files in several folders, one empty, and one of three blocks. */
const FILES: Readonly<Record<string, Uint8Array>> = {
  'foto/a.jpg': sample(4_000, 1),
  'foto/b.jpg': sample(100, 2),
  'foto/lama/c.jpg': sample(70_000, 3),
  'catatan.txt': sample(10, 4),
  'kosong.txt': new Uint8Array(0),
  'video.mp4': sample(2 * MiB + 5, 5),
  ...Object.fromEntries(Array.from({ length: 300 }, (_, at) => [`banyak/${at}.bin`, sample(500 + at, at)])),
};

const HASHES = Object.fromEntries(Object.entries(FILES).map(([name, bytes]) => [name, sha256(bytes)]));

async function share(node: TestNode, files: Readonly<Record<string, Uint8Array>> = FILES): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    const path = join(node.shared, 'liburan', name);
    await mkdir(dirname(path), { recursive: true });
    await settledFile(path, bytes);
  }
  await node.library.rescan();
  await until('the folder has a CID', () => folderOf(node) !== undefined);
}

function folderOf(node: TestNode) {
  return node.library.folders().find(({ name }) => name === 'liburan');
}

/** Hash of each file by its path. */
async function below(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found[path.slice(folder.length + 1)] = sha256(await readFile(path));
  }
  return found;
}

test('a folder is found by its name and comes whole, small files and large ones', async () => {
  await using net = await startTestnet(2);
  const [asker, holder] = [net.node(0), net.node(1)];
  await share(holder);
  const got = await get(asker, 'liburan');
  assert.ok(got.type === 'saved', JSON.stringify(got));
  assert.equal(got.path, join(asker.downloads, 'liburan'));
  assert.deepEqual(await below(got.path), HASHES);
  assert.deepEqual(await readdir(asker.downloads), ['liburan']);
  // As a person types it: no dot makes a name of it, and all files in it have the word in their paths.
  const typed = await get(asker, parseQuery('liburan'), { only: ['*.txt'] });
  assert.ok(typed.type === 'saved' && typed.path === got.path, JSON.stringify(typed));
  const again = await get(asker, { kind: 'cid', cid: folderOf(holder)?.cid ?? '' });
  assert.ok(again.type === 'saved' && again.path === got.path, 'the same folder is not fetched twice');
  assert.deepEqual([got.fetched, again.fetched, again.bytes], [got.bytes, 0, got.bytes]);
});

test('of a folder only what matches a pattern comes', async () => {
  await using net = await startTestnet(2);
  await share(net.node(1));
  const got = await get(net.node(0), 'liburan', { only: ['*.jpg'] });
  assert.ok(got.type === 'saved', JSON.stringify(got));
  assert.deepEqual(Object.keys(await below(got.path)).toSorted(), [
    'foto/a.jpg',
    'foto/b.jpg',
    'foto/lama/c.jpg',
  ]);
  assert.deepEqual([got.bytes, got.fetched], [74_100, 74_100], 'of what was asked for, not of the folder');
  const more = await get(net.node(0), 'liburan', { only: ['*.jpg', '*.mp4'] });
  assert.ok(more.type === 'saved' && more.path === got.path, JSON.stringify(more));
  assert.deepEqual([more.fetched, more.bytes - more.fetched], [2 * MiB + 5, 74_100]);
  const whole = await get(net.node(0), 'liburan');
  assert.ok(whole.type === 'saved' && whole.path === got.path, JSON.stringify(whole));
  assert.equal(whole.fetched, whole.bytes - more.bytes, 'what was there is not fetched again');
  assert.deepEqual(await below(got.path), HASHES);
  const part = await get(net.node(0), 'liburan', { only: ['*.jpg'] });
  assert.ok(part.type === 'saved' && part.path === got.path && part.fetched === 0, JSON.stringify(part));
  assert.deepEqual(await readdir(net.node(0).downloads), ['liburan']);
  const none = await get(net.node(0), 'liburan', { only: ['*.tidakada'] });
  assert.ok(none.type === 'failed' && none.error.code === 'NONE_CHOSEN');
  assert.deepEqual(await readdir(net.node(0).downloads), ['liburan']);
});

test('a part that is changed while the rest comes is not called the folder: what it lacks comes again, beside it', async () => {
  await using net = await startTestnet(2);
  const [asker, holder] = [net.node(0), net.node(1)];
  const files = { 'a.jpg': sample(4_000, 1), 'b.jpg': sample(900, 2), 'video.mp4': sample(MiB + 5, 5) };
  await share(holder, files);
  const part = await get(asker, 'liburan', { only: ['*.jpg'] });
  assert.ok(part.type === 'saved', JSON.stringify(part));
  const edited = join(part.path, 'a.jpg');
  const overlay = {
    ...asker.overlay,
    open: async (provider: Provider, signal?: AbortSignal) => {
      const session = await asker.overlay.open(provider, signal);
      return withBlocks(session, async (cid, index, into) => {
        if (index === 1) await writeFile(edited, 'milik saya');
        await session.block(cid, index, into);
      });
    },
  };
  const whole = await get({ ...asker, overlay }, 'liburan');
  assert.ok(whole.type === 'saved', JSON.stringify(whole));
  assert.equal(whole.path, join(asker.downloads, 'liburan (1)'));
  const hashes = Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)]);
  assert.deepEqual(await below(whole.path), Object.fromEntries(hashes));
  assert.equal(whole.fetched, MiB + 5 + 4_000);
  assert.equal(await readFile(edited, 'utf8'), 'milik saya');
  assert.deepEqual((await readdir(asker.downloads)).toSorted(), ['liburan', 'liburan (1)']);
});

test('several who want different files of one folder at once all get theirs, in one folder', async () => {
  await using net = await startTestnet(2);
  const [asker, holder] = [net.node(0), net.node(1)];
  await share(holder);
  const folder = folderOf(holder);
  assert.ok(folder !== undefined);
  const { overlay, downloads: into, writer, offers } = asker;
  const downloads = openDownloads({
    overlay,
    folder: into,
    writer,
    offers,
    emit: (event) => void asker.events.push(event),
  });
  const { peerId: peer, port } = holder.overlay;
  const provider = { peer, label: holder.address, addresses: [`/ip4/127.0.0.1/tcp/${port}`] };
  const fetched = async (...only: string[]): Promise<void> => {
    const signal = AbortSignal.timeout(20_000);
    let files: string[] = [];
    for await (const event of downloads.fetch({ ...folder, kind: 'folder' }, [provider], signal, only))
      if (event.type === 'saved') files = Object.keys(await below(event.path));
    for (const name of only) assert.ok(files.includes(name), `${name} of ${files.join()}`);
  };
  await Promise.all([
    fetched('video.mp4'),
    fetched('catatan.txt'),
    fetched('foto/a.jpg', 'catatan.txt'),
    fetched('catatan.txt', 'foto/a.jpg'),
  ]);
  assert.deepEqual(await readdir(into), ['liburan']);
  const names = ['catatan.txt', 'foto/a.jpg', 'video.mp4'];
  const expected = Object.fromEntries(names.map((name) => [name, HASHES[name]]));
  assert.deepEqual(await below(join(into, 'liburan')), expected);
});

test('with one holder that lies and one that has changed, the third gives the folder', async () => {
  await using net = await startTestnet(4, { topology: 'star' });
  const [asker, liar, changed, honest] = [net.node(0), net.node(1), net.node(2), net.node(3)];
  for (const node of [liar, changed, honest]) await share(node);
  for (const name of Object.keys(FILES)) await writeFile(join(changed.shared, 'liburan', name), 'lain');
  const overlay = {
    ...asker.overlay,
    open: async (provider: Provider, signal?: AbortSignal) => {
      const session = await asker.overlay.open(provider, signal);
      if (session.peer !== liar.overlay.peerId) return session;
      const block: typeof session.block = async (cid, index, into) => {
        await session.block(cid, index, into);
        const memory = memoryOf(into);
        memory[0] = (memory[0] ?? 0) ^ 1;
      };
      return { ...withBlocks(session, block), label: 'long ago' };
    },
  };
  const got = await get({ ...asker, overlay }, 'liburan', { want: 3 });
  assert.ok(got.type === 'saved', JSON.stringify(got));
  assert.deepEqual(await below(got.path), HASHES);
  const told = asker.events.find((event) => event.type === 'error' && event.code === 'BAD_BLOCK');
  // Where the honest one was found first, the liar is not asked.
  if (told?.type === 'error') assert.notEqual(told.params?.['peer'], 'long ago');
});

test('where nobody has the right bytes nothing appears, and what is told is why', async () => {
  await using net = await startTestnet(2);
  const [asker, holder] = [net.node(0), net.node(1)];
  await share(holder);
  const cid = folderOf(holder)?.cid ?? '';
  for (const name of Object.keys(FILES)) await writeFile(join(holder.shared, 'liburan', name), 'lain');
  const got = await get(asker, { kind: 'cid', cid });
  assert.ok(got.type === 'failed', JSON.stringify(got));
  assert.equal(got.error.code, 'SOURCE_CHANGED');
  assert.deepEqual(
    (await readdir(asker.downloads)).filter((name) => !name.startsWith('.kelana')),
    [],
  );
});

test('a folder whose holder has another version by now is told as changed, with its file, small or large', async () => {
  await using net = await startTestnet(3, { topology: 'star' });
  const holder = net.node(0);
  await share(holder);
  for (const [asker, name] of [
    [net.node(1), 'catatan.txt'],
    [net.node(2), 'video.mp4'],
  ] as const) {
    const [file] = holder.library.lookup({ kind: 'name', name });
    const overlay = {
      ...asker.overlay,
      open: async (provider: Provider, signal?: AbortSignal) => {
        const session = await asker.overlay.open(provider, signal);
        const gone = new KelanaError('TRANSFER_FAILED', {
          name: file?.cid ?? '',
          why: 'x',
          refusal: 'not-here',
        });
        return withBlocks(session, async (cid, index, into) => {
          if (cid === file?.cid) throw gone;
          await session.block(cid, index, into);
        });
      },
    };
    const got = await get({ ...asker, overlay }, 'liburan');
    assert.ok(got.type === 'failed', JSON.stringify(got));
    assert.equal(got.error.code, 'SOURCE_CHANGED');
    assert.match(got.error.message, new RegExp(name));
  }
});

test('a holder that is busy or breaks off is waited for, and gives the folder then', async () => {
  await using net = await startTestnet(2);
  const [asker, holder] = [net.node(0), net.node(1)];
  await share(holder);
  let asked = 0;
  let opened = 0;
  const overlay = {
    ...asker.overlay,
    open: async (provider: Provider, signal?: AbortSignal) => {
      opened += 1;
      const session = await asker.overlay.open(provider, signal);
      const first = opened === 1;
      return withBlocks(session, async (cid, index, into) => {
        asked += 1;
        if (first && asked > 20)
          throw new KelanaError('TRANSFER_FAILED', { name: cid, why: 'busy', refusal: 'busy' });
        if (asked > 60 && asked < 65)
          throw new KelanaError('TRANSFER_FAILED', { name: session.label, why: 'EOF' });
        await session.block(cid, index, into);
      });
    },
  };
  const got = await get({ ...asker, overlay }, 'liburan');
  assert.ok(got.type === 'saved', JSON.stringify(got));
  assert.deepEqual(await below(got.path), HASHES);
  assert.ok(opened >= 3, `opened ${opened} times`);
});

test('a forged listing counts against who sent it, not against those who waited for it', async () => {
  await using net = await startTestnet(3, { topology: 'star' });
  const [asker, forger, honest] = [net.node(0), net.node(1), net.node(2)];
  for (const node of [forger, honest]) await share(node);
  const lied: string[] = [];
  const overlay = {
    ...asker.overlay,
    liar: (peer: string) => lied.push(peer),
    open: async (provider: Provider, signal?: AbortSignal) => {
      const session = await asker.overlay.open(provider, signal);
      if (session.peer !== forger.overlay.peerId) return session;
      const manifest = (): Promise<readonly Uint8Array[]> => Promise.resolve([sample(100, 9)]);
      return { ...withBlocks(session, (...how) => session.block(...how)), manifest };
    },
  };
  const got = await get({ ...asker, overlay }, 'liburan', { want: 2 });
  assert.ok(got.type === 'saved', JSON.stringify(got));
  assert.deepEqual(await below(got.path), HASHES);
  assert.ok(
    lied.every((peer) => peer === forger.overlay.peerId),
    'the honest one is no liar',
  );
});

test('empty folders come too, and what came has the CID that was asked for', async () => {
  await using net = await startTestnet(2);
  const [asker, holder] = [net.node(0), net.node(1)];
  await mkdir(join(holder.shared, 'liburan', 'hampa', 'dalam'), { recursive: true });
  await share(holder, { 'foto/a.jpg': sample(4_000, 1), 'catatan.txt': sample(10, 4) });
  const cid = folderOf(holder)?.cid ?? '';
  const got = await get(asker, { kind: 'cid', cid });
  assert.ok(got.type === 'saved', JSON.stringify(got));
  assert.deepEqual(await readdir(join(got.path, 'hampa')), ['dalam']);
  await cp(got.path, join(asker.shared, 'liburan'), { recursive: true });
  for (const name of Object.keys(await below(got.path)))
    await settledFile(join(asker.shared, 'liburan', name), await readFile(join(got.path, name)));
  await asker.library.rescan();
  await until('it is shared under the same CID', () => folderOf(asker)?.cid === cid);
});
