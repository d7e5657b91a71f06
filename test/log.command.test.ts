import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { openLog } from '../src/cli/logging.ts';
import type { Context } from '../src/cli/context.ts';
import { main } from '../src/cli/main.ts';
import { parseSince } from '../src/cli/commands/log-since.ts';
import type { EventBody, KelanaEvent } from '../src/core/events.ts';
import { localStamp } from '../src/telemetry/file.ts';
import { createSqliteSink } from '../src/telemetry/sqlite.ts';
import { logContext, logValues, SAMPLE, temporaryFolder, until } from './log.support.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const ENV = { ...process.env, KELANA_LANG: 'en' };

interface Ran {
  readonly code: number | null;
  readonly out: readonly string[];
  readonly err: string;
}

/** `kelana log …` in a folder, within this process: the real command line with streams of its own. */
async function kelanaLog(cwd: string, ...args: readonly string[]): Promise<Ran> {
  const written = { out: '', err: '' };
  // As much of a Context as this command looks at.
  const context = {
    args: ['log', ...args],
    env: {},
    cwd,
    lang: args.includes('--lang') ? 'id' : 'en',
    signal: new AbortController().signal,
    out: (text: string): void => {
      written.out += `${text}\n`;
    },
    err: (text: string): void => {
      written.err += `${text}\n`;
    },
    flush: () => Promise.resolve(),
  } as Partial<Context> as Context;
  const code = await main(context);
  return { code, out: written.out.split('\n').slice(0, -1), err: written.err };
}

