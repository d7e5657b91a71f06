import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { BALANCER } from '../core/config.ts';
import { Outgoing } from './outgoing.ts';
import { Writer } from './writer.ts';

/** Two ends of a connection; what comes at the second one waits in the system until it is asked for. */
async function pair(t: TestContext): Promise<readonly [near: Socket, far: Socket]> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const accepted = new Promise<Socket>((resolve) => {
    server.once('connection', resolve);
  });
  const far = connect((server.address() as AddressInfo).port, '127.0.0.1');
  far.pause();
  const near = await accepted;
  t.after(() => {
    for (const socket of [near, far]) socket.destroy();
    server.close();
  });
  return [near, far];
}

async function all(far: Socket): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of far) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

/** Writes until the system takes no more. */
function fill(socket: Socket): number {
  let bytes = 0;
  const some = Buffer.alloc(256 * 1024);
  do {
    socket.write(some);
    bytes += some.length;
  } while (socket.writableLength === 0);
  return bytes;
}

test('what is lent is copied before it is changed, and a copy is not used again before it has left', async (t) => {
  const [near, far] = await pair(t);
  const writer = new Writer(near, () => {});
  let expected = fill(near);
  const lent = Buffer.alloc(BALANCER.readBytes);
  const wanted: (readonly [from: number, to: number, byte: number])[] = [];
  // More than there are copies, of sizes that are joined, copied, and too short for either.
  for (let at = 1; at <= 2 * BALANCER.maxCopies; at += 1) {
    const size = [BALANCER.readBytes, BALANCER.joinBytes, 100][at % 3] ?? 0;
    lent.fill(at);
    writer.lent(lent.subarray(0, size));
    wanted.push([expected, expected + size, at]);
    expected += size;
  }
  lent.fill(0);
  assert.equal(writer.flushed, false);
  near.end();
  const bytes = await all(far);
  assert.equal(bytes.length, expected);
  for (const [from, to, byte] of wanted)
    assert.ok(bytes.subarray(from, to).equals(Buffer.alloc(to - from, byte)), `part ${byte}`);
});

test('texts, small and large parts leave in order, however full the socket is', async (t) => {
  const [near, far] = await pair(t);
  const writer = new Writer(near, () => {});
  let expected = Buffer.alloc(fill(near));
  const outgoing = new Outgoing();
  const lent = Buffer.alloc(60_000);
  for (let round = 1; round <= 20; round += 1) {
    const parts: Buffer[] = [];
    for (let at = 0; at < 40; at += 1) {
      const size = [1, 100, 3_000, 20_000][(at * round) % 4] ?? 0;
      const part = lent.subarray(at * 10, at * 10 + size);
      part.fill((round + at) % 251);
      parts.push(Buffer.from(`<${round}.${at}>`), Buffer.from(part));
      outgoing.text(`<${round}.${at}>`);
      outgoing.bytes(Buffer.from(part));
    }
    outgoing.send(writer);
    writer.write('text');
    expected = Buffer.concat([expected, ...parts, Buffer.from('text')]);
  }
  near.end();
  assert.ok((await all(far)).equals(expected));
});

test('a text that the system takes only a part of has not left, and is told once it has', async (t) => {
  const [near, far] = await pair(t);
  const { promise: left, resolve: tell } = Promise.withResolvers<void>();
  const writer = new Writer(near, tell);
  near.once('drain', tell);
  // The first write shows how this Node writes.
  writer.write('<');
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  const large = 'x'.repeat(32 * 1024 * 1024);
  assert.equal(writer.write(large), false);
  assert.deepEqual([writer.flushed, writer.settled()], [false, false]);
  writer.write('>');
  const bytes = all(far);
  await left;
  near.end();
  const text = (await bytes).toString('latin1');
  assert.ok(text === `<${large}>`);
});

test('a writer tells once when all has left', async (t) => {
  const [near, far] = await pair(t);
  let drained = 0;
  const writer = new Writer(near, () => void (drained += 1));
  assert.equal(writer.settled(), true);
  fill(near);
  void writer.usual;
  assert.deepEqual([writer.settled(), writer.settled(), drained], [false, false, 0]);
  far.resume();
  await new Promise((resolve) => {
    near.once('drain', () => setImmediate(resolve));
  });
  assert.deepEqual([writer.settled(), drained], [true, 1]);
});
