import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openIncoming } from '../src/library/incoming.ts';
import { folder, HERE, MiB, sample } from './library.helpers.ts';
import { bitsOf, layoutOf, writerFor } from './library.incoming.helpers.ts';

/** Errors of the disk, put by strace into the calls of a real download in a process of its own. */
const STRACE = spawnSync('strace', ['-e', 'trace=none', 'true']).status === 0;

/** A download of two blocks that says how each step ended. */
function underStrace(t: TestContext, base: string, inject: string, diskTimeoutMs = 60_000): string[] {
  const source = `
    import { openIncoming } from '../src/library/incoming.ts';
    import { Writer } from '../src/library/writer.ts';
    import { give, layoutOf } from './library.incoming.helpers.ts';
    import { sample } from './library.helpers.ts';
    const told = async (name, work) => {
      const began = performance.now();
      const how = await work().catch((thrown) => thrown.code + ' ' + thrown.message);
      console.log(name, how, performance.now() - began < 1500 ? 'soon' : 'late');
    };
    const bytes = sample(${2 * MiB});
    const writer = new Writer({ diskTimeoutMs: ${diskTimeoutMs} });
    const file = await openIncoming({ folder: '${base}', name: 'a', layout: layoutOf(bytes), writer });
    await told('0', () => give(file, 0, bytes));
    await told('1', () => give(file, 1, bytes));
    await told('finish', () => file.finish());
    await told('suspend', () => file.suspend());
    await writer.close();`;
  const run = spawnSync(
    'strace',
    [
      '-f',
      '--seccomp-bpf',
      '-o',
      '/dev/null',
      '-e',
      `trace=${inject.split(':')[0] ?? ''}`,
      '-e',
      `inject=${inject}`,
    ].concat([process.execPath, '--input-type=module-typescript', '--eval', source]),
    { cwd: HERE, encoding: 'utf8', timeout: 60_000 },
  );
  if (run.status !== 0) t.diagnostic(run.stderr);
  return run.stdout.split('\n').filter(Boolean);
}

test(
  'a write that fails (EIO) is said, and the block is fetched again',
  { skip: !STRACE && 'strace is not here' },
  async (t) => {
    const base = await folder(t);
    // Counted in each thread: 1 and 2 are the first block and its bit.
    const said = underStrace(t, base, 'pwrite64:error=EIO:when=3');
    assert.match(said[0] ?? '', /^0 true/);
    assert.match(said[1] ?? '', /^1 CANNOT_WRITE .*EIO: the disk reports a fault/);
    assert.match(said[2] ?? '', /^finish TRANSFER_FAILED/);
    const writer = writerFor(t);
    const bytes = sample(2 * MiB);
    const again = await openIncoming({ folder: base, name: 'a', layout: layoutOf(bytes), writer });
    assert.deepEqual(bitsOf(again.have, 2), [0]);
    await again.abort();
    assert.deepEqual(await readdir(base), []);
  },
);

test(
  'an fsync that fails gives nothing its name, and all is written once more',
  { skip: !STRACE && 'strace is not here' },
  async (t) => {
    const base = await folder(t);
    const said = underStrace(t, base, 'fsync:error=EIO:when=1');
    assert.match(said[2] ?? '', /^finish CANNOT_WRITE .*EIO/);
    const layout = layoutOf(sample(2 * MiB));
    // Without its bitmap, whoever goes on writes each right block again before it counts.
    assert.deepEqual(await readdir(base), [`.kelana-${layout.root}.part`]);
    const writer = writerFor(t);
    const again = await openIncoming({ folder: base, name: 'a', layout, writer });
    assert.deepEqual(bitsOf(again.have, 2), [0, 1]);
    const path = await again.finish();
    assert.equal(path, join(base, 'a'));
    assert.ok((await readFile(path)).equals(sample(2 * MiB)));
    assert.deepEqual(await readdir(base), ['a']);
  },
);

test('a disk that hangs is given up in time', { skip: !STRACE && 'strace is not here' }, async (t) => {
  const base = await folder(t);
  const said = underStrace(t, base, 'pwrite64:delay_enter=3000000:when=3', 200);
  assert.match(said[1] ?? '', /^1 CANNOT_WRITE .*ETIMEDOUT: the disk does not answer.*soon$/);
});
