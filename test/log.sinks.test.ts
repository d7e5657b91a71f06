import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openLog } from '../src/cli/logging.ts';
import type { EventBody } from '../src/core/events.ts';
import { INSERTS, MANY } from '../src/core/render/sql-rows.ts';
import { SCHEMA } from '../src/core/render/sql.ts';
import { createBatcher, type Problem } from '../src/telemetry/batcher.ts';
import { createFileSink } from '../src/telemetry/file.ts';
import { createHub } from '../src/telemetry/hub.ts';
import { createSqliteSink } from '../src/telemetry/sqlite.ts';
import { logContext, logValues, SAMPLE, temporaryFolder, until } from './log.support.ts';

const CHILD = fileURLToPath(new URL('log.writer-child.ts', import.meta.url));
const run = promisify(execFile);
const readText = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const linesOf = (path: string): string[] => readText(path).split('\n').slice(0, -1);
const sent = (text: string): EventBody => ({ type: 'message.sent', who: 'a', to: 'b', text });

function countRows(path: string): number {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(db.prepare('SELECT COUNT(*) AS n FROM log_events').get()?.['n']);
  } finally {
    db.close();
  }
}

test('the sample lines of the design are in combined_log.txt, and its events in kelana.db', async (t) => {
  const folder = temporaryFolder(t);
  const log = await openLog(
    logContext(folder, (text) => assert.fail(text)),
    logValues(),
  );
  for (const event of SAMPLE) log.emit(event);
  await log.close();
  log.emit(sent('after the end'));
  const lines = linesOf(join(folder, 'combined_log.txt'));
  for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - /);
  assert.deepEqual(
    lines.map((line) => line.slice(22)),
    [
      'Node localhost:5001 siap menerima koneksi...',
      'Node localhost:5001 menambahkan tetangga node localhost:5002.',
      "Node localhost:5002 menerima permintaan pencarian file 'contoh.txt'.",
      "File 'contoh.txt' ditemukan di node localhost:5001.",
      'Waktu respon pencarian file di node localhost:5001: 0.000991s.',
      'Waktu respon total: 0.003009s, throughput: 11300.922102 bytes/s.',
    ],
  );
  assert.equal(countRows(join(folder, 'kelana.db')), SAMPLE.length);
});

test('"none" turns a sink off, and --log-lang en writes English', async (t) => {
  const folder = temporaryFolder(t);
  const log = await openLog(
    logContext(folder, (text) => assert.fail(text)),
    logValues({ log: 'logs/en.txt', 'log-db': 'none', 'log-lang': 'en' }),
  );
  log.emit({ type: 'search.found', who: 'a:1', name: 'x.txt', holder: 'b:2' });
  await log.close();
  assert.match(readText(join(folder, 'logs/en.txt')), / - File 'x\.txt' found at node b:2\.\n$/);
  assert.equal(existsSync(join(folder, 'kelana.db')), false);
});

test('four processes share one file and one database; no line is torn and none is lost', async (t) => {
  const folder = temporaryFolder(t);
  const count = 1_500;
  const labels = ['p:1', 'p:2', 'p:3', 'p:4'];
  const ended = await Promise.all(
    labels.map((label) => run(process.execPath, [CHILD, folder, label, String(count)])),
  );
  assert.deepEqual(
    ended.map(({ stderr }) => stderr),
    labels.map(() => ''),
  );
  const seen = new Map(labels.map((label) => [label, [] as number[]]));
  for (const line of linesOf(join(folder, 'combined_log.txt'))) {
    const match = /^\S{10} \S{8} - Pesan dikirim dari (p:\d) ke localhost:8000: '(\d+) (x*)'\.$/.exec(line);
    assert.ok(match, `torn: ${line}`);
    assert.equal(match[3]?.length, Number(match[2]) % 300);
    seen.get(match[1] ?? '')?.push(Number(match[2]));
  }
  const all = Array.from({ length: count }, (_, n) => n);
  for (const label of labels) assert.deepEqual(seen.get(label), all, label);
  assert.equal(countRows(join(folder, 'kelana.db')), labels.length * count);
});

test('a file that was moved away is followed by a new one', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'log.txt');
  const sink = createFileSink({
    path,
    lang: 'id',
    flushMs: 5,
    onProblem: (problem) => assert.fail(problem.why),
  });
  const hub = createHub({ now: Date.now, sinks: [sink] });
  hub.emit(sent('one'));
  await until('first line', () => linesOf(path).length === 1);
  renameSync(path, `${path}.1`);
  hub.emit(sent('two'));
  await until('new file', () => linesOf(path).length === 1);
  rmSync(folder, { recursive: true });
  hub.emit(sent('three'));
  await until('new folder', () => linesOf(path).length === 1);
  await hub.stop();
  assert.match(readText(path), /'three'/);
});

