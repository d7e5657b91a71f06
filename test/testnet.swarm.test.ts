import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import type { Provider } from '../src/core/ports.ts';
import { MiB, sample } from './support/basics.ts';
import { withBlocks } from './support/sessions.ts';
import { get, startTestnet } from './testnet.ts';

const bytes = Buffer.concat(Array.from({ length: 24 }, (_, at) => sample(MiB, at + 1)));

test('holders that are found while a large file comes join the download', async () => {
  const files = { 1: { 'besar.bin': bytes }, 2: { 'besar.bin': bytes }, 3: { 'besar.bin': bytes } };
  await using net = await startTestnet(4, { topology: 'star', files });
  const got = await get(net.node(0), 'besar.bin');
  assert.ok(got.type === 'saved');
  assert.ok(bytes.equals(await readFile(got.path)));
  const labels = [1, 2, 3].map((at) => net.node(at).overlay.label);
  for (const label of got.from.split(', ')) assert.ok(labels.includes(label), got.from);
});

test('a holder that dies in the middle: the others go on, and the file is right', async () => {
  const files = { 1: { 'besar.bin': bytes }, 2: { 'besar.bin': bytes } };
  await using net = await startTestnet(3, { topology: 'star', files });
  const [asker, dies] = [net.node(0), net.node(1)];
  const overlay = {
    ...asker.overlay,
    open: async (provider: Provider, signal?: AbortSignal) => {
      const session = await asker.overlay.open(provider, signal);
      if (session.peer !== dies.overlay.peerId) return session;
      const block: typeof session.block = async (cid, index, into) => {
        // Closing it again does nothing; the net waits for it at the end.
        if (index > 4) void dies.close();
        await session.block(cid, index, into);
      };
      return withBlocks(session, block);
    },
  };
  const got = await get({ ...asker, overlay }, 'besar.bin');
  assert.ok(got.type === 'saved', got.type === 'failed' ? got.error.message : got.type);
  assert.ok(bytes.equals(await readFile(got.path)));
});
