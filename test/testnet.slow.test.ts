import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Stream } from '@libp2p/interface';
import { openDownloads } from '../src/cli/transfers-app.ts';
import type { Provider } from '../src/core/ports.ts';
import {
  ALL,
  BlockFrameReader,
  decodeAsk,
  encodeFrame,
  FRAME,
  LAST,
  writeHead,
} from '../src/core/wire/blocks.ts';
import { BLOCKS_PROTOCOL } from '../src/overlay/blocks/blocks.ts';
import { createHost } from '../src/overlay/host.ts';
import { sample, settledFile, until } from './support/basics.ts';
import { sendIfOpen } from './support/streams.ts';
import { startTestnet, type TestNode } from './testnet.ts';

const COUNT = 300;

function folderOf(node: TestNode) {
  return node.library.folders().find(({ name }) => name === 'peta');
}

/** A holder that tells the listing as `node` does, and then gives the bytes of files one by one, a second each. */
async function dripper(node: TestNode) {
  const key = await generateKeyPair('Ed25519');
  const host = await createHost({ key, host: '127.0.0.1', port: 0, flag: '', dht: false });
  const timers: NodeJS.Timeout[] = [];
  let files = 0;
  const answer = async (stream: Stream, ask: ReturnType<typeof decodeAsk>): Promise<void> => {
    const { type, request } = ask;
    if (type === 'have') sendIfOpen(stream, encodeFrame(FRAME.have, ALL, request, new Uint8Array(0)));
    else if (type === 'peers') sendIfOpen(stream, encodeFrame(FRAME.peers, 0, request, new Uint8Array(0)));
    else if (type === 'manifest') {
      const nodes = await node.library.manifest(folderOf(node)?.cid ?? '');
      for (const [at, one] of [...nodes].entries())
        sendIfOpen(stream, encodeFrame(FRAME.manifest, at === nodes.length - 1 ? LAST : 0, request, one));
    } else if (type === 'blocks') {
      files += 1;
      if (files > 1) return;
      const head = new Uint8Array(12);
      writeHead(head, { type: FRAME.data, flags: LAST, request, length: 500 });
      sendIfOpen(stream, head);
      timers.push(setInterval(() => sendIfOpen(stream, new Uint8Array(1)), 1_000));
    }
  };
  await host.handle(BLOCKS_PROTOCOL, (stream) => {
    const reader = new BlockFrameReader({
      room: () => null,
      frame: (head, payload) => void answer(stream, decodeAsk(head, payload)).catch(() => undefined),
    });
    stream.addEventListener('message', ({ data }) => reader.push(data.subarray()));
  });
  const provider: Provider = {
    peer: host.peerId.toString(),
    label: 'lambat',
    addresses: host.getMultiaddrs().map(String),
  };
  return {
    provider,
    asked: () => files,
    [Symbol.asyncDispose]: async () => {
      for (const timer of timers) clearInterval(timer);
      await host.stop();
    },
  };
}

test('files that a slow holder sits on are brought by another', async () => {
  await using net = await startTestnet(2, { topology: [] });
  const [asker, holder] = [net.node(0), net.node(1)];
  for (let at = 0; at < COUNT; at += 1)
    await settledFile(join(holder.shared, 'peta', `f${at}`), sample(500 + at, at));
  await holder.library.rescan();
  await until('the folder has a CID', () => folderOf(holder) !== undefined);
  const folder = folderOf(holder);
  assert.ok(folder !== undefined);
  await using slow = await dripper(holder);
  const { writer, offers, downloads: into, events } = asker;
  const downloads = openDownloads({
    overlay: {
      ...asker.overlay,
      open: async (provider, signal) => {
        // All is asked of the slow one before anybody else is there.
        if (provider.peer !== slow.provider.peer)
          await until('the slow one was asked for all', () => slow.asked() > 0);
        return await asker.overlay.open(provider, signal);
      },
    },
    folder: into,
    writer,
    offers,
    emit: (event) => void events.push(event),
  });
  const honest = {
    peer: holder.overlay.peerId,
    label: holder.address,
    addresses: [`/ip4/127.0.0.1/tcp/${holder.overlay.port}`],
  };
  const signal = AbortSignal.timeout(20_000);
  let path = '';
  for await (const event of downloads.fetch({ ...folder, kind: 'folder' }, [slow.provider, honest], signal))
    if (event.type === 'saved') {
      ({ path } = event);
      assert.deepEqual(
        event.from.map(({ provider }) => provider.peer),
        [honest.peer],
      );
    }
  assert.equal((await readdir(path)).length, COUNT);
});
