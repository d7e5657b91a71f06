import assert from 'node:assert/strict';
import test from 'node:test';
import type { Stream } from '@libp2p/interface';
import { startHost, until } from './hosts.testkit.ts';

const PROTOCOL = '/muxer-test/1.0.0';

test('many times the window passes over one stream, in small pieces and in large ones', async (t) => {
  const [from, to] = [await startHost(t), await startHost(t)];
  let came = 0;
  await to.handle(PROTOCOL, (stream) => {
    stream.addEventListener('message', ({ data }) => void (came += data.byteLength));
  });
  const stream: Stream = await from.dialProtocol(to.getMultiaddrs(), PROTOCOL);
  let sent = 0;
  const send = async (bytes: number, times: number): Promise<void> => {
    const piece = new Uint8Array(bytes);
    for (let at = 0; at < times; at += 1) {
      if (!stream.send(piece)) await stream.onDrain({ signal: AbortSignal.timeout(5_000) });
      sent += bytes;
    }
    await until('all came', () => came === sent);
  };
  await send(120, 3_000);
  await send(200_000, 10);
  await send(60, 10);
  assert.equal(stream.status, 'open');
});
