import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SEARCH } from '../src/core/config.ts';
import { openapi } from '../src/server/openapi.ts';
import { fakeOverlay, startSite, type Site } from './server.fakes.ts';

const bytes = Buffer.from('isi');

async function lines(site: Site, ask: string): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${site.base}/search?${ask}`);
  assert.equal(response.status, 200, ask);
  const text = (await response.text()).trim();
  return text.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('a search takes words, patterns and filters, and one file at two nodes is one hit', async (t) => {
  const overlay = fakeOverlay([
    { name: 'keuangan/Laporan 2024.pdf', bytes, label: 'a:1' },
    { name: 'Laporan 2024.pdf', bytes, label: 'b:2' },
    { name: 'laporan.txt', bytes: Buffer.alloc(5_000) },
  ]);
  const site = await startSite(t, { overlay });
  const [hit, provider, verdict, ...none] = await lines(site, 'q=laporan+2024&type=document');
  assert.deepEqual(none, []);
  const names = (value: Record<string, unknown> | undefined): string[] => Object.keys(value ?? {});
  assert.deepEqual(names(hit), ['type', 'name', 'size', 'cid', 'score', 'hops', 'elapsedMs', 'providers']);
  assert.deepEqual(hit?.['providers'], [{ peer: 'peer-a:1', label: 'a:1', addresses: [] }]);
  assert.deepEqual(names(provider), ['type', 'name', 'cid', 'hops', 'elapsedMs', 'provider']);
  assert.equal(provider?.['cid'], hit?.['cid']);
  assert.deepEqual(
    [verdict?.['verdict'], verdict?.['ground'], verdict?.['strategy']],
    ['found', 'found', 'walk'],
  );
  const found = async (ask: string): Promise<unknown[]> =>
    (await lines(site, ask)).filter(({ type }) => type === 'hit').map(({ name }) => name);
  assert.deepEqual(await found('q=*.txt'), ['laporan.txt']);
  assert.deepEqual(await found('q=laporan&minSize=4kB'), ['laporan.txt']);
  assert.deepEqual(await found('q=laporan&maxSize=4999&type=pdf&type=txt'), ['keuangan/Laporan 2024.pdf']);
  assert.deepEqual(await found('q=laporan.txt&as=words'), ['laporan.txt']);
  assert.deepEqual(await found('q=LAPORAN.TXT'), [], 'a name is exact');
  await lines(site, 'q=laporan&limit=3&strategy=flood');
  const [query, how] = overlay.searched.at(-1) ?? [];
  assert.deepEqual(query, { kind: 'words', words: ['laporan'] });
  assert.deepEqual([how?.want, how?.strategy], [3, 'flood']);
  await lines(site, 'q=laporan');
  assert.deepEqual(overlay.searched.at(-1)?.[1].want, SEARCH.want);
});

test('a parameter that is not valid is refused by its name, in both languages', async (t) => {
  const site = await startSite(t, { overlay: fakeOverlay() });
  for (const [ask, name] of [
    ['', 'q'],
    ['q=', 'q'],
    [`q=${'x'.repeat(SEARCH.maxQueryBytes + 1)}`, 'q'],
    ['q=a&q=b', 'q'],
    ['q=!!&as=words', 'q'],
    ['q=x&as=regex', 'as'],
    ['q=x&type=a/b', 'type'],
    ['q=x&minSize=big', 'minSize'],
    ['q=x&maxSize=-1', 'maxSize'],
    ['q=x&minSize=2&maxSize=1', 'q'],
    ['q=x&limit=0', 'limit'],
    [`q=x&limit=${SEARCH.maxWant + 1}`, 'limit'],
    ['q=x&limit=1e2', 'limit'],
    ['q=x&strategy=teleport', 'strategy'],
  ] as const) {
    for (const lang of ['id', 'en']) {
      const response = await fetch(`${site.base}/search?${ask}`, { headers: { 'accept-language': lang } });
      assert.equal(response.status, 400, ask);
      const { error, message } = (await response.json()) as Record<string, string>;
      assert.equal(error, 'BAD_REQUEST');
      assert.match(message ?? '', new RegExp(`"${name}"`), ask);
    }
  }
});

test('the description of a search names every parameter and field that there is', async (t) => {
  const { paths, components } = openapi() as {
    paths: Record<string, { get?: { parameters?: { name: string }[] } }>;
    components: { schemas: Record<string, { properties: object }> };
  };
  const described = paths['/search']?.get?.parameters?.map(({ name }) => name);
  assert.deepEqual(described, ['q', 'as', 'type', 'minSize', 'maxSize', 'limit', 'strategy']);
  const site = await startSite(t, {
    overlay: fakeOverlay([
      { name: 'a.txt', bytes, label: 'a:1' },
      { name: 'a.txt', bytes, label: 'b:2' },
    ]),
  });
  for (const [at, name] of ['Hit', 'Holder', 'Verdict'].entries()) {
    const line = (await lines(site, 'q=a.txt'))[at] ?? {};
    assert.deepEqual(
      Object.keys(line).toSorted(),
      Object.keys(components.schemas[name]?.properties ?? {}).toSorted(),
      name,
    );
  }
});

test('a file by its words comes from whichever holder still has it', async (t) => {
  const overlay = fakeOverlay([
    { name: 'jauh.txt', bytes, label: 'a:1', failAfter: 0 },
    { name: 'jauh.txt', bytes, label: 'b:2' },
  ]);
  const site = await startSite(t, { overlay });
  const response = await fetch(`${site.base}/files/jauh.txt`);
  assert.equal(await response.text(), 'isi');
  assert.deepEqual(overlay.searched.at(-1)?.[0], { kind: 'name', name: 'jauh.txt' });
});
