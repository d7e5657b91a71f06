import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { LIBRARY } from '../src/core/config.ts';
import { Hasher } from '../src/library/hasher.ts';
import { child, cidOfBytes, file, folder, MiB, opened, sample } from './library.helpers.ts';

test('a scan that is killed in the middle goes on where it was', async (t) => {
  const base = await folder(t);
  const count = 3_000;
  for (let at = 0; at < count; at += 1)
    await file(join(base, `shared/${at % 30}/${at}.txt`), `content ${at}`);
  const { library: empty, data, shared } = await opened(t, base, { roots: [] });
  await empty.close();
  const scanning = child(
    t,
    `import { openLibrary } from '../src/library/library.ts';
     const library = await openLibrary({ roots: ['${shared}'], dataDir: '${data}', rescanMs: 0 });
     const look = setInterval(() => {
       if (library.list().length < ${count / 2}) return;
       clearInterval(look);
       console.log(library.list().length);
     }, 1);`,
  );
  const known = await new Promise<number>((resolve) => {
    scanning.stdout?.once('data', (line: Buffer) => {
      scanning.kill('SIGKILL');
      resolve(Number(line.toString()));
    });
  });
  await new Promise((resolve) => scanning.once('close', resolve));
  const { library } = await opened(t, base);
  assert.equal(library.list().length, count);
  const { hashed } = library.stats;
  assert.ok(hashed <= count - known + LIBRARY.indexBatch, `${hashed} of ${count} again, ${known} were known`);
});

test('many files of all sizes are hashed in threads, and each has the CID of its bytes', async (t) => {
  const base = await folder(t);
  const sizes = [0, 1, 100, LIBRARY.hashBytes, LIBRARY.hashBytes + 1, MiB - 1, MiB, MiB + 1, 5 * MiB + 3];
  const files = Array.from({ length: 150 }, (_, at) => sample(sizes[at % sizes.length] ?? 0, at + 1));
  for (const [at, bytes] of files.entries()) await file(join(base, `${at}`), bytes);
  const hasher = new Hasher(2);
  const cids = await Promise.all(
    files.map(async (bytes, at) => {
      const hashed = await hasher.hash(join(base, `${at}`), bytes.length, { here: at % 3 === 0 });
      return typeof hashed === 'string' ? hashed : hashed.cid;
    }),
  );
  assert.deepEqual(cids, files.map(cidOfBytes));
  assert.equal(hasher.busy, 0);
  assert.equal(
    hasher.bytes,
    files.reduce((sum, { length }) => sum + length, 0),
  );
  await assert.rejects(hasher.hash(join(base, 'none'), 5), { code: 'ENOENT' });
  assert.equal(await hasher.hash(base, 5), 'special');
  const left = hasher.hash(join(base, '8'), 5 * MiB);
  await hasher.close();
  assert.ok(
    ['changing', 'object'].includes(await left.then((one) => (typeof one === 'string' ? one : 'object'))),
  );
  assert.equal(await hasher.hash(join(base, '1'), 1), 'changing');
});
