import assert from 'node:assert/strict';
import test from 'node:test';
import { LISTS } from '../../core/config.ts';
import type { Holding } from '../../core/ports.ts';
import { encodeListPage, type Place } from '../../core/wire/list.ts';
import { Snapshot } from './snapshot.ts';

const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';
const FOLDER = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354';

function library(files: readonly string[], folders: readonly string[] = []) {
  const holding = (name: string): Holding => ({ name, size: 1, cid: CID });
  const state = { files: files.map(holding), now: 0 };
  const snapshot = new Snapshot(
    {
      list: () => state.files,
      folders: () =>
        folders.map((name): Holding => ({ name, size: 1, cid: FOLDER, kind: 'folder', files: 1 })),
      scanning: () => false,
    },
    () => state.now,
  );
  return { state, holding, snapshot };
}

async function all(snapshot: Snapshot, between: () => void = () => undefined): Promise<readonly Holding[][]> {
  const pages: Holding[][] = [];
  let after: Place | null = null;
  for (;;) {
    const page = await snapshot.page(after);
    pages.push([...page.entries]);
    if (!page.more) return pages;
    after = page.entries.at(-1) ?? null;
    between();
  }
}

test('a hundred thousand files come in pages of bounded size, each once and in order', async () => {
  const names = Array.from({ length: 100_000 }, (_, at) => `folder ${at % 97}/berkas ${at}.txt`);
  const { snapshot } = library(names);
  const pages = await all(snapshot);
  assert.deepEqual(
    pages.flat().map(({ name }) => name),
    names.toSorted(),
  );
  for (const entries of pages) {
    assert.ok(entries.length <= LISTS.pageEntries);
    assert.ok(encodeListPage({ entries, more: true, scanning: true }).length <= LISTS.maxFrameBytes);
  }
  assert.ok(pages.length < 60, `${pages.length} pages`);
});

test('the longest names make pages that are small in number, not in bytes', async () => {
  const names = Array.from({ length: 500 }, (_, at) => `${'x/'.repeat(2_040)}${at}`);
  const pages = await all(library(names).snapshot);
  assert.equal(pages.flat().length, 500);
  for (const entries of pages.slice(0, -1)) assert.ok(entries.length >= LISTS.leastEntries);
});

test('what is shared twice under one name is listed once; files and folders stand together', async () => {
  const { snapshot } = library(['b', 'a', 'b'], ['a', 'c']);
  assert.deepEqual(
    (await all(snapshot)).flat().map(({ name, kind }) => [name, kind]),
    [
      ['a', undefined],
      ['a', 'folder'],
      ['b', undefined],
      ['c', 'folder'],
    ],
  );
  assert.deepEqual(await library([]).snapshot.page(null), { entries: [], more: false, scanning: false });
});

test('a library that changes between two pages loses and repeats nothing of what stays', async () => {
  const names = Array.from({ length: 12_000 }, (_, at) => `berkas ${String(at).padStart(6, '0')}`);
  const { snapshot, state, holding } = library(names);
  let at = 0;
  const pages = await all(snapshot, () => {
    at += 1;
    state.now += LISTS.freshMs;
    state.files = [...names.filter((_, index) => index % 1_000 !== at), `baru ${at}`].map(holding);
  });
  const listed = pages.flat().map(({ name }) => name);
  assert.equal(new Set(listed).size, listed.length);
  const stayed = names.filter((_, index) => index % 1_000 > at || index % 1_000 === 0);
  const seen = new Set(listed);
  assert.deepEqual(
    stayed.filter((name) => !seen.has(name)),
    [],
  );
});

test('a change shows after a moment, and not before', async () => {
  const { snapshot, state, holding } = library(['a']);
  assert.equal((await snapshot.page(null)).entries.length, 1);
  state.files = ['a', 'b'].map(holding);
  assert.equal((await snapshot.page(null)).entries.length, 1);
  state.now += LISTS.freshMs;
  assert.equal((await snapshot.page(null)).entries.length, 2);
});
