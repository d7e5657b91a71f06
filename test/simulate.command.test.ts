import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { inProcess } from './support/in-process.ts';
import { temporaryFolder } from './support/basics.ts';

const QUICK = ['simulate', '--nodes', '1000', '--queries', '10'];
/** What others rely on, in this order (DESIGN.md). */
const CONTRACT = [
  'graph',
  'nodes',
  'strategy',
  'copies',
  'queries',
  'found',
  'absent',
  'incomplete',
  'falseAbsent',
  'messagesMean',
  'messagesP95',
  'hopsMean',
  'hopsP95',
  'roundsMean',
  'peak',
  'bytesMean',
  'seconds',
];

type Row = Readonly<Record<string, unknown>>;
const rowsOf = (out: string): Row[] =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Row);

test('--json gives a row for each strategy, with the fields that others rely on first', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, out, err } = await inProcess(
    [...QUICK, '--strategy', 'groups', '--strategy', 'walkers', '--copies', '1%', '--json'],
    folder,
  );
  assert.deepEqual([code, err], [0, '']);
  const rows = rowsOf(out);
  assert.deepEqual(
    rows.map(({ strategy, nodes, copies, found }) => [strategy, nodes, copies, found]),
    [
      ['groups', 1_000, '1%', 10],
      ['walkers', 1_000, '1%', 10],
    ],
  );
  for (const row of rows) assert.deepEqual(Object.keys(row).slice(0, CONTRACT.length), CONTRACT);
});

test('the same seed gives the same bytes but for the seconds', async (t) => {
  const folder = await temporaryFolder(t);
  const args = [...QUICK, '--graph', 'plrg', '--copies', '0.1%', '--churn', '10%', '--loss', '1%', '--json'];
  const withoutTime = (out: string): string => out.replaceAll(/"seconds":[\d.]+/g, '');
  const first = await inProcess([...args, '--strategy', 'groups', '--seed', '9'], folder);
  const second = await inProcess([...args, '--strategy', 'groups', '--seed', '9'], folder);
  const other = await inProcess([...args, '--strategy', 'groups', '--seed', '10'], folder);
  assert.equal(withoutTime(first.out), withoutTime(second.out));
  assert.notEqual(withoutTime(first.out), withoutTime(other.out));
});

test('graphs, sizes, copies and strategies are combined, and seeds averaged', async (t) => {
  const folder = await temporaryFolder(t);
  const args = ['simulate', '--graph', 'grid', '--graph', 'random', '--nodes', '100', '--nodes', '200'];
  const more = [
    '--copies',
    '0',
    '--copies',
    '2',
    '--strategy',
    'walk',
    '--queries',
    '4',
    '--seeds',
    '2',
    '--json',
  ];
  const rows = rowsOf((await inProcess([...args, ...more], folder)).out);
  assert.equal(rows.length, 8);
  for (const row of rows) assert.deepEqual([row['queries'], row['seeds']], [8, 2]);
  for (const row of rows.filter(({ copies }) => copies === '0')) assert.equal(row['absent'], 8);
});

test('--json and --csv together are refused', async (t) => {
  const { code, err } = await inProcess([...QUICK, '--json', '--csv'], await temporaryFolder(t));
  assert.equal(code, 2);
  assert.match(err, /--csv/);
});

test('--csv gives a head and a line for each row', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, out } = await inProcess(
    [...QUICK, '--strategy', 'groups', '--strategy', 'dht', '--csv'],
    folder,
  );
  assert.equal(code, 0);
  const [head = '', ...lines] = out.trim().split('\n');
  assert.ok(head.startsWith(CONTRACT.join(',')));
  assert.deepEqual(
    lines.map((line) => line.split(',')[2]),
    ['groups', 'dht'],
  );
});

