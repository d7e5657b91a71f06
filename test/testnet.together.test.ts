import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { afterwards, MiB, sample, settledFile, sha256, temporaryFolder, until } from './support/basics.ts';
import { get, startTestNode, type TestNode } from './testnet.ts';

/** A holder that sends at most so many bytes a second, and nodes that know nobody but it. */
async function around(t: TestContext, askers: number, rate: number, files: Record<string, Uint8Array>) {
  const base = await temporaryFolder(t);
  for (const [name, bytes] of Object.entries(files))
    await settledFile(join(base, 'seed', 'shared', name), bytes);
  const start = async (name: string, peers: readonly string[], limit: number | null): Promise<TestNode> => {
    const overlay = { uploadLimit: () => limit };
    const node = await startTestNode({ folder: join(base, name), peers, overlay });
    afterwards(t, () => node.close());
    await node.overlay.settled(AbortSignal.timeout(10_000));
    return node;
  };
  const seed = await start('seed', [], rate);
  const nodes: TestNode[] = [];
  for (let at = 0; at < askers; at += 1) nodes.push(await start(`asker${at}`, [seed.address], null));
  return { seed, nodes };
}

test('three who fetch one file at once give each other what they have: the holder sends far less than three copies', async (t) => {
  const bytes = Buffer.concat(Array.from({ length: 32 }, (_, at) => sample(MiB, at + 1)));
  const { seed, nodes } = await around(t, 3, 10e6, { 'besar.bin': bytes });
  const got = await Promise.all(nodes.map((node) => get(node, 'besar.bin')));
  for (const one of got) {
    assert.ok(one.type === 'saved', JSON.stringify(one));
    assert.equal(sha256(await readFile(one.path)), sha256(bytes));
  }
  const copies = seed.overlay.traffic().up.bytes / bytes.length;
  t.diagnostic(`the holder sent ${copies.toFixed(2)} copies for 3 askers`);
  assert.ok(copies < 2.4, `${copies} copies`);
});

test('three who fetch one folder at once give each other its files, small ones and large ones', async (t) => {
  const files: Record<string, Uint8Array> = {};
  for (let at = 0; at < 200; at += 1) files[`foto/kecil/${at}.bin`] = sample(32_000, at + 1);
  files['foto/besar.bin'] = Buffer.concat(Array.from({ length: 14 }, (_, at) => sample(MiB, at + 7)));
  const { seed, nodes } = await around(t, 3, 8e6, files);
  await until('the folder has a CID', () => seed.library.folders().some(({ name }) => name === 'foto'));
  const got = await Promise.all(nodes.map((node) => get(node, 'foto')));
  let size = 0;
  for (const bytes of Object.values(files)) size += bytes.length;
  for (const one of got) {
    assert.ok(one.type === 'saved', JSON.stringify(one));
    for (const [name, bytes] of Object.entries(files))
      assert.equal(sha256(await readFile(join(one.path, name.slice('foto/'.length)))), sha256(bytes), name);
  }
  const copies = seed.overlay.traffic().up.bytes / size;
  t.diagnostic(`the holder sent ${copies.toFixed(2)} copies for 3 askers`);
  assert.ok(copies < 2.7, `${copies} copies`);
  for (const { downloads } of nodes) assert.deepEqual(await readdir(downloads), ['foto']);
});
