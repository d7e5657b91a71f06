import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openIncoming } from '../src/library/incoming.ts';
import { STATE } from '../src/library/writer-protocol.ts';
import { Writer } from '../src/library/writer.ts';
import { child, fails, folder, MiB, outputOf, sample, until } from './library.helpers.ts';
import { bitsOf, digestOf, give, layoutOf, writerFor, poison } from './library.incoming.helpers.ts';

test('slots are bounded, waited for in order, and an abort ends the wait', async (t) => {
  const writer = writerFor(t, { slots: 2 });
  const [one, two] = [await writer.slot(), await writer.slot()];
  assert.equal(one.bytes.length, MiB);
  assert.notEqual(one.bytes.buffer, two.bytes.buffer);
  const order: string[] = [];
  const wait = async (signal?: AbortSignal) => await writer.slot(signal);
  const third = wait().then((slot) => (order.push('third'), slot));
  const why = new Error('no longer wanted');
  const stop = new AbortController();
  const never = wait(stop.signal);
  const fourth = wait().then((slot) => (order.push('fourth'), slot));
  stop.abort(why);
  await assert.rejects(never, why);
  await assert.rejects(wait(AbortSignal.abort(why)), why);
  one.release();
  one.release();
  assert.equal((await third).bytes.buffer, one.bytes.buffer);
  // Given back once already: this may not free the slot under its next holder.
  one.release();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(order, ['third']);
  two.release();
  await fourth;
  assert.deepEqual(order, ['third', 'fourth']);
});

test('a slot takes memory at the first look at it, and one that was given back unseen takes none', async (t) => {
  const writer = writerFor(t, { slots: 3 });
  const [unseen, first] = [await writer.slot(), await writer.slot()];
  const { buffer } = first.bytes;
  assert.equal(first.bytes.buffer, buffer);
  unseen.release();
  assert.throws(() => unseen.bytes, fails('INTERNAL'));
  first.release();
  const [late, early] = [await writer.slot(), await writer.slot()];
  // What was used last goes to whoever looks first, not to whoever asked first.
  assert.equal(early.bytes.buffer, buffer);
  assert.notEqual(late.bytes.buffer, buffer);
});

test('a slot that was given back cannot be written', async (t) => {
  const writer = writerFor(t);
  const bytes = sample(10);
  const file = await openIncoming({ folder: await folder(t), name: 'a', layout: layoutOf(bytes), writer });
  const slot = await file.slot();
  slot.release();
  await assert.rejects(file.write(0, slot), fails('INTERNAL'));
  await assert.rejects(
    file.write(0, { bytes: new Uint8Array(MiB), release: () => undefined }),
    fails('INTERNAL'),
  );
  await file.abort();
});

test('a thread that dies fails its blocks only, and the next block has a new one', async (t) => {
  const writer = writerFor(t, { slots: 2 });
  const base = await folder(t);
  const bytes = sample(3 * MiB);
  const file = await openIncoming({ folder: base, name: 'a', layout: layoutOf(bytes), writer });
  assert.ok(await give(file, 0, bytes));
  // Nothing that a file can be: the thread throws on it.
  const poisoned = poison(writer);
  const dying = [give(file, 1, bytes), give(file, 2, bytes)];
  for (const one of dying)
    await assert.rejects(one, (thrown: unknown) => {
      fails('CANNOT_WRITE')(thrown);
      return thrown instanceof Error && thrown.message.includes('the thread that writes stopped');
    });
  await writer.forget(poisoned);
  assert.deepEqual(bitsOf(file.have, 3), [0]);
  assert.ok(await give(file, 1, bytes));
  assert.ok(await give(file, 2, bytes));
  assert.ok((await readFile(await file.finish())).equals(bytes));
});

test('after a while without work the thread and the memory are gone, and come back', async (t) => {
  const writer = writerFor(t, { idleMs: 20 });
  const base = await folder(t);
  const bytes = sample(MiB);
  for (const name of ['a', 'b']) {
    bytes[0] = name.charCodeAt(0);
    const file = await openIncoming({ folder: base, name, layout: layoutOf(bytes), writer });
    assert.ok(await give(file, 0, bytes));
    await file.finish();
    await until(() => !writer.running);
  }
});

test('small files are written, looked at and synced in batches; an error says how far it came', async (t) => {
  const writer = writerFor(t);
  const root = await folder(t);
  const [a, b, c] = [sample(10, 1), sample(20, 2), Buffer.alloc(0)];
  const files = {
    root,
    paths: ['a', 'x/y/b', 'x/c'],
    sizes: [10, 20, 0],
    offsets: [0, 100, 5],
    digests: Buffer.concat([a, b, c].map(digestOf)),
  };
  const filled = async () => {
    const slot = await writer.slot();
    slot.bytes.set(a, 0);
    slot.bytes.set(b, 100);
    return slot;
  };
  const { right, wrong, none } = STATE;
  assert.deepEqual([...(await writer.look(files))], [wrong, wrong, wrong]);
  const put = await writer.put(files, await filled());
  assert.deepEqual([[...put.states], put.error], [[right, right, right], null]);
  assert.deepEqual([...(await writer.look(files))], [right, right, right]);
  await writer.sync(root, [...files.paths, 'x/y', 'x', '.']);
  // Again, over what is there; with one wrong.
  await writeFile(join(root, 'a'), 'edited');
  assert.deepEqual([...(await writer.look(files))], [wrong, right, right]);
  const slot = await filled();
  slot.bytes[100] = 99;
  assert.deepEqual([...(await writer.put(files, slot)).states], [right, wrong, right]);
  // A folder in the place of a file.
  await mkdir(join(root, 'x/d'));
  const broken = await writer.put({ ...files, paths: ['a', 'x/d', 'x/c'] }, await filled());
  assert.deepEqual([...broken.states], [right, none, none]);
  assert.ok(broken.error instanceof Error);
  await assert.rejects(
    writer.sync(root, ['nowhere']),
    (thrown) => (thrown as { code?: unknown }).code === 'ENOENT',
  );
  assert.deepEqual((await readdir(root)).sort(), ['a', 'x']);
});

test('a writer that is closed takes no more work and keeps no process alive', async (t) => {
  const writer = new Writer({ slots: 1 });
  const wait = async () => await writer.slot();
  const held = await wait();
  const waiting = wait();
  await Promise.all([assert.rejects(waiting, fails('TRANSFER_FAILED')), writer.close()]);
  await assert.rejects(wait(), fails('TRANSFER_FAILED'));
  held.release();
  await writer.close();
  const run = child(
    t,
    `import { Writer } from '../src/library/writer.ts';
     const writer = new Writer();
     await writer.slot();
     console.log('never closed');`,
  );
  assert.deepEqual(await outputOf(run), { code: 0, out: 'never closed\n', err: '' });
});
