import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { GetEvent } from '../src/control/operations.ts';
import { serveControl, type NodeControls } from '../src/control/server.ts';
import { socketPath } from '../src/control/socket.ts';
import { SEARCH } from '../src/core/config.ts';
import { KelanaError } from '../src/core/errors.ts';
import type { Query, SearchEvent, SearchOptions } from '../src/core/ports.ts';
import { temporaryFolder } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';

/** A search that meets two nodes, finds one file at both and a third holder later. */
const EVENTS: readonly SearchEvent[] = [
  { type: 'step', peer: 'p2', label: 'localhost:5002', hops: 1, elapsedMs: 1.25 },
  {
    type: 'hit',
    name: 'x/Laporan 2024.pdf',
    size: 1_500,
    cid: 'bafk1',
    score: 0.85,
    hops: 2,
    elapsedMs: 12.3,
    providers: ['A', 'B'].map((label) => ({ peer: `p${label}`, label, addresses: [] })),
  },
  {
    type: 'provider',
    name: 'x/Laporan 2024.pdf',
    cid: 'bafk1',
    hops: 3,
    elapsedMs: 14,
    provider: { peer: 'pC', label: 'C', addresses: ['/ip4/1.2.3.4/tcp/1'] },
  },
  {
    type: 'verdict',
    verdict: 'found',
    ground: 'found',
    strategy: 'groups',
    asked: 4,
    missing: [],
    missingCount: 0,
    messages: 6,
    elapsedMs: 15,
  },
];

interface Asked {
  readonly query: Query;
  readonly how: SearchOptions;
}

/** A node that answers with `events` over a real control socket; gives its folder and what it was asked. */
async function fakeNode(t: TestContext, events: readonly GetEvent[] = EVENTS) {
  const cwd = await temporaryFolder(t);
  const data = join(cwd, '.kelana');
  await mkdir(data);
  const asked: Asked[] = [];
  async function* answer(query: Query, how: SearchOptions): AsyncGenerator<GetEvent> {
    asked.push({ query, how });
    await Promise.resolve();
    yield* events;
  }
  const controls = { search: answer, get: answer } as unknown as NodeControls;
  const path = await socketPath(data);
  const stop = await serveControl(path, controls);
  t.after(stop);
  return { cwd, path, asked };
}

