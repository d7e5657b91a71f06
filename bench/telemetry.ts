/**
 * What the combined log costs the part that logs. Run: node bench/telemetry.ts [EVENTS_PER_SECOND] [SECONDS]
 *
 * Events come at a steady rate (default 2,000/s, what a balancer at 1,000 requests/s reports) from one thread, as in a
 * real part. Measured per variant, in one process after the other's warm-up, three rounds interleaved, median shown:
 *   emit       µs of the emitting thread inside emit(), or inside the peer's call
 *   CPU        µs of CPU of the whole process per event, all threads (rendering, writing, SQLite), above idling
 *   delay p99  ms that the event loop was late, 99th percentile, and max
 * The peers are what a script would do: fs.appendFileSync of the line, and one node:sqlite INSERT, per event.
 */
import { appendFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Emit, EventBody } from '../src/core/events.ts';
import { renderLine } from '../src/core/render/line.ts';
import { INSERTS, insertRows, sqlRows } from '../src/core/render/sql-rows.ts';
import { SCHEMA } from '../src/core/render/sql.ts';
import { createFileSink, localStamp } from '../src/telemetry/file.ts';
import { createHub, type Sink } from '../src/telemetry/hub.ts';
import { createSqliteSink } from '../src/telemetry/sqlite.ts';

const perSecond = Number(process.argv[2] ?? 2_000);
const seconds = Number(process.argv[3] ?? 3);
const TICK_MS = 10;
const ROUNDS = 3;

interface Target {
  readonly emit: Emit;
  close(): Promise<void>;
}
type Variant = (folder: string) => Target | Promise<Target>;

const problem = (): never => {
  throw new Error('the log could not be written');
};

async function hubOf(sinks: readonly Sink[]): Promise<Target> {
  const hub = createHub({ now: Date.now, sinks });
  await hub.start();
  return { emit: hub.emit, close: () => hub.stop() };
}
const file = (folder: string): Sink =>
  createFileSink({ path: join(folder, 'log.txt'), lang: 'id', onProblem: problem });
const database = (folder: string): Sink =>
  createSqliteSink({ path: join(folder, 'log.db'), onProblem: problem });

const VARIANTS: Readonly<Record<string, Variant>> = {
  idle: () => ({ emit: () => undefined, close: () => Promise.resolve() }),
  'kelana, both sinks': (folder) => hubOf([file(folder), database(folder)]),
  'kelana, file only': (folder) => hubOf([file(folder)]),
  'kelana, SQLite only': (folder) => hubOf([database(folder)]),
  'appendFileSync per line': (folder) => ({
    emit: (body) => {
      const at = Date.now();
      appendFileSync(join(folder, 'log.txt'), `${renderLine({ ...body, at }, 'id', localStamp(at))}\n`);
    },
    close: () => Promise.resolve(),
  }),
  'INSERT per event': (folder) => {
    const db = new DatabaseSync(join(folder, 'log.db'));
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
    for (const statement of SCHEMA) db.exec(statement);
    const insert = db.prepare(INSERTS.one);
    const one = { one: (values: readonly (number | string | null)[]) => void insert.run(...values) };
    return {
      emit: (body) =>
        insertRows(sqlRows([{ ...body, at: Date.now() }]), { ...one, many: problem, alike: problem }),
      close: () => Promise.resolve(db.close()),
    };
  },
};

interface Figures {
  readonly emit: number;
  readonly cpu: number;
  readonly p99: number;
  readonly max: number;
}

const who = 'localhost:8000';
const events = (n: number): EventBody =>
  n % 2 === 0
    ? { type: 'request.response-time', who, what: 'POST /messages', seconds: n / 1e6 }
    : {
        type: 'balancer.request',
        who,
        client: '127.0.0.1:50312',
        backend: '127.0.0.1:8080',
        method: 'POST',
        target: '/messages',
        status: 201,
        seconds: n / 1e6,
        bytes: 148,
        retries: 0,
      };

async function measure(variant: Variant): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'kelana-bench-'));
  try {
    const target = await variant(folder);
    for (let n = 0; n < perSecond / 5; n += 1) target.emit(events(n));
    await sleep(300);
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const cpu = process.cpuUsage();
    const begun = performance.now();
    let inside = 0;
    let sent = 0;
    for (;;) {
      const elapsed = performance.now() - begun;
      if (elapsed >= seconds * 1000) break;
      const due = Math.floor((elapsed / 1000) * perSecond);
      const before = performance.now();
      for (; sent < due; sent += 1) target.emit(events(sent));
      inside += performance.now() - before;
      await sleep(TICK_MS);
    }
    delay.disable();
    await target.close();
    const { user, system } = process.cpuUsage(cpu);
    return {
      emit: (inside * 1000) / sent,
      cpu: (user + system) / sent,
      p99: delay.percentile(99) / 1e6,
      max: delay.max / 1e6,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Events per second that a burst gets through both sinks, to the end of stop(); all within the queue's bound. */
async function burst(): Promise<{ emit: number; perSecond: number; bytes: number }> {
  const folder = mkdtempSync(join(tmpdir(), 'kelana-bench-'));
  try {
    const target = await hubOf([file(folder), database(folder)]);
    target.emit(events(0));
    await sleep(500);
    const count = 20_000;
    const begun = performance.now();
    for (let n = 0; n < count; n += 1) target.emit(events(n));
    const emitted = performance.now() - begun;
    await target.close();
    const bytes = statSync(join(folder, 'log.txt')).size + statSync(join(folder, 'log.db')).size;
    return {
      emit: (emitted * 1000) / count,
      perSecond: (count * 1000) / (performance.now() - begun),
      bytes: bytes / count,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const rounds = new Map<string, Figures[]>();
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, variant] of Object.entries(VARIANTS)) {
    rounds.set(name, [...(rounds.get(name) ?? []), await measure(variant)]);
  }
}
const idle = median((rounds.get('idle') ?? []).map((figures) => figures.cpu));
console.log(
  `${perSecond} events/s for ${seconds} s, median of ${ROUNDS}; Node ${process.version}, ${process.platform}`,
);
console.log('variant                      emit µs   CPU µs   delay p99 ms   max ms');
for (const [name, list] of rounds) {
  const of = (key: keyof Figures): number => median(list.map((figures) => figures[key]));
  console.log(
    name.padEnd(26) +
      of('emit').toFixed(2).padStart(10) +
      Math.max(0, of('cpu') - idle)
        .toFixed(1)
        .padStart(9) +
      of('p99').toFixed(2).padStart(15) +
      of('max').toFixed(2).padStart(9),
  );
}
const all = await burst();
console.log(
  `burst of 20,000: emit ${all.emit.toFixed(2)} µs, ${Math.round(all.perSecond)} events/s written to both, ${Math.round(all.bytes)} B an event on disk`,
);
