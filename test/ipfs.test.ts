import assert from 'node:assert/strict';
import test from 'node:test';
import { MiB, sample, sha256, until } from './support/basics.ts';
import { startHelia } from './support/helia.ts';
import { startTestnet } from './testnet.ts';

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
