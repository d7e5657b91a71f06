import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { openMailbox } from '../src/mailbox/mailbox.ts';
import { listAll, mailboxContract, newMessage } from './mailbox.contract.ts';

const CHILD = join(import.meta.dirname, 'server.mailbox-child.ts');

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kelana-mailbox-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

mailboxContract('SQLite mailbox', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'kelana-mailbox-'));
  const path = join(dir, 'mailbox.db');
  const first = await openMailbox({ path });
  return {
    first,
    again: () => openMailbox({ path }),
    end: async () => {
      await first.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
});

interface Writer {
  readonly process: ChildProcess;
  /** Lines as they come: `<id> <text>` acknowledged, `! <code> <text>` refused. */
  readonly lines: string[];
  readonly ended: Promise<unknown>;
}

function startWriter(t: TestContext, command: readonly string[]): Writer {
  const [file = '', ...args] = command;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  return { process: child, lines, ended: Promise.all([once(child, 'exit'), once(reader, 'close')]) };
}

async function waitFor(what: string, condition: () => boolean): Promise<void> {
  for (const until = Date.now() + 20_000; !condition(); await new Promise((r) => setTimeout(r, 5)))
    assert.ok(Date.now() < until, `${what} did not come about`);
}

function outside(path: string, code: string): string {
  const script = `const { DatabaseSync } = require('node:sqlite');
    const db = new DatabaseSync(${JSON.stringify(path)}); ${code}`;
  return spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' }).stdout.trim();
}

/** As `sqlite3 mailbox.db`: on closing, SQLite clears up if nobody else is in. A prepared statement would keep it open. */
function readAndClose(path: string): void {
  assert.equal(
    outside(path, "db.exec('SELECT * FROM messages'); db.close(); console.log('closed')"),
    'closed',
  );
}

function countFromOutside(path: string): number {
  return Number(outside(path, "console.log(db.prepare('SELECT count(*) AS n FROM messages').get().n)"));
}

test('a program that opens and closes the file takes nothing from under a server that is idle', async (t) => {
  const path = join(await folder(t), 'mailbox.db');
  // A second start is the dangerous one: the file is there already.
  await (await openMailbox({ path })).close();
  const mailbox = await openMailbox({ path });
  t.after(() => mailbox.close());
  const append = async (name: string): Promise<void> => {
    for (let at = 0; at < 5; at += 1) await mailbox.append(newMessage(`${name}${at}`));
  };
  await append('before');
  const log = (await stat(`${path}-wal`)).ino;
  readAndClose(path);
  assert.equal((await stat(`${path}-wal`)).ino, log, 'the log was not removed');
  await append('after');
  assert.equal(countFromOutside(path), 10, 'others see what was acknowledged since');
});

test('every message that was acknowledged is there after kill -9, under its id, and only once', async (t) => {
  const path = join(await folder(t), 'mailbox.db');
  const acknowledged: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    const writer = startWriter(t, [process.execPath, CHILD, path, `r${round}-`, '1000000', '20']);
    await waitFor('60 acknowledgements', () => writer.lines.length > 60 + 35 * round);
    writer.process.kill('SIGKILL');
    await writer.ended;
    acknowledged.push(...writer.lines.filter((line) => /^\d+ r\d+-\d+$/.test(line)));
  }
  const mailbox = await openMailbox({ path });
  const stored = (await listAll(mailbox)).map(({ id, text }) => `${id} ${text}`);
  await mailbox.close();
  const set = new Set(stored);
  assert.equal(set.size, stored.length);
  assert.deepEqual(
    acknowledged.filter((line) => !set.has(line)),
    [],
  );
  assert.equal(new Set(stored.map((line) => line.split(' ')[1])).size, stored.length, 'no text twice');
});

test('two processes that write 5,000 messages at once store each exactly once', async (t) => {
  const path = join(await folder(t), 'mailbox.db');
  const writers = ['a', 'b'].map((prefix) =>
    startWriter(t, [process.execPath, CHILD, path, prefix, '2500', '25']),
  );
  await Promise.all(writers.map((writer) => writer.ended));
  const printed = writers.flatMap((writer) => writer.lines.filter((line) => line !== 'ready'));
  const mailbox = await openMailbox({ path });
  const stored = (await listAll(mailbox)).map(({ id, text }) => `${id} ${text}`);
  await mailbox.close();
  assert.equal(stored.length, 5000);
  assert.deepEqual(printed.toSorted(), stored.toSorted());
});

const strace = spawnSync('strace', ['-f', '-e', 'trace=fsync', 'true']).status === 0;

test(
  'after an fsync that failed nothing is acknowledged until the store was opened anew, and nothing is lost',
  { skip: strace ? false : 'strace is not here or may not trace' },
  async (t) => {
    const path = join(await folder(t), 'mailbox.db');
    const inject = 'inject=fsync,fdatasync:error=EIO:when=40..41';
    const tracer = ['strace', '-f', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync', '-e', inject];
    const writer = startWriter(t, tracer.concat(process.execPath, CHILD, path, 'm', '1000000', '4'));
    const refused = (): number => writer.lines.findLastIndex((line) => line.startsWith('! MAILBOX_UNSAFE'));
    await waitFor('refusals', () => refused() > 0);
    await waitFor('acknowledgements after them', () => writer.lines.length > refused() + 50);
    // The tracer dies, the traced child with its output pipe goes on: end it by its own id.
    spawnSync('kill', ['-9', ...childrenOf(writer.process.pid ?? 0)]);
    await writer.ended;
    const mailbox = await openMailbox({ path });
    const stored = new Set((await listAll(mailbox)).map(({ id, text }) => `${id} ${text}`));
    await mailbox.close();
    const acknowledged = writer.lines.filter((line) => /^\d+ m\d+$/.test(line));
    assert.ok(acknowledged.length > 50);
    assert.deepEqual(
      acknowledged.filter((line) => !stored.has(line)),
      [],
    );
  },
);

function childrenOf(pid: number): string[] {
  return spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)])
    .stdout.toString()
    .split(/\s+/)
    .filter(Boolean);
}