test('--html writes one page with plots and says where', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, err, out } = await inProcess([...QUICK, '--html', 'report.html', '--lang', 'id'], folder);
  assert.equal(code, 0);
  assert.match(err, /laporan ditulis ke report\.html/);
  assert.match(out, /^graf +node +strategi/);
  const page = await readFile(join(folder, 'report.html'), 'utf8');
  assert.match(page, /<html lang="id">/);
  assert.ok(page.includes('<svg') && !page.includes('<script'));
});

test('a page that cannot be written is said plainly', async (t) => {
  const folder = await temporaryFolder(t);
  const { code, err } = await inProcess(
    [...QUICK, '--strategy', 'groups', '--html', 'no/where.html'],
    folder,
  );
  assert.equal(code, 1);
  assert.match(err, /'no\/where\.html' cannot be written/);
});

test('a graph file of a real network is taken, and one that is none refused', async (t) => {
  const folder = await temporaryFolder(t);
  const nodes = Array.from({ length: 10 }, (_, at) => ({ key: at * 400_000_000 }));
  const edges = nodes.slice(1).map((_, at) => [at, at + 1]);
  await writeFile(join(folder, 'net.json'), JSON.stringify({ nodes, edges }));
  await writeFile(join(folder, 'bad.json'), '[');
  const args = ['simulate', '--strategy', 'walk', '--copies', '0', '--queries', '3', '--json', '--graph'];
  const [row] = rowsOf((await inProcess([...args, 'net.json'], folder)).out);
  assert.deepEqual([row?.['graph'], row?.['nodes'], row?.['messagesMean']], ['net.json', 10, 18]);
  const bad = await inProcess([...args, 'bad.json'], folder);
  assert.equal(bad.code, 2);
  assert.match(bad.err, /not a JSON object/);
  assert.match((await inProcess([...args, 'none.json'], folder)).err, /cannot be read/);
});

test('values that are not valid end with 2 and say what is', async (t) => {
  const folder = await temporaryFolder(t);
  const wrong: readonly (readonly [string[], RegExp])[] = [
    [['--graph', 'ring'], /random, plrg, gnutella, grid, overlay/],
    [['--strategy', 'fly'], /auto, walk, walkers/],
    [['--nodes', '1'], /from 2 to 1000000/],
    [['--copies', '1.5'], /whole number, or percent/],
    [['--churn', '120%'], /percent from 0 to 100/],
    [['--scenario', 'lv-2002', '--churn', '5%'], /--churn and --scenario do not go together/],
  ];
  for (const [args, says] of wrong) {
    const { code, err } = await inProcess(['simulate', ...args], folder);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, says);
  }
});

test('a scenario shows its claims beside the results and ends with 5 where one is missed', async (t) => {
  const folder = await temporaryFolder(t);
  const args = ['simulate', '--scenario', 'lv-2002', '--nodes', '200', '--queries', '5'];
  const text = await inProcess(args, folder);
  assert.equal(text.code, 5);
  assert.match(text.out, /✗ messages a node [\d.]+ \(paper 2\.51 ± 5 %, × [\d.]+\)/);
  assert.match(text.out, /# random, flood.*, [\d,]+ nodes \(goal for 9,836\)/);
  const [row] = rowsOf((await inProcess([...args, '--json'], folder)).out);
  assert.match(String(row?.['title']), /^random, flood.*, \d+ nodes \(goal for 9,836\)$/);
  const [goal] = (row?.['goals'] ?? []) as Row[];
  assert.deepEqual([goal?.['figure'], goal?.['value'], goal?.['ok']], ['messagesPerNode', 2.509, false]);
});

test('every scenario runs through at a small size', async (t) => {
  const folder = await temporaryFolder(t);
  for (const name of ['keywords', 'churn', 'growth']) {
    const args = ['simulate', '--scenario', name, '--nodes', '100', '--queries', '2', '--json'];
    const { code, out } = await inProcess(args, folder);
    assert.equal(code, 0, name);
    for (const row of rowsOf(out)) assert.equal(row['falseAbsent'], 0);
  }
});
