import assert from 'node:assert/strict';
import test from 'node:test';
import { BoundedDatastore, type Datastore } from './bounded-datastore.ts';

type Key = Parameters<Datastore['get']>[0];
/** Of a key only its text is used. */
const key = (text: string): Key => ({ toString: () => text }) as Key;
const bytes = (size: number): Uint8Array => new Uint8Array(size);
const owner = (text: string): string => text.slice(text.lastIndexOf('/') + 1);

function read(store: BoundedDatastore, prefix: string): readonly string[] {
  return [...store.query({ prefix })].map((pair) => pair.key.toString()).sort();
}

test('it gives back what was put, by key and by folder', async () => {
  const store = new BoundedDatastore({ maxEntries: 10, maxBytes: 1_000, maxValueBytes: 100 });
  for (const text of ['/p/a/x', '/p/a/y', '/p/b/x', '/q/a/x']) store.put(key(text), bytes(1));
  assert.equal(store.get(key('/p/a/x')).length, 1);
  assert.equal(store.has(key('/p/a/z')), false);
  assert.throws(() => store.get(key('/p/a/z')), { name: 'NotFoundError' });
  assert.deepEqual(read(store, '/p/a'), ['/p/a/x', '/p/a/y']);
  assert.deepEqual(read(store, '/p'), ['/p/a/x', '/p/a/y', '/p/b/x']);
  assert.deepEqual(read(store, '/p/'), ['/p/a/x', '/p/a/y', '/p/b/x']);
  assert.deepEqual(read(store, '/p/a/'), ['/p/a/x', '/p/a/y']);
  assert.equal(read(store, '').length, 4);
  assert.equal([...store.queryKeys({ prefix: '/p', offset: 1, limit: 1 })].length, 1);
  const batch = store.batch();
  batch.put(key('/r/x'), bytes(2));
  batch.delete(key('/p/a/x'));
  await batch.commit();
  assert.deepEqual([store.has(key('/r/x')), store.has(key('/p/a/x'))], [true, false]);
  for await (const done of store.deleteMany([key('/r/x')])) assert.equal(done.toString(), '/r/x');
  store.put(key('/p/a/y'), bytes(9));
  assert.deepEqual([store.size, store.bytes], [3, 9 + 1 + 1 + 18]);
});

test('entries and bytes are bounded, and what was read last stays', () => {
  const store = new BoundedDatastore({ maxEntries: 4, maxBytes: 100, maxValueBytes: 60 });
  for (const name of ['a', 'b', 'c', 'd']) store.put(key(`/p/${name}`), bytes(1));
  store.get(key('/p/a'));
  store.put(key('/p/e'), bytes(1));
  assert.deepEqual(read(store, '/p'), ['/p/a', '/p/c', '/p/d', '/p/e']);
  store.put(key('/p/f'), bytes(60));
  store.put(key('/p/g'), bytes(60));
  assert.ok(store.bytes <= 100);
  assert.ok(store.has(key('/p/g')));
  assert.throws(() => store.put(key('/p/h'), bytes(61)), /too large/);
});

test('who floods it pushes out only his own, and keys that are not wanted are refused', () => {
  const store = new BoundedDatastore({
    maxEntries: 100,
    maxBytes: 1e6,
    maxValueBytes: 10,
    owner,
    refuse: (text) => !text.startsWith('/p/'),
  });
  for (let at = 0; at < 40; at += 1) store.put(key(`/p/${at}/honest`), bytes(1));
  for (let at = 0; at < 10_000; at += 1) store.put(key(`/p/${at}/liar`), bytes(1));
  assert.equal(store.size, 100);
  const honest = read(store, '/p/').filter((text) => owner(text) === 'honest').length;
  assert.equal(honest, 40);
  assert.throws(() => store.put(key('/q/1/x'), bytes(1)), /not a key/);
});