test('a piece of a line that another process left is closed, not continued', async (t) => {
  const path = join(temporaryFolder(t), 'log.txt');
  writeFileSync(path, '2024-10-12 13:26:34 - Pesan dik');
  const sink = createFileSink({ path, lang: 'id', onProblem: (problem) => assert.fail(problem.why) });
  const hub = createHub({ now: Date.now, sinks: [sink] });
  hub.emit(sent('whole'));
  await hub.stop();
  const [piece, line] = linesOf(path);
  assert.equal(piece, '2024-10-12 13:26:34 - Pesan dik…');
  assert.match(line ?? '', /^\S{10} \S{8} - Pesan dikirim dari a ke b: 'whole'\.$/);
});

test('a full disk is reported once, costs no part, and the loss is in the log once there is room', async (t) => {
  const folder = temporaryFolder(t);
  const mount = join(folder, 'disk');
  mkdirSync(mount);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'kelana-test', mount]);
  if (mounted.status !== 0) {
    t.skip('mounting a small disk takes root');
    return;
  }
  try {
    await fillAndFree(mount);
  } finally {
    spawnSync('umount', ['-l', mount]);
  }
});

async function fillAndFree(mount: string): Promise<void> {
  const path = join(mount, 'log.txt');
  const filler = join(mount, 'filler');
  writeFileSync(filler, Buffer.alloc(48 * 1024));
  const problems: Problem[] = [];
  const sink = createFileSink({
    path,
    lang: 'id',
    flushMs: 5,
    retryMs: 20,
    onProblem: (problem) => problems.push(problem),
    limits: { maxQueued: 100, maxQueuedBytes: 1e6, maxBatch: 50, maxBatchBytes: 1e6 },
  });
  const hub = createHub({ now: Date.now, sinks: [sink] });
  // Until nothing more can be queued: the disk is full and so is the sink.
  let emitted = 0;
  await until('the disk is full', () => {
    for (let n = 0; n < 60; n += 1) hub.emit(sent(`${(emitted += 1)} ${'y'.repeat(400)}`));
    return problems.length > 0;
  });
  for (let n = 0; n < 500; n += 1) hub.emit(sent(`${(emitted += 1)} ${'y'.repeat(400)}`));
  rmSync(filler);
  await until('the loss is reported', () => readText(path).includes('tidak tertulis ke log file.'));
  await hub.stop();
  assert.deepEqual(
    problems.map(({ why, lost }) => ({ why, lost })),
    [{ why: 'ENOSPC', lost: null }],
  );
  const lines = linesOf(path);
  const dropped = lines
    .map((line) => / - (\d+) event dari a tidak tertulis ke log file\.$/.exec(line)?.[1])
    .reduce((sum, count) => sum + Number(count ?? 0), 0);
  const numbers = lines.flatMap(
    (line) => / - Pesan dikirim dari a ke b: '(\d+) y{400}'\.$/.exec(line)?.[1] ?? [],
  );
  assert.equal(new Set(numbers).size, numbers.length, 'no line twice');
  assert.equal(numbers.length + dropped, emitted, 'each event is either there or counted as lost');
  const others = lines.filter((line) => !/ - (Pesan dikirim .*\.|\d+ event .*\.)$/.test(line));
  assert.ok(others.every((line) => line.endsWith('…')) && others.length <= 1, 'at most the one cut piece');
}

test('a folder that cannot be written is told once and the loss at the end, for both sinks', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'plain'), 'a file where a folder is needed');
  const problems: Problem[] = [];
  const options = { retryMs: 10, flushMs: 5, onProblem: (problem: Problem) => problems.push(problem) };
  const sinks = [
    createFileSink({ ...options, path: join(folder, 'plain/log.txt'), lang: 'id' }),
    createSqliteSink({ ...options, path: join(folder, 'plain/kelana.db') }),
  ];
  const hub = createHub({ now: Date.now, sinks });
  hub.emit(sent('one'));
  await until('both told', () => problems.length === 2);
  hub.emit(sent('two'));
  await hub.stop();
  const first = problems.filter((problem) => problem.lost === null).map((problem) => problem.sink);
  assert.deepEqual(first.sort(), ['file', 'sqlite']);
  assert.deepEqual(
    problems.filter((problem) => problem.lost !== null).map((problem) => problem.lost),
    [2, 2],
  );
});

test('a database that is none is left as it is; one that was removed is made anew', async (t) => {
  const folder = temporaryFolder(t);
  const foreign = join(folder, 'foreign.db');
  appendFileSync(foreign, 'this is somebody’s text file, and not a database of any kind at all\n'.repeat(20));
  const before = readText(foreign);
  const problems: Problem[] = [];
  const one = createSqliteSink({ path: foreign, onProblem: (problem) => problems.push(problem) });
  one.add({ ...sent('x'), at: 1 });
  await one.stop();
  assert.match(problems[0]?.why ?? '', /not a database/);
  assert.equal(readText(foreign), before);

  const path = join(folder, 'kelana.db');
  const two = createSqliteSink({ path, flushMs: 5, onProblem: (problem) => assert.fail(problem.why) });
  two.add({ ...sent('x'), at: 1 });
  await until('the first row', () => existsSync(path) && tableRows(path) === 1);
  for (const ending of ['', '-wal', '-shm']) rmSync(path + ending, { force: true });
  two.add({ ...sent('y'), at: 2 });
  await two.stop();
  assert.equal(countRows(path), 1);
});

