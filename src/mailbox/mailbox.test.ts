import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { MAILBOX } from '../core/config.ts';
import type { NewMessage } from '../core/ports.ts';
import { GroupCommit } from './group.ts';
import { openMailbox } from './mailbox.ts';
import { APPLICATION_ID } from './schema.ts';

const MESSAGE: NewMessage = { text: 'halo', room: 'umum', to: null, server: 's', idempotencyKey: null };

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kelana-mailbox-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

test('a mailbox is readable by its owner only', async (t) => {
  const path = join(await folder(t), 'sub', 'mailbox.db');
  const mailbox = await openMailbox({ path });
  await mailbox.append(MESSAGE);
  for (const suffix of ['', '-wal']) assert.equal((await stat(path + suffix)).mode & 0o077, 0, suffix);
  await mailbox.close();
});

test("another program's SQLite file, a text file and a newer mailbox are refused and left as they are", async (t) => {
  const dir = await folder(t);
  const foreign = join(dir, 'foreign.db');
  const other = new DatabaseSync(foreign);
  other.exec('CREATE TABLE things (x)');
  other.close();
  await assert.rejects(openMailbox({ path: foreign }), {
    code: 'DATABASE',
    message: /not a mailbox of kelana/,
  });

  const text = join(dir, 'text.db');
  await writeFile(text, 'this is a letter, not a database'.repeat(100));
  await assert.rejects(openMailbox({ path: text }), { code: 'DATABASE', message: /not a database/ });

  const newer = join(dir, 'newer.db');
  const future = new DatabaseSync(newer);
  future.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = 99`);
  future.close();
  await assert.rejects(openMailbox({ path: newer }), { code: 'DATABASE', message: /newer kelana/ });
  assert.equal((await stat(text)).size, 3200);
});

test('a folder, or a path below a file, is refused with its reason', async (t) => {
  const dir = await folder(t);
  await assert.rejects(openMailbox({ path: dir }), { code: 'DATABASE' });
  await writeFile(join(dir, 'file'), '');
  await assert.rejects(openMailbox({ path: join(dir, 'file', 'mailbox.db') }), { code: 'DATABASE' });
});

test('a write lock held too long by another process is MAILBOX_BUSY, reading goes on, and later all is well', async (t) => {
  const path = join(await folder(t), 'mailbox.db');
  const mailbox = await openMailbox({ path, busyTimeoutMs: 50 });
  t.after(() => mailbox.close());
  await mailbox.append(MESSAGE);
  const holder = new DatabaseSync(path);
  holder.exec('BEGIN IMMEDIATE');
  await assert.rejects(mailbox.append(MESSAGE), { code: 'MAILBOX_BUSY' });
  assert.equal((await mailbox.list(0, 10)).length, 1);
  holder.exec('ROLLBACK');
  holder.close();
  assert.equal((await mailbox.append(MESSAGE)).message.id, 2);
});

test('a failed commit fails all its messages, opens the store anew and acknowledges again', async (t) => {
  const path = join(await folder(t), 'mailbox.db');
  const mailbox = await openMailbox({ path });
  t.after(() => mailbox.close());
  await mailbox.append(MESSAGE);
  const other = new DatabaseSync(path);
  other.exec(`CREATE TRIGGER broken BEFORE INSERT ON messages BEGIN SELECT raise(FAIL, 'broken'); END`);
  const both = await Promise.allSettled([mailbox.append(MESSAGE), mailbox.append(MESSAGE)]);
  for (const one of both) {
    assert.equal(one.status, 'rejected');
    assert.equal((one.reason as { code: string }).code, 'MAILBOX_UNSAFE');
  }
  await assert.rejects(mailbox.check(), { code: 'MAILBOX_UNSAFE' });
  other.exec('DROP TRIGGER broken');
  other.close();
  for (const until = Date.now() + 5 * MAILBOX.reopenMs; ; await new Promise((r) => setTimeout(r, 50))) {
    if (
      await mailbox.check().then(
        () => true,
        () => false,
      )
    )
      break;
    assert.ok(Date.now() < until, 'it should have recovered');
  }
  await mailbox.append(MESSAGE);
  assert.equal((await mailbox.list(0, 10)).length, 2);
});

test('what arrives during a commit shares the next one, and a full queue sheds', async () => {
  const batches: number[] = [];
  const releases: (() => void)[] = [];
  const group = new GroupCommit<number, number>(async (items) => {
    batches.push(items.length);
    await new Promise<void>((resolve) => releases.push(resolve));
    return items;
  });
  const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const first = [group.add(1, 1), group.add(2, 1)];
  await tick();
  const rest = Array.from({ length: MAILBOX.maxBatch + 1 }, (_, i) => group.add(i, 1));
  await assert.rejects(group.add(0, MAILBOX.maxPendingBytes), { code: 'MAILBOX_BUSY' });
  while (releases.length > 0 || batches.length < 3) {
    releases.shift()?.();
    await tick();
  }
  assert.deepEqual(await Promise.all(first), [1, 2]);
  await Promise.all(rest);
  assert.deepEqual(batches, [2, MAILBOX.maxBatch, 1]);
  await group.idle();
});
