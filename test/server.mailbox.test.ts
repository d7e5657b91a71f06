import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
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

/** Whether this process holds a lock on the file, as the kernel sees it (proc(5)). */
async function isLocked(path: string): Promise<boolean> {
  const { ino } = await stat(path);
  const locks = (await readFile('/proc/locks', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return locks.some((fields) => fields[4] === String(process.pid) && fields[5]?.endsWith(`:${ino}`));
}

test('the mailbox keeps its lock, so that no program that closes the file removes the log under it', async (t) => {
  const path = join(await folder(t), 'mailbox.db');
  // The second start is the dangerous one: the file is there already.
  for (let start = 0; start < 2; start += 1) {
    const mailbox = await openMailbox({ path });
    await mailbox.append(newMessage(`start ${start}`));
    const locked = await isLocked(path);
    await mailbox.close();
    assert.ok(locked, `start ${start}`);
  }
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
