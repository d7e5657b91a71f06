import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { KelanaError } from '../core/errors.ts';
import { parseQuery } from '../core/search/query.ts';
import { NodeClient } from './client.ts';

const STOP = new KelanaError('INTERRUPTED', { command: 'get' });

/** A node that takes a question and gives no answer. */
async function silentNode(t: TestContext, asked: () => void): Promise<NodeClient> {
  const base = await mkdtemp(join(tmpdir(), 'kelana-client-'));
  const path = join(base, 'node.sock');
  const server = createServer((socket) => void socket.on('error', () => undefined).once('data', asked));
  await once(server.listen(path), 'listening');
  t.after(async () => {
    server.close();
    await rm(base, { recursive: true, force: true });
  });
  return new NodeClient(path, base);
}

test('who is stopped before the first answer hears that, and not that no node is running', async (t) => {
  const stop = new AbortController();
  const node = await silentNode(t, () => stop.abort(STOP));
  const { signal } = stop;
  const streams = [
    () => node.search(parseQuery('a.txt'), { signal }),
    // By now it was stopped before it asks.
    () => node.get(parseQuery('a.txt'), { signal }),
    () => node.send({ to: 'localhost:1', text: 'halo' }, signal),
    () => node.list('localhost:1', signal),
  ];
  for (const stream of streams)
    await assert.rejects(
      async () => {
        for await (const event of stream()) assert.fail(JSON.stringify(event));
      },
      (thrown) => thrown === STOP,
    );
});

test('a node that is gone is told as such, with a signal that nobody aborted too', async () => {
  const node = new NodeClient(join(tmpdir(), 'kelana-none.sock'), '/data');
  const stream = node.search(parseQuery('a.txt'), { signal: new AbortController().signal });
  await assert.rejects(
    () => stream.next(),
    (thrown) => thrown instanceof KelanaError && thrown.code === 'NO_NODE',
  );
});
