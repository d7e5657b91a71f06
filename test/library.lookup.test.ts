import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIBRARY } from '../src/core/config.ts';
import type { Query } from '../src/core/ports.ts';
import { matches, parseQuery, score } from '../src/core/search/query.ts';
import { Catalog, holdingOf, type Entry } from '../src/library/catalog.ts';
import { Groups } from '../src/library/groups.ts';
import { file, folder, opened, pieces, until } from './library.helpers.ts';

test('words, patterns and filters find the files they mean, the best first', async (t) => {
  const base = await folder(t);
  for (const [name, size] of [
    ['Laporan 2024.pdf', 10],
    ['keuangan/laporan-akhir_2024.PDF', 2_000],
    ['2024/laporan.docx', 30],
    ['foto/Résumé.jpg', 40],
  ] as const)
    await file(join(base, 'shared', name), `${name}${'x'.repeat(size)}`);
  const { library } = await opened(t, base);
  const found = (text: string, filters: Query['filters'] = {}): string[] =>
    library.lookup(parseQuery(text, { filters })).map(({ name }) => name);
  const three = ['Laporan 2024.pdf', 'keuangan/laporan-akhir_2024.PDF', '2024/laporan.docx'];
  assert.deepEqual(found('LAPORAN 2024'), three);
  assert.deepEqual(found('2024 laporan', { types: ['pdf'] }), three.slice(0, 2));
  assert.deepEqual(found('2024 laporan', { minSize: 1_000 }), three.slice(1, 2));
  assert.deepEqual(found('*.pdf'), three.slice(0, 2));
  assert.deepEqual(found('lap*'), [
    'Laporan 2024.pdf',
    '2024/laporan.docx',
    'keuangan/laporan-akhir_2024.PDF',
  ]);
  assert.deepEqual(found('2024/*'), ['2024/laporan.docx']);
  assert.deepEqual(found('resume'), ['foto/Résumé.jpg']);
  assert.deepEqual(found('Laporan 2024.pdf', { maxSize: 5 }), []);
  assert.deepEqual(found('laporan resume'), []);
  const [cid = ''] = library.lookup(parseQuery('resume')).map((holding) => holding.cid);
  assert.deepEqual(found(cid), ['foto/Résumé.jpg']);
  assert.deepEqual(found(cid, { types: ['png'] }), []);
});

test('who listens hears of a change once a scan and soon after a put, and of nothing else', async (t) => {
  const base = await folder(t);
  const { library, shared } = await opened(t, base, { writable: join(base, 'in') });
  let told = 0;
  const stop = library.onChange(() => (told += 1));
  for (let at = 0; at < 5; at += 1) await file(join(shared, `${at}.txt`), `isi ${at}`);
  await library.rescan();
  assert.equal(told, 1);
  await library.rescan();
  assert.equal(told, 1, 'nothing changed');
  await rm(join(shared, '1.txt'));
  await library.rescan();
  assert.equal(told, 2);
  await Promise.all([1, 2, 3].map((n) => library.put(`unggahan ${n}`, pieces(`isi ${n}`))));
  assert.equal(library.lookup(parseQuery('unggahan')).length, 3, 'visible at once');
  await until(() => told > 2);
  assert.equal(told, 3);
  stop();
  await rm(join(shared, '2.txt'));
  await library.rescan();
  assert.equal(told, 3);
});

function entry(name: string, size = 1, at = 0): Entry {
  return {
    name,
    size,
    cid: `cid${size}`,
    path: `/${at}/${name}`,
    root: '/',
    identity: '',
    digests: new Uint8Array(),
    seen: 0,
  };
}

test('a look-up gives what a look at every file would, whatever was added and removed', () => {
  const part = fc.constantFrom('laporan', 'Akhir', '2024', 'é', 'pdf', 'x');
  const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((list) => list.join(' ').replace(' ', '/'));
  const step = fc.tuple(fc.nat(3), name, fc.nat(3));
  const asked = fc.constantFrom('laporan', 'AKHIR e', '*.pdf', 'l*', '2024/*', '* pdf', '?', 'pdf x');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), asked, (steps, text) => {
      const catalog = new Catalog();
      for (const [kind, path, size] of steps) {
        const there = catalog.at(`/0/${path}`);
        if (kind > 0) catalog.add(entry(path, size));
        else if (there !== undefined) catalog.remove(there);
      }
      const query = parseQuery(text);
      const slow = [...catalog.entries()]
        .filter((one) => matches(query, one))
        .toSorted((one, other) => score(query, other) - score(query, one));
      const fast = catalog.lookup(query);
      assert.equal(fast.length, Math.min(slow.length, LIBRARY.maxMatches));
      assert.deepEqual(
        fast.map((one) => score(query, one)),
        slow.slice(0, fast.length).map((one) => score(query, one)),
      );
      for (const one of fast) assert.ok(slow.some((other) => other.name === one.name));
    }),
    { numRuns: 500 },
  );
});

test('100,000 files are indexed, searched and removed', () => {
  const catalog = new Catalog();
  const entries = Array.from({ length: 100_000 }, (_, at) =>
    entry(`arsip ${at % 100}/tahun ${2000 + (at % 25)}/laporan nomor ${at}.pdf`, at),
  );
  for (const one of entries) catalog.add(one);
  assert.equal(catalog.lookup(parseQuery('pdf laporan 77777')).length, 1);
  assert.equal(catalog.lookup(parseQuery('*9999*')).length, 19);
  assert.equal(catalog.lookup(parseQuery('laporan pdf', { as: 'words' })).length, LIBRARY.maxMatches);
  assert.equal(catalog.lookup(parseQuery('zz*')).length, 0);
  for (const one of entries) catalog.remove(one);
  assert.deepEqual(catalog.lookup(parseQuery('laporan')), []);
  assert.equal(holdingOf(entries[0] ?? entry('')).name, entries[0]?.name);
});

test('groups give what was added and not removed', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.nat(12), fc.boolean())), (steps) => {
      const all = new Map<number, { key: string; id: number }>();
      const groups = new Groups<{ key: string; id: number }>((value) => all.get(value.id) === value);
      for (const [key, id, adds] of steps) {
        const there = all.get(id);
        if (adds && there === undefined) {
          const value = { key, id };
          all.set(id, value);
          groups.add(key, value);
        } else if (!adds && there !== undefined) {
          all.delete(id);
          groups.remove(there.key, there);
        }
        for (const one of ['a', 'b']) {
          const expected = [...all.values()].filter((value) => value.key === one).map((value) => value.id);
          const given = groups.get(one).map((value) => value.id);
          assert.deepEqual(new Set(given), new Set(expected));
          assert.ok(groups.count(one) >= expected.length);
        }
      }
    }),
  );
});
