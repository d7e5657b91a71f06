import assert from 'node:assert/strict';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { verifyManifest } from '../src/core/transfer/verify.ts';
import { openIncoming } from '../src/library/incoming.ts';
import { openIncomingFolder } from '../src/library/incoming-folder.ts';
import { sha256 } from '../src/library/hash.ts';
import { Offers } from '../src/library/offers.ts';
import { folder, MiB, sample } from './library.helpers.ts';
import { bitsOf, entryOf, give, layoutOf, writerFor } from './library.incoming.helpers.ts';

const bytes = sample(3 * MiB + 7);
const layout = layoutOf(bytes);

test('what comes is offered block by block, and only as long as it comes', async (t) => {
  const [base, writer, offers] = [await folder(t), writerFor(t), new Offers()];
  const incoming = await openIncoming({ folder: base, name: 'a.bin', layout, writer, offers });
  const reader = offers.partial(layout.root);
  assert.ok(reader);
  assert.equal(reader.name, 'a.bin');
  assert.deepEqual(bitsOf(reader.have, 4), []);
  await give(incoming, 2, bytes);
  await give(incoming, 3, bytes);
  assert.deepEqual(bitsOf(reader.have, 4), [2, 3]);
  const nodes = await reader.manifest(layout.root);
  assert.deepEqual(verifyManifest(layout.root, nodes, sha256).digests, new Uint8Array(layout.digests));
  for (const into of [undefined, new Uint8Array(MiB)]) {
    assert.deepEqual(
      Buffer.from(await reader.readBlock(layout.root, 2, into)),
      bytes.subarray(2 * MiB, 3 * MiB),
    );
    assert.deepEqual(Buffer.from(await reader.readBlock(layout.root, 3, into)), bytes.subarray(3 * MiB));
  }
  for (const index of [0, 4, -1, 0.5]) await assert.rejects(reader.readBlock(layout.root, index), RangeError);
  await incoming.suspend();
  assert.equal(offers.partial(layout.root), undefined);
  await assert.rejects(reader.readBlock(layout.root, 2), RangeError);
  const without = await openIncoming({ folder: base, name: 'a.bin', layout, writer });
  assert.equal(offers.partial(layout.root), undefined, 'what is sent to this node is not offered');
  await without.abort();
});

test('a part that is changed beneath gives no wrong byte, to nobody: the file is not finished with it', async (t) => {
  const [base, writer, offers] = [await folder(t), writerFor(t), new Offers()];
  const how = { folder: base, name: 'a.bin', layout, writer, offers };
  const incoming = await openIncoming(how);
  for (const index of [0, 1, 2, 3]) await give(incoming, index, bytes);
  const [part = ''] = (await readdir(base)).filter((name) => name.endsWith('.part'));
  const handle = await open(join(base, part), 'r+');
  await handle.write(Buffer.from('lain'), 0, 4, MiB + 5);
  await handle.close();
  const reader = offers.partial(layout.root);
  await assert.rejects(async () => await reader?.readBlock(layout.root, 1), RangeError);
  assert.deepEqual(bitsOf(reader?.have ?? new Uint8Array(1), 4), [0, 2, 3]);
  await assert.rejects(incoming.finish(), { code: 'TRANSFER_FAILED' });
  await incoming.suspend();
  const again = await openIncoming(how);
  assert.deepEqual(bitsOf(again.have, 4), [0, 2, 3]);
  await give(again, 1, bytes);
  assert.ok((await readFile(await again.finish())).equals(bytes));
});

test('of a folder its whole files are offered, by the listing and by their own CIDs', async (t) => {
  const [base, writer, offers] = [await folder(t), writerFor(t), new Offers()];
  const files = { 'a.txt': sample(100), 'b/c.txt': sample(200), 'd.bin': bytes };
  const entries = Object.entries(files).map(([path, content]) => entryOf(path, content));
  const cid = layoutOf(sample(5)).root;
  const listing = { nodes: [Uint8Array.of(1)], listed: [1, 4, 9], count: 10 };
  const incoming = await openIncomingFolder({
    folder: base,
    name: 'f',
    cid,
    entries,
    writer,
    offer: { offers, listing },
  });
  const have = (): number[] => bitsOf(offers.partial(cid)?.have ?? new Uint8Array(2), 10);
  const [a, c, d] = entries;
  assert.ok(a && c && d);
  assert.deepEqual([have(), offers.partial(a.cid)], [[], undefined]);
  assert.deepEqual(await offers.partial(cid)?.manifest(cid), listing.nodes);
  const slot = await incoming.slot();
  slot.bytes.set(files['b/c.txt']);
  await incoming.write([{ index: 1, offset: 0 }], slot);
  assert.deepEqual([have(), offers.partial(a.cid)], [[4], undefined]);
  const read = async (of: string, index = 0): Promise<Buffer> =>
    Buffer.from((await offers.partial(of)?.readBlock(of, index)) ?? []);
  assert.ok((await read(c.cid)).equals(files['b/c.txt']));

  const large = await incoming.file(2, layout);
  await give(large, 1, bytes);
  assert.deepEqual(bitsOf(offers.partial(d.cid)?.have ?? new Uint8Array(1), 4), [1]);
  for (const index of [0, 2, 3]) await give(large, index, bytes);
  await large.finish();
  assert.deepEqual(have(), [4, 9]);
  assert.ok((await read(d.cid, 3)).equals(bytes.subarray(3 * MiB)), 'it stays while the folder comes');

  const [root = ''] = (await readdir(base)).filter((name) => name.endsWith('.dir'));
  const into = new Uint8Array(200);
  for (const changed of [sample(200, 9), 'lain']) {
    await writeFile(join(base, root, 'b/c.txt'), changed);
    await assert.rejects(read(c.cid), RangeError);
    await assert.rejects(async () => await offers.partial(c.cid)?.readBlock(c.cid, 0, into), RangeError);
  }
  await incoming.suspend();
  for (const one of [cid, c.cid, d.cid]) assert.equal(offers.partial(one), undefined);
});
