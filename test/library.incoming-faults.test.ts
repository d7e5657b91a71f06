import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openIncoming } from '../src/library/incoming.ts';
import { folder, HERE, MiB, sample } from './library.helpers.ts';
import { bitsOf, layoutOf, writerFor } from './library.incoming.helpers.ts';

/** Errors of the disk, put by strace into the calls of a real download in a process of its own. */
const STRACE = spawnSync('strace', ['-e', 'trace=none', 'true']).status === 0;

/** A download of two blocks that says how each step ended. */
function underStrace(
  t: TestContext,
  base: string,
  inject: string,
  { diskTimeoutMs = 60_000, trace = '/dev/null', gives = true } = {},
): string[] {
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
    // The start of its thread may take longer under strace than a disk may take here.
    const none = { root: '/', paths: [], sizes: [], offsets: [], digests: new Uint8Array(0) };
    const there = () => writer.look(none).then(() => true, () => false);
    while (!(await there())) await new Promise((done) => setTimeout(done, 5));
    const file = await openIncoming({ folder: '${base}', name: 'a', layout: layoutOf(bytes), writer });
    for (const at of ${gives ? '[0, 1]' : '[]'}) await told(String(at), () => give(file, at, bytes));
    await told('finish', () => file.finish());
    await told('suspend', () => file.suspend());
    await writer.close();`;
  const run = spawnSync(
    'strace',
    [
      '-f',
      '--seccomp-bpf',
      '-o',
      trace,
      '-e',
      `trace=${inject.split(':')[0] ?? ''}`,
      ...(inject.includes(':') ? ['-e', `inject=${inject}`] : []),
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
    // The next one finds both blocks, and yet writes them; then the file is on the disk before its name, and its name
    // before anybody is told.
    const trace = join(base, '.calls');
    const calls = 'pwrite64,fsync,link,linkat,rename,renameat2';
    assert.match(underStrace(t, base, calls, { trace, gives: false })[0] ?? '', /^finish .*\/a /);
    const made = (await readFile(trace, 'utf8')).split('\n');
    await rm(trace);
    const lines = (what: RegExp): number[] => made.flatMap((line, at) => (what.test(line) ? [at] : []));
    const [first, second] = [lines(new RegExp(`, ${MiB}, 0`)), lines(new RegExp(`, ${MiB}, ${MiB}`))];
    const [named = -1] = lines(/(?:link|rename).*\/a"/);
    const synced = lines(/fsync\(/);
    assert.deepEqual([first.length, second.length], [1, 1], 'each block once');
    assert.ok(
      synced.some((at) => at > Math.max(...first, ...second) && at < named),
      'the bytes before the name',
    );
    assert.ok(
      synced.some((at) => at > named),
      'the name',
    );
    assert.ok((await readFile(join(base, 'a'))).equals(sample(2 * MiB)));
    assert.deepEqual(await readdir(base), ['a']);
  },
);

test('a disk that hangs is given up in time', { skip: !STRACE && 'strace is not here' }, async (t) => {
  const base = await folder(t);
  const said = underStrace(t, base, 'pwrite64:delay_enter=3000000:when=3', { diskTimeoutMs: 200 });
  assert.match(said[1] ?? '', /^1 CANNOT_WRITE .*ETIMEDOUT: the disk does not answer.*soon$/);
});