test('where SQLite took a batch back by itself, what is told is why', async (t) => {
  const path = join(temporaryFolder(t), 'kelana.db');
  const db = new DatabaseSync(path);
  for (const statement of SCHEMA) db.exec(statement);
  db.exec(
    "CREATE TRIGGER full BEFORE INSERT ON log_events BEGIN SELECT RAISE(ROLLBACK, 'penuh sekali'); END",
  );
  db.close();
  const problems: Problem[] = [];
  const sink = createSqliteSink({ path, onProblem: (problem) => problems.push(problem) });
  sink.add({ ...sent('x'), at: 1 });
  await sink.stop();
  assert.match(problems[0]?.why ?? '', /penuh sekali/);
  assert.equal(countRows(path), 0);
});

function tableRows(path: string): number {
  try {
    return countRows(path);
  } catch {
    return 0;
  }
}

test('a writer lock held by another process delays the database and loses nothing', async (t) => {
  const path = join(temporaryFolder(t), 'kelana.db');
  const sink = createSqliteSink({ path, flushMs: 5, onProblem: (problem) => assert.fail(problem.why) });
  sink.add({ ...sent('first'), at: 1 });
  await until('the table', () => existsSync(path) && tableRows(path) === 1);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  for (let n = 0; n < 2_500; n += 1) sink.add({ ...sent(String(n)), at: n });
  const stopping = sink.stop();
  // How long the other process holds it; the writer thread meanwhile waits.
  await sleep(100);
  assert.equal(countRows(path), 1);
  other.exec('COMMIT');
  other.close();
  await stopping;
  assert.equal(countRows(path), 2_501);
});

test('rows of a batch are all there or none, whichever of its statements fails', () => {
  const db = new DatabaseSync(':memory:');
  for (const statement of SCHEMA) db.exec(statement);
  const one = [1, 'error', 'error', 'a', '{}', null, null, null] as const;
  for (const wrong of [INSERTS.one, INSERTS.many]) {
    db.exec('BEGIN IMMEDIATE');
    db.prepare(INSERTS.one).run(...one);
    const rows = wrong === INSERTS.one ? 1 : MANY;
    const values = Array.from({ length: rows }, (_, n) =>
      n === rows - 1 ? [null, ...one.slice(1)] : one,
    ).flat();
    assert.throws(() => db.prepare(wrong).run(...values), /NOT NULL/);
    assert.equal(db.isTransaction, false);
    assert.equal(db.prepare('SELECT COUNT(*) AS n FROM log_events').get()?.['n'], 0);
  }
  db.close();
});

test('stop waits no longer than it may for a store that hangs', async () => {
  const problems: Problem[] = [];
  const sink = createBatcher(
    { write: () => new Promise<number>(() => undefined), close: () => Promise.resolve() },
    { name: 'hung', path: 'x', stopMs: 50, flushMs: 1, onProblem: (problem) => problems.push(problem) },
  );
  sink.add({ ...sent('x'), at: 1 });
  await sink.stop();
  assert.deepEqual(problems, [{ sink: 'hung', path: 'x', why: '> 50 ms', lost: 1 }]);
});

test('while nothing happens the thread of the SQLite log is gone, and what comes next is written', async (t) => {
  const path = join(temporaryFolder(t), 'kelana.db');
  const sink = createSqliteSink({ path, onProblem: ({ why }) => assert.fail(why), idleMs: 1, flushMs: 1 });
  const hub = createHub({ now: Date.now, sinks: [sink] });
  await hub.start();
  for (let n = 1; n <= 5; n += 1) {
    hub.emit(sent(`${n}`));
    await until('it is written', () => existsSync(path) && rowsOrNone(path) === n);
    // An open database has its write-ahead log beside it; the last one to close it takes that away.
    await until('the thread has ended', () => !existsSync(`${path}-wal`));
  }
  await hub.stop();
  assert.equal(countRows(path), 5);
});

/** By a connection that may write: one that may not leaves the write-ahead log lying. */
function rowsOrNone(path: string): number {
  try {
    const db = new DatabaseSync(path);
    try {
      return Number(db.prepare('SELECT COUNT(*) AS n FROM log_events').get()?.['n']);
    } finally {
      db.close();
    }
  } catch {
    // The thread is just making or closing it.
    return 0;
  }
}
