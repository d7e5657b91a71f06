import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { sample, until } from './support/basics.ts';
import { get, startTestnet } from './testnet.ts';

test('a small file that is asked for with its search comes whole, over nothing, and from who has it only', async () => {
  const bytes = sample(70_000, 3);
  await using net = await startTestnet(2, { files: { 1: { 'kecil.bin': bytes, 'lain.bin': sample(9, 4) } } });
  const [asker, holder] = [net.node(0), net.node(1)];
  const { cid } = holder.library.list().find(({ name }) => name === 'kecil.bin') ?? { cid: '' };
  const query = { kind: 'cid', cid } as const;
  const how = { strategy: 'groups' } as const;
  await until('the prints of both', () => asker.overlay.prints().members === 2);
  const first = await get(asker, query, how);
  assert.ok(first.type === 'saved' && !first.local);
  assert.deepEqual(await readFile(first.path), Buffer.from(bytes));
  assert.deepEqual(await readdir(asker.downloads), ['kecil.bin']);
  // What the search was shown is what the download has.
  assert.equal(holder.overlay.traffic().up.bytes, bytes.length);
  // Its name belongs to another file now.
  await writeFile(first.path, 'lain');
  const second = await get(asker, query, how);
  assert.ok(second.type === 'saved');
  assert.equal(second.path, join(asker.downloads, 'kecil (1).bin'));
  // What its holder has no more: it says so, or refuses, and nothing is left of what was begun.
  await rm(join(holder.shared, 'kecil.bin'));
  await rm(second.path);
  const third = await get(asker, query, how);
  assert.notEqual(third.type, 'saved');
  assert.deepEqual(await readdir(asker.downloads), ['kecil.bin']);
});
