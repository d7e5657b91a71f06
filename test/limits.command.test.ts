import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { settledFile, temporaryFolder } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { start } from './support/run.ts';

test('kelana limits shows and changes the limits of a running node, and keeps what it shall', async (t) => {
  const cwd = await temporaryFolder(t);
  const args = ['node', '--json', '--port', '0', '--host', '127.0.0.1', '--log', 'none', '--log-db', 'none'];
  const node = start(t, [...args, '--download-limit', '2MB/s'], { cwd });
  await node.ready();
  const limits = async (
    ...more: readonly string[]
  ): Promise<Record<'up' | 'down', Record<string, unknown>>> => {
    const { code, out, err } = await inProcess(['limits', '--json', ...more], cwd);
    assert.equal(code, 0, err);
    return JSON.parse(out) as Record<'up' | 'down', Record<string, unknown>>;
  };
  const none = { movedBytesPerSecond: 0, movedBytes: 0, waiting: 0 };
  const free = { limit: 'unlimited', afterRestart: 'unlimited', bytesPerSecond: null, changesAt: null };
  const down = { limit: '2MB/s', afterRestart: '2MB/s', bytesPerSecond: 2e6, changesAt: null, ...none };
  assert.deepEqual(await limits(), { up: { ...free, ...none }, down });
  const changed = await limits('--up', '500kB/s');
  assert.deepEqual(changed, { up: { ...free, limit: '500kB/s', bytesPerSecond: 5e5, ...none }, down });
  const status = await inProcess(['status'], cwd);
  assert.match(status.out, /^upload +0 B\/s, limit 500 kB\/s$/m);
  assert.match(status.out, /^download +0 B\/s, limit 2 MB\/s$/m);
  const shown = await inProcess(['limits', '--up', '1MB/s', '--down', '3MB/s', '--save'], cwd);
  assert.match(shown.out, /^upload +1 MB\/s +0 B\/s +0 B +0 +1MB\/s$/m);
  assert.match(shown.out, /^After a restart, download: 2MB\/s, since .* goes first\.$/m);
  assert.doesNotMatch(shown.out, /restart, upload/);
  for (const bad of [['--up', '5'], ['--up', ''], ['--save'], ['--down', 'mon']]) {
    const refused = await inProcess(['limits', ...bad], cwd);
    assert.equal(refused.code, 2, bad.join(' '));
  }
  await node.end();
  const again = start(t, args, { cwd });
  await again.ready();
  assert.partialDeepStrictEqual(await limits(), { up: { limit: '1MB/s' }, down: { limit: '3MB/s' } });
});

test('a bad limit in kelana.toml is reported with its line, and one in the environment by its name', async (t) => {
  const cwd = await temporaryFolder(t);
  await settledFile(join(cwd, 'kelana.toml'), Buffer.from('[node]\nport = 0\nupload-limit = "5"\n'));
  const file = await inProcess(['node'], cwd);
  assert.equal(file.code, 2);
  assert.match(file.err, /kelana\.toml, line 3:.*'5' is no rate/);
  const given = start(t, ['node', '--port', '0'], {
    cwd: await temporaryFolder(t),
    env: { KELANA_NODE_DOWNLOAD_LIMIT: 'cepat' },
  });
  const { code, err } = await given.ended;
  assert.equal(code, 2);
  assert.match(err, /'cepat' bukan laju/);
});
