import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseRange } from '../src/server/conditional.ts';
import { Gate } from '../src/server/gate.ts';
import { isForeign } from '../src/server/guard.ts';
import { disposition } from '../src/server/media.ts';
import { Sweeper } from '../src/server/sweep.ts';
import { Tail } from '../src/server/tail.ts';
import { SERVER } from '../src/core/config.ts';
import type { MailboxMessage, MailboxPort } from '../src/core/ports.ts';
import { startSite, temporaryFolder, waitFor } from './server.fakes.ts';

const MIB = 1024 * 1024;

test('256 MiB go in and out while memory stays flat', async (t) => {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'server.memory-child.ts'), await temporaryFolder(t)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const port = Number((await lines.next()).value);
  const maxRss = async (): Promise<number> => {
    child.stdin.write('\n');
    return Number((await lines.next()).value) * 1024;
  };
  const block = Buffer.alloc(MIB, 'kelana');
  const put = async (name: string, blocks: number): Promise<void> => {
    const sent = request({ host: '127.0.0.1', port, method: 'PUT', path: `/files/${name}` });
    const answered = once(sent, 'response');
    for (let i = 0; i < blocks; i += 1) if (!sent.write(block)) await once(sent, 'drain');
    sent.end();
    const [response] = (await answered) as [NodeJS.ReadableStream & { statusCode: number }];
    assert.equal(response.statusCode, 201);
    response.resume();
    await once(response, 'end');
  };
  const get = async (name: string): Promise<number> => {
    let bytes = 0;
    const response = await fetch(`http://127.0.0.1:${port}/files/${name}`);
    for await (const chunk of response.body ?? []) bytes += (chunk as Uint8Array).length;
    return bytes;
  };
  await put('kecil', 8);
  assert.equal(await get('kecil'), 8 * MIB);
  const before = await maxRss();
  await put('besar', 256);
  assert.equal(await get('besar'), 256 * MIB);
  const grown = ((await maxRss()) - before) / MIB;
  t.diagnostic(`highest RSS grew by ${grown.toFixed(1)} MiB over ${(before / MIB).toFixed(1)} MiB`);
  assert.ok(grown < 80, `${grown} MiB`);
});

test('a reader that sleeps is cut off; another one meanwhile gets every message, in order', async (t) => {
  const site = await startSite(t, { slowReaderMs: 300 });
  const socket = connect({ port: site.port, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  socket.write('GET /messages/stream?after=0 HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'readable');
  socket.pause();
  const text = 'x'.repeat(60_000);
  for (let round = 0; round < 8; round += 1) {
    const body = JSON.stringify({ text });
    const headers = { 'content-type': 'application/json' };
    await Promise.all(
      Array.from({ length: 25 }, () => fetch(`${site.base}/messages`, { method: 'POST', headers, body })),
    );
  }
  // 12 MB are waiting for this reader; another one gets them all meanwhile.
  const abort = new AbortController();
  const response = await fetch(`${site.base}/messages/stream?after=0`, { signal: abort.signal });
  let ids = 0;
  let rest = '';
  for await (const chunk of response.body ?? []) {
    const events = (rest + Buffer.from(chunk as Uint8Array).toString()).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const id = /^id: (\d+)/.exec(event)?.[1];
      if (id === undefined) continue;
      ids += 1;
      assert.equal(Number(id), ids);
    }
    if (ids === 200) break;
  }
  abort.abort();
  const streams = async (): Promise<string> =>
    /streams (\d+)\n/.exec(await (await fetch(`${site.base}/metrics`)).text())?.[1] ?? '';
  await waitFor('the sleeping reader to be cut off', async () => (await streams()) === '0');
});

test('a gate lets so many in, the next when one leaves, and refuses who waited too long', async () => {
  const gate = new Gate(2, 30, { id: 'x', en: 'x' });
  const [first, second] = [await gate.enter(), await gate.enter()];
  const third = gate.enter();
  first();
  first();
  const leave = await third;
  assert.equal(gate.inside, 2);
  await assert.rejects(gate.enter(), { code: 'OVERLOADED' });
  second();
  leave();
  assert.equal(gate.inside, 0);
});

test('garbage is swept once for so many bytes, and the way to sweep exists', () => {
  let sweeps = 0;
  const sweeper = new Sweeper(() => void (sweeps += 1));
  for (let i = 0; i < 40; i += 1) sweeper.passed(SERVER.sweepBytes / 16);
  assert.equal(sweeps, 2);
  new Sweeper().passed(SERVER.sweepBytes);
  assert.equal(Reflect.has(globalThis, 'gc'), false);
});

test('any range header gives bytes inside the file, or none', () => {
  const header = fc.oneof(
    fc.string().map((text) => `bytes=${text}`),
    fc.tuple(fc.nat(), fc.option(fc.nat())).map(([a, b]) => `bytes=${a}-${b ?? ''}`),
    fc.nat().map((n) => `bytes=-${n}`),
  );
  fc.assert(
    fc.property(header, fc.nat({ max: 1000 }), (text, size) => {
      const range = parseRange(text, size);
      if (typeof range === 'string') return true;
      return 0 <= range.start && range.start <= range.end && range.end < size;
    }),
  );
});

test('any name makes a header of printable ASCII from which the very name can be read', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (name) => {
      const header = disposition(name);
      assert.match(header, /^[\x20-\x7e]*$/);
      assert.match(header, /^attachment; filename="[^"\\]*"; filename\*=UTF-8''[\w.~%-]*$/);
      assert.equal(decodeURIComponent(header.split("''")[1] ?? ''), name);
    }),
  );
});

test('no Origin but the own one passes, whatever it is', () => {
  fc.assert(fc.property(fc.string(), (origin) => isForeign('POST', { origin, host: 'localhost:8080' })));
  assert.equal(isForeign('POST', { origin: 'http://LOCALHOST:8080', host: 'localhost:8080' }), false);
  assert.equal(isForeign('GET', { origin: 'http://evil', host: 'localhost:8080' }), false);
});

function memoryMailbox(): MailboxPort & { add(count: number, text?: string): void } {
  const all: MailboxMessage[] = [];
  return {
    add(count, text = 'x') {
      for (let i = 0; i < count; i += 1) {
        all.push({ id: all.length + 1, text, room: 'r', to: null, server: 's', receivedAt: '' });
      }
    },
    append: () => Promise.reject(new Error('not used')),
    list: async (after, limit) => all.slice(after, after + limit),
    latest: async () => all.length,
    check: async () => undefined,
    close: async () => undefined,
  };
}

test('the tail keeps a bounded number of messages and bytes, and tells who is too far behind', async () => {
  const mailbox = memoryMailbox();
  mailbox.add(5);
  const tail = new Tail(mailbox);
  assert.equal(await tail.join(), 5);
  assert.equal(tail.after(4), null);
  mailbox.add(SERVER.maxRecent + 10);
  tail.nudge();
  await waitFor('the news', () => tail.after(SERVER.maxRecent + 14)?.length === 1);
  assert.equal(tail.floor, 15);
  assert.equal(tail.after(15)?.length, SERVER.maxRecent);
  mailbox.add(30, 'x'.repeat(SERVER.maxRecentBytes / 10));
  await waitFor('the long ones', () => (tail.after(tail.floor)?.length ?? 0) < 10);
  tail.leave();
  mailbox.add(3);
  assert.equal(await tail.join(), SERVER.maxRecent + 48, 'a new time begins with what is newest then');
  assert.deepEqual(tail.after(SERVER.maxRecent + 48), []);
  tail.leave();
});