function following(cwd: string, ...args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, 'log', '--follow', ...args], { cwd, env: ENV });
  const seen = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (seen.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (seen.err += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
  return { seen, ended, interrupt: () => child.kill('SIGINT'), kill: () => child.kill('SIGKILL') };
}

async function writeLog(cwd: string, events: readonly EventBody[], given: Record<string, string> = {}) {
  const log = await openLog(
    logContext(cwd, (text) => assert.fail(text)),
    logValues(given),
  );
  for (const event of events) log.emit(event);
  await log.close();
}

/** Writes events with times of their own. */
async function writeRows(cwd: string, events: readonly KelanaEvent[]): Promise<void> {
  const sink = createSqliteSink({
    path: join(cwd, 'kelana.db'),
    onProblem: (problem) => assert.fail(problem.why),
  });
  for (const event of events) sink.add(event);
  await sink.stop();
}

test('kelana log shows what was logged, in the order it happened, in either language', async (t) => {
  const folder = temporaryFolder(t);
  await writeLog(folder, SAMPLE);
  const { code, out, err } = await kelanaLog(folder);
  assert.deepEqual([code, err], [0, '']);
  assert.equal(out.length, SAMPLE.length);
  assert.match(out[3] ?? '', / - File 'contoh\.txt' ditemukan di node localhost:5001\.$/);
  assert.match(
    (await kelanaLog(folder, '--log-lang', 'en')).out[3] ?? '',
    / - File 'contoh\.txt' found at node /,
  );
});

test('--kind, --node, --grep, --since and --limit narrow it, and --json gives one event a line', async (t) => {
  const folder = temporaryFolder(t);
  await writeLog(folder, SAMPLE);
  await writeRows(folder, [{ type: 'error', who: 'old:1', code: 'X', detail: 'long ago', at: 1_000 }]);
  assert.equal((await kelanaLog(folder, '--kind', 'search')).out.length, 2);
  assert.equal((await kelanaLog(folder, '--kind', 'search', '--kind', 'response-time')).out.length, 3);
  assert.equal((await kelanaLog(folder, '--node', 'localhost:5003')).out.length, 3);
  assert.equal((await kelanaLog(folder, '--grep', 'CONTOH', '--node', 'localhost:5002')).out.length, 1);
  assert.equal((await kelanaLog(folder)).out.length, SAMPLE.length + 1);
  assert.match((await kelanaLog(folder)).out[0] ?? '', /long ago/);
  assert.equal((await kelanaLog(folder, '--since', '10m')).out.length, SAMPLE.length);
  assert.deepEqual((await kelanaLog(folder, '--limit', '2')).out, (await kelanaLog(folder)).out.slice(-2));
  assert.deepEqual((await kelanaLog(folder, '--limit', '0')).out, []);
  const rows = (await kelanaLog(folder, '--json', '--limit', '1')).out.map(
    (line) => JSON.parse(line) as unknown,
  );
  const [row] = rows as [Record<string, unknown>];
  assert.deepEqual(
    [rows.length, row['type'], row['kind'], row['bytesPerSecond']],
    [1, 'total', 'throughput', 11300.922102],
  );
});

test('without --since or --limit it shows the last 1,000 and says so; --since shows all', async (t) => {
  const folder = temporaryFolder(t);
  const now = Date.now();
  await writeRows(
    folder,
    // Committed in another order than they happened, as several processes do.
    Array.from({ length: 2_345 }, (_, n) => n)
      .sort((a, b) => (a % 10) - (b % 10) || a - b)
      .map((n) => ({ type: 'message.sent', who: 'a', to: 'b', text: `no ${n}`, at: now - 10_000 + n })),
  );
  const numbers = (ran: Ran): number[] => ran.out.map((line) => Number(/'no (\d+)'/.exec(line)?.[1]));
  const short = await kelanaLog(folder);
  assert.deepEqual(
    numbers(short),
    Array.from({ length: 1_000 }, (_, n) => 1_345 + n),
  );
  assert.match(short.err, /only the last 1000 lines/);
  const all = await kelanaLog(folder, '--since', '1h');
  assert.deepEqual([numbers(all), all.err], [Array.from({ length: 2_345 }, (_, n) => n), '']);
});

test('--stats gives exact percentiles, throughput and counts of each part', async (t) => {
  const folder = temporaryFolder(t);
  const at = Date.now();
  const events: KelanaEvent[] = [];
  for (let n = 1; n <= 100; n += 1) {
    const seconds = ((n * 37) % 101) / 1000;
    events.push({ type: 'request.response-time', who: 'c:1', what: 'POST', seconds, at });
    events.push({ type: 'request.latency', who: 'c:1', what: 'POST', seconds: seconds / 10, at });
  }
  events.push(
    { type: 'request.throughput', who: 'c:1', what: 'x', seconds: 2, bytes: 300, bytesPerSecond: 150, at },
    { type: 'request.throughput', who: 'c:1', what: 'x', seconds: 1, bytes: 300, bytesPerSecond: 300, at },
    {
      type: 'balancer.request',
      who: 'lb:8000',
      client: 'c',
      backend: 's',
      method: 'GET',
      target: '/',
      status: 200,
      seconds: 0.5,
      bytes: 9,
      retries: 0,
      at,
    },
  );
  await writeRows(folder, events);
  const document = JSON.parse((await kelanaLog(folder, '--stats', '--json')).out.join('')) as {
    parts: readonly Record<string, unknown>[];
  };
  const [clients, balancer] = document.parts;
  assert.deepEqual(clients, {
    who: 'c:1',
    events: 202,
    responseSeconds: { count: 100, p50: 0.05, p90: 0.09, p99: 0.099, max: 0.1 },
    latencySeconds: { count: 100, p50: 0.005, p90: 0.009, p99: 0.0099, max: 0.01 },
    throughput: { bytes: 600, seconds: 3, meanBytesPerSecond: 200 },
    kinds: { 'response-time': 100, latency: 100, throughput: 2 },
  });
  assert.deepEqual(balancer?.['responseSeconds'], { count: 1, p50: 0.5, p90: 0.5, p99: 0.5, max: 0.5 });
  const table = (await kelanaLog(folder, '--stats', '--lang', 'id')).out;
  assert.equal(table[0], 'c:1: 202 event');
  assert.match(
    table[1] ?? '',
    /waktu respon +n 100 +p50 0\.050000s +p90 0\.090000s +p99 0\.099000s +maks 0\.100000s/,
  );
  assert.match(table[3] ?? '', /throughput +rata-rata 200\.000000 bytes\/s, 600 bytes/);
  assert.equal((await kelanaLog(folder, '--stats', '--follow')).code, 2);
});

test('where only the text file is, it is read, and what needs the database is refused', async (t) => {
  const folder = temporaryFolder(t);
  await writeLog(folder, SAMPLE, { 'log-db': 'none' });
  appendFileSync(join(folder, 'combined_log.txt'), '2001-01-01 00:00:00 - lama \u001b[31m\u202emerah\n');
  const { code, out, err } = await kelanaLog(folder, '--grep', 'LAMA');
  assert.deepEqual([code, out], [0, ['2001-01-01 00:00:00 - lama \\u{1b}[31m\\u{202e}merah']]);
  assert.match(err, /need the database/);
  assert.equal((await kelanaLog(folder, '--since', '1h')).out.length, SAMPLE.length);
  assert.equal((await kelanaLog(folder, '--limit', '2')).out.length, 2);
  for (const flags of [['--kind', 'search'], ['--node', 'a'], ['--stats'], ['--json']]) {
    const refused = await kelanaLog(folder, ...flags);
    assert.equal(refused.code, 1);
    assert.ok(refused.err.includes(flags[0] ?? '') && refused.err.includes('kelana.db'), refused.err);
  }
});

test('with neither file it names both and the next step; a file that is no database is an error', async (t) => {
  const folder = temporaryFolder(t);
  const none = await kelanaLog(folder);
  assert.equal(none.code, 1);
  assert.match(none.err, /kelana\.db'.*combined_log\.txt'.*\n +→ .*kelana up/);
  assert.equal((JSON.parse((await kelanaLog(folder, '--json')).err) as { error: string }).error, 'NO_LOG');
  writeFileSync(join(folder, 'kelana.db'), 'no database at all'.repeat(100));
  const broken = await kelanaLog(folder);
  assert.equal(broken.code, 1);
  assert.match(broken.err, /not a database/);
});

test('a row that no version wrote is passed over and counted', async (t) => {
  const folder = temporaryFolder(t);
  await writeLog(folder, SAMPLE);
  const db = new DatabaseSync(join(folder, 'kelana.db'));
  db.exec(`INSERT INTO log_events (at, type, kind, who, body) VALUES (1, 'x', 'search', 'a', '{"type":"x"}'),
    (2, 'x', 'search', 'a', x'00'), (3, 'x', 'search', 'a', 'no json')`);
  db.close();
  const { code, out, err } = await kelanaLog(folder);
  assert.deepEqual([code, out.length], [0, SAMPLE.length]);
  assert.match(err, /3 events/);
  assert.equal((await kelanaLog(folder, '--grep', 'localhost')).out.length, SAMPLE.length - 1);
});

test('--follow waits for a log, shows new events as they come, and Ctrl+C ends it with 0', async (t) => {
  const folder = temporaryFolder(t);
  const plain = following(folder, '--kind', 'search');
  const all = following(folder);
  t.after(() => [plain.kill(), all.kill()]);
  await until('both wait', () => [plain, all].every(({ seen }) => seen.err.includes('waiting for a log')));
  await writeLog(folder, SAMPLE.slice(0, 3));
  await until('the first events', () => all.seen.out.split('\n').length === 4);
  await writeLog(folder, SAMPLE.slice(3));
  await until('the next events', () => all.seen.out.split('\n').length === SAMPLE.length + 1);
  await until('the filtered ones', () => plain.seen.out.split('\n').length === 3);
  plain.interrupt();
  all.interrupt();
  assert.deepEqual(await Promise.all([plain.ended, all.ended]), [0, 0]);
  assert.match(plain.seen.out, /menerima permintaan[^]*ditemukan di node/);
});

test('--follow also follows the text file alone', async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, 'combined_log.txt');
  writeFileSync(path, '2024-10-12 13:26:34 - satu\n2024-10-12 13:26:35 - du');
  const { seen, ended, interrupt, kill } = following(folder, '--log-db', 'none');
  t.after(kill);
  await until('the first line', () => seen.out.includes('satu\n'));
  appendFileSync(path, 'a\n');
  await until('the second', () => seen.out.includes(' - dua\n'));
  writeFileSync(path, '2024-10-12 13:26:36 - tiga\n');
  await until('the file begun anew', () => seen.out.includes('tiga\n'));
  interrupt();
  assert.equal(await ended, 0);
});

test('--since takes lengths of time, local times and ISO 8601, and refuses the rest', () => {
  const now = Date.UTC(2024, 9, 12, 13);
  assert.equal(parseSince('10m', now), now - 600_000);
  assert.equal(parseSince('1.5h', now), now - 5_400_000);
  assert.equal(parseSince('2d', now), now - 172_800_000);
  assert.equal(parseSince('2024-10-12T13:00:00Z', 0), now);
  assert.equal(parseSince('2024-10-12T20:00+07:00', 0), now);
  for (const text of ['2024-10-12 13:26:34', '2024-02-29 00:00:00'])
    assert.equal(localStamp(parseSince(text, 0)), text);
  assert.equal(localStamp(parseSince('2024-10-12 13:00', 0)), '2024-10-12 13:00:00');
  assert.equal(localStamp(parseSince('2024-10-12', 0)), '2024-10-12 00:00:00');
  for (const bad of ['', 'yesterday', '10 m', '2024-02-30', '2024-10-12 25:00', '-5m', '2024-13-01']) {
    assert.throws(() => parseSince(bad, now), /--since/, bad);
  }
});