const parsed = (out: string): Record<string, unknown>[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('every option of a search crosses the socket, and the answer comes back whole', async (t) => {
  const { cwd, asked } = await fakeNode(t);
  const options =
    '--strategy walkers --type pdf --type image,md --min-size 1kB --max-size 2MiB --limit 7 --trace --timeout 3';
  const args = ['find', 'Laporan', 'é2024', '--json', ...options.split(' ')];
  const { code, out, err } = await inProcess(args, cwd);
  assert.equal(code, 0, err);
  const [{ query, how } = assert.fail()] = asked;
  assert.equal(query.kind, 'words');
  assert.deepEqual(query.kind === 'words' && query.words, ['laporan', 'e2024']);
  assert.deepEqual([query.filters?.minSize, query.filters?.maxSize], [1_000, 2 * 1024 * 1024]);
  assert.deepEqual([query.filters?.types?.[0], query.filters?.types?.at(-1)], ['pdf', 'md']);
  const { signal, ...rest } = how;
  assert.ok(signal !== undefined);
  assert.deepEqual(rest, { strategy: 'walkers', want: 7, trace: true, timeoutMs: 3_000 });
  const lines = parsed(out);
  assert.deepEqual(
    lines.map(({ type }) => type),
    ['step', 'hit', 'provider', 'verdict'],
  );
  assert.deepEqual(Object.keys(lines[1] ?? {}), [
    'type',
    'name',
    'size',
    'cid',
    'score',
    'hops',
    'elapsedMs',
    'providers',
  ]);
  assert.deepEqual(lines[3], EVENTS[3]);
});

test('without options a search has the defaults, each kind of query crosses, and no steps are told', async (t) => {
  const { cwd, asked } = await fakeNode(t);
  const cid = 'bafkreibievu5oc4wriww3t5uwzwcvcu7xcjwewdga2z5wdwyq3kwknfhb4';
  const queries: readonly (readonly [string[], Query])[] = [
    [['a.txt'], { kind: 'name', name: 'a.txt' }],
    [['*.pdf'], { kind: 'glob', pattern: '*.pdf' }],
    [[cid], { kind: 'cid', cid }],
    [['a.txt', '--as', 'words'], { kind: 'words', words: ['a', 'txt'] }],
  ];
  for (const [args, query] of queries) {
    const { out } = await inProcess(['find', ...args, '--json'], cwd);
    const { how, query: crossed } = asked.at(-1) ?? assert.fail();
    assert.deepEqual(crossed, query);
    assert.deepEqual([how.strategy, how.want, how.trace], ['auto', SEARCH.want, false]);
    assert.deepEqual(
      parsed(out).map(({ type }) => type),
      ['hit', 'provider', 'verdict'],
    );
  }
});

test('people read hits with all their holders, the trace with its times, and the ground of the verdict', async (t) => {
  const { cwd } = await fakeNode(t);
  const en = await inProcess(['find', 'laporan', '--trace'], cwd);
  assert.equal(
    en.out,
    [
      '   +1.3 ms  hop 1  node localhost:5002',
      "'x/Laporan 2024.pdf' found at nodes A, B (1.5 kB, 2 hops, 12 ms)",
      '  bafk1',
      "'x/Laporan 2024.pdf' also at node C (14 ms)",
      'Done: 4 nodes looked through by their name prints, 15 ms',
      '',
    ].join('\n'),
  );
  const id = await inProcess(['find', 'laporan', '--trace', '--lang', 'id'], cwd);
  assert.match(
    id.out,
    /^ {3}\+1,3 ms {2}langkah 1 {2}node localhost:5002\n.* ditemukan di node A, B \(1,5 kB/,
  );
  assert.match(id.out, /juga ada di node C/);
  assert.ok(!(await inProcess(['find', 'laporan'], cwd)).out.includes('5002'));
  const walk = await inProcess(['find', 'laporan', '--strategy', 'walk'], cwd);
  assert.match(walk.out, /^ {2}hop 1: asked node localhost:5002\n/);
});

test('a download that cannot choose names the files and ends with 2', async (t) => {
  const error = new KelanaError('AMBIGUOUS', {
    query: 'a',
    count: 2,
    list: "'a1' (c1), 'a2' (c2)",
    cid: 'c1',
  });
  const { cwd } = await fakeNode(t, [...EVENTS, { type: 'failed', error }]);
  const { code, err } = await inProcess(['get', 'laporan'], cwd);
  assert.equal(code, 2);
  assert.match(
    err,
    /2 different files match 'a' equally well: 'a1' \(c1\), 'a2' \(c2\)\.\n {2}→ .*kelana get c1/,
  );
  const json = await inProcess(['get', 'laporan', '--json'], cwd);
  assert.equal(json.code, 2);
  assert.equal((JSON.parse(json.err) as { error: string }).error, 'AMBIGUOUS');
});

test('get shows a folder that it found and not the files below it; find shows both', async (t) => {
  const [step, hit, provider, verdict] = EVENTS;
  assert.ok(step && hit?.type === 'hit' && provider && verdict);
  const folder = { ...hit, name: 'x', cid: 'bafybx', kind: 'folder', files: 3 } as const;
  const { cwd } = await fakeNode(t, [step, hit, provider, folder, verdict]);
  const [get, find] = [await inProcess(['get', 'x'], cwd), await inProcess(['find', 'x'], cwd)];
  assert.match(get.out, /^'x' found at nodes A, B \(folder, 3 files/);
  assert.ok(!get.out.includes('Laporan') && find.out.includes('Laporan'), get.out);
});

test('options that are not valid are refused before any node is asked', async (t) => {
  const { cwd, asked } = await fakeNode(t);
  for (const bad of [
    ['--type', 'a/b'],
    ['--min-size', 'big'],
    ['--max-size', '-1'],
    ['--limit', '0'],
    ['--limit', String(SEARCH.maxWant + 1)],
    ['--as', 'regex'],
    ['--strategy', 'teleport'],
    ['--min-size', '2', '--max-size', '1'],
  ]) {
    const { code, err } = await inProcess(['find', 'laporan', ...bad], cwd);
    assert.equal(code, 2, bad.join(' '));
    assert.match(err, /→ /);
  }
  assert.equal(asked.length, 0);
});

test('the socket refuses what is no query', async (t) => {
  const { path, asked } = await fakeNode(t);
  const ask = (body: unknown): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json' };
      const call = request({ socketPath: path, method: 'POST', path: '/find', headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      call.once('error', reject);
      call.end(JSON.stringify(body));
    });
  const query = { kind: 'name', name: 'a' };
  for (const body of [
    {},
    { query: { kind: 'regex', name: 'a' } },
    { query: { kind: 'name', name: '' } },
    { query: { kind: 'words', words: [] } },
    { query: { kind: 'words', words: Array.from({ length: SEARCH.maxWords + 1 }, () => 'a') } },
    { query: { ...query, filters: { minSize: -1 } } },
    { query: { ...query, filters: { types: [] } } },
    { query, want: 0 },
    { query, strategy: 'teleport' },
    { query, timeoutMs: SEARCH.maxTimeoutMs + 1 },
  ])
    assert.equal(await ask(body), 400, JSON.stringify(body));
  assert.equal(asked.length, 0);
  assert.equal(await ask({ query }), 200);
});
