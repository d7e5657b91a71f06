import assert from 'node:assert/strict';
import test from 'node:test';
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fixedSize } from 'ipfs-unixfs-importer/chunker';
import { balanced, trickle } from 'ipfs-unixfs-importer/layout';
import type { CID } from 'multiformats/cid';
import { filesBelow, MiB, sample, sha256, until } from './support/basics.ts';
import { startHelia } from './support/helia.ts';
import { get, startTestnet } from './testnet.ts';

const SIZES = [0, 1, MiB, MiB + 1, 5 * MiB];

test('Helia reads shared files by their CID', async () => {
  const files = Object.fromEntries(SIZES.map((size) => [`f${size}.bin`, sample(size, size)]));
  await using net = await startTestnet(1, { files: { 0: files }, ipfs: true });
  await using helia = await startHelia();
  const { overlay, library } = net.node(0);
  await helia.dial(overlay.addresses()[0] ?? '');
  for (const size of SIZES) {
    const file = library.list().find(({ name }) => name === `f${size}.bin`);
    const bytes = await helia.read(file?.cid ?? '');
    assert.equal(sha256(bytes), sha256(sample(size, size)), String(size));
  }
  await until('told', () => net.node(0).events.filter(({ type }) => type === 'file.sent').length > 3);
});

test('a node fetches from Helia by CID what Helia added with any layout', async () => {
  await using net = await startTestnet(1);
  await using helia = await startHelia();
  const { fs, address } = helia;
  const node = net.node(0);
  const bytes = sample(5 * MiB + 3, 7);
  const cids: readonly (readonly [string, CID, Uint8Array])[] = [
    ...(await Promise.all(
      SIZES.map(
        async (size) => [`${size} bytes`, await fs.addBytes(sample(size, size)), sample(size, size)] as const,
      ),
    )),
    [
      '256 KiB chunks, few links',
      await fs.addBytes(bytes, {
        chunker: fixedSize({ chunkSize: 256 * 1024 }),
        layout: balanced({ maxChildrenPerNode: 3 }),
      }),
      bytes,
    ],
    ['DAG-PB leaves, CIDv0', await fs.addBytes(bytes, { rawLeaves: false, cidVersion: 0 }), bytes],
    [
      'trickle',
      await fs.addBytes(bytes, { chunker: fixedSize({ chunkSize: 64 * 1024 }), layout: trickle() }),
      bytes,
    ],
    [
      'zeros',
      await fs.addBytes(new Uint8Array(20 * MiB), { chunker: fixedSize({ chunkSize: 256 * 1024 }) }),
      new Uint8Array(20 * MiB),
    ],
  ];
  for (const [what, cid, expected] of cids) {
    const got = await get(node, { kind: 'cid', cid: cid.toString() }, { ipfs: [address] });
    assert.equal(got.type, 'saved', `${what}: ${JSON.stringify(got)}`);
    if (got.type !== 'saved') continue;
    assert.equal(sha256(await readFile(got.path)), sha256(expected), what);
    assert.equal(basename(got.path), cid.toV1().toString(), what);
  }
  const before = await filesBelow(node.downloads);
  const [, cid] = cids[3] ?? [];
  assert.equal((await get(node, { kind: 'cid', cid: String(cid) }, { ipfs: [address] })).type, 'saved');
  assert.deepEqual(await filesBelow(node.downloads), before, 'the same file is there once');
});
