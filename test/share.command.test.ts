import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { settledFile, temporaryFolder, until } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { start, type Run } from './support/run.ts';

const QUIET = ['--log', 'none', '--log-db', 'none', '--json'];

async function node(t: TestContext, cwd: string, ...more: readonly string[]): Promise<Run> {
  const run = start(t, ['node', '--host', '127.0.0.1', '--port', '0', ...QUIET, ...more], { cwd });
  await run.ready();
  return run;
}

const json = (out: string): Record<string, Record<string, unknown>[]> =>
  JSON.parse(out) as Record<string, Record<string, unknown>[]>;

test('folders and files are shared and unshared while a node runs, and its next start remembers', async (t) => {
  const cwd = await temporaryFolder(t);
  await settledFile(join(cwd, 'dokumen/a.txt'), 'isi a');
  await settledFile(join(cwd, 'dokumen/dalam/b.txt'), 'isi b');
  await settledFile(join(cwd, 'laporan.pdf'), 'laporan');
  await settledFile(join(cwd, 'shared/ada.txt'), 'ada');
  const first = await node(t, cwd);

  const shared = await inProcess(['share', 'dokumen', 'laporan.pdf', '--json'], cwd);
  assert.equal(shared.code, 0, shared.err);
  const [folder, file] = json(shared.out)['shared'] ?? [];
  assert.equal(folder?.['path'], join(cwd, 'dokumen'));
  assert.equal(folder?.['files'], 2);
  assert.equal(folder?.['bytes'], 10);
  assert.match(String(folder?.['cid']), /^bafybei/);
  assert.equal(file?.['path'], join(cwd, 'laporan.pdf'));
  assert.match(String(file?.['cid']), /^bafkrei/);

  const said = await inProcess(['share', 'dokumen'], cwd);
  assert.match(said.out, /^Shared: .*dokumen \(2 files, 10 B\)\n {2}bafybei/);
  const list = await inProcess(['share'], cwd);
  assert.match(list.out, /shared +1 file  .*--share +bafybei/);
  assert.match(list.out, /dokumen +2 files .*kelana share +bafybei/);

  const ls = await inProcess(['ls'], cwd);
  for (const line of [/^dalam\/b\.txt /m, /^dalam\/ .*bafybei/m, /^dokumen\/ .*bafybei/m, /^laporan\.pdf /m])
    assert.match(ls.out, line);
  const found = await inProcess(['find', String(folder?.['cid']), '--json'], cwd);
  const [hit] = found.out.split('\n');
  const { kind, files, name } = JSON.parse(hit ?? '') as Record<string, unknown>;
  assert.deepEqual([kind, files, name], ['folder', 2, 'dokumen']);
  await first.end();

  const second = await node(t, cwd);
  const again = json((await inProcess(['share', '--json'], cwd)).out)['shares'] ?? [];
  assert.deepEqual(
    again.map(({ path, kept, files: count }) => [path, kept, count]),
    [
      [join(cwd, 'shared'), false, 1],
      [join(cwd, 'dokumen'), true, 2],
      [join(cwd, 'laporan.pdf'), true, 1],
    ],
  );
  const unshared = await inProcess(['unshare', 'dokumen', 'laporan.pdf', 'shared'], cwd);
  assert.equal(unshared.code, 0, unshared.err);
  assert.match(unshared.out, /Shared no more: .*dokumen\n/);
  assert.match(unshared.out, /Shared again when the node starts/);
  assert.match((await inProcess(['ls'], cwd)).out, /No files yet/);
  assert.deepEqual(JSON.parse(await readFile(join(cwd, '.kelana/shares.json'), 'utf8')), []);
  await second.end();
});

test('what cannot be shared is told, and the rest is shared all the same', async (t) => {
  const cwd = await temporaryFolder(t);
  await settledFile(join(cwd, 'baik/a.txt'), 'a');
  await node(t, cwd);
  const { code, out, err } = await inProcess(
    ['share', 'tidak-ada', '.kelana', '.kelana/identity.key', 'baik'],
    cwd,
  );
  assert.equal(code, 2);
  assert.match(err, /tidak-ada' does not exist/);
  assert.match(err, /it is the data folder, where keys are kept/);
  assert.match(out, /Shared: .*baik/);
  const none = await inProcess(['unshare', 'tidak-ada'], cwd);
  assert.equal(none.code, 3);
  assert.match(none.out, /Not shared: /);
  const usage = await inProcess(['unshare'], cwd);
  assert.equal(usage.code, 2);
  const alone = await inProcess(['share', 'baik'], await temporaryFolder(t));
  assert.equal(alone.code, 1);
  assert.match(alone.err, /kelana node/);
});

test('a shared folder that is away does not keep a node from starting, and comes back', async (t) => {
  const cwd = await temporaryFolder(t);
  await settledFile(join(cwd, 'stick/a.txt'), 'a');
  await symlink(join(cwd, 'stick'), join(cwd, 'link'));
  const first = await node(t, cwd);
  const { code } = await inProcess(['share', 'link'], cwd);
  assert.equal(code, 0);
  await first.end();
  await rename(join(cwd, 'stick'), join(cwd, 'away'));
  await node(t, cwd);
  const list = await inProcess(['share'], cwd);
  assert.match(list.out, /stick .* not there now/);
  await rename(join(cwd, 'away'), join(cwd, 'stick'));
  await until('the file', async () => /a\.txt/.test((await inProcess(['ls'], cwd)).out));
  await rm(join(cwd, 'stick'), { recursive: true });
  await mkdir(join(cwd, 'other'));
  const gone = await inProcess(['unshare', 'stick'], cwd);
  assert.match(gone.out, /Shared no more: .*stick/);
});
